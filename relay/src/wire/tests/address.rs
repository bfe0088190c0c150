use super::KEY;
use crate::wire::Address;

#[test]
fn d_is_everything_after_the_second_colon() {
    for d in ["", "a", "a:b", "a:b:c", ":", "é\0"] {
        let text = format!("30023:{KEY}:{d}");
        let address = Address::read(&text).expect(d);
        assert_eq!((address.kind, &*address.d), (30_023, d));
        assert_eq!(address.pubkey.to_string(), KEY);
        assert_eq!(address.to_string(), text);
    }
    assert_eq!(Address::read(&format!("0:{KEY}:")).unwrap().kind, 0);
}

#[test]
fn what_is_not_in_form_is_no_address() {
    let upper = KEY.to_uppercase();
    for wrong in [
        String::new(),
        ":".into(),
        "::".into(),
        format!("30023:{KEY}"),
        format!(":{KEY}:"),
        format!("+1:{KEY}:"),
        format!("-1:{KEY}:"),
        format!("01:{KEY}:"),
        format!("65536:{KEY}:"),
        format!("65537:{KEY}:"),
        format!("x:{KEY}:"),
        format!(" 1:{KEY}:"),
        format!("1:{upper}:"),
        "1:00:".into(),
        format!("1.0:{KEY}:"),
    ] {
        assert_eq!(Address::read(&wrong), None, "{wrong}");
    }
}
