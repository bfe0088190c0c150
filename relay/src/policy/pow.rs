//! Proof of work (NIP-13).

use crate::wire::{Event, EventId, Verdict};

/// The id must have `required` leading zero bits, and the event must not have committed to fewer.
///
/// # Errors
/// `pow:` with what was found and what is asked for.
pub fn check(event: &Event, required: u64) -> Result<(), Verdict> {
    if required == 0 {
        return Ok(());
    }
    let found = leading_zero_bits(&event.id());
    if found < required {
        return Err(Verdict::pow(format!(
            "difficulty {found} is less than {required}"
        )));
    }
    match committed(event) {
        Some(target) if target < required => Err(Verdict::pow(format!(
            "the nonce tag commits to difficulty {target}, {required} is needed"
        ))),
        _ => Ok(()),
    }
}

fn leading_zero_bits(id: &EventId) -> u64 {
    let bytes = id.as_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros());
    8 * zeros as u64 + u64::from(rest)
}

/// The target in `["nonce", nonce, target]`; an unreadable one commits to nothing.
fn committed(event: &Event) -> Option<u64> {
    event.tags().first("nonce")?.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;

    // The id of the tests' events is 0f0f…: four zero bits.
    #[test]
    fn enough_work_is_taken_and_a_bit_less_is_refused() {
        let plain = event(1, "[]", "");
        assert_eq!(check(&plain, 0), Ok(()));
        assert_eq!(check(&plain, 4), Ok(()));
        assert_eq!(
            check(&plain, 5).unwrap_err().to_string(),
            "pow: difficulty 4 is less than 5"
        );
    }

    #[test]
    fn luck_does_not_replace_a_commitment() {
        let committed = |target: u8| event(1, &format!(r#"[["nonce","1","{target}"]]"#), "");
        assert_eq!(check(&committed(4), 4), Ok(()));
        assert!(check(&committed(3), 4).is_err());
    }

    #[test]
    fn zero_bits_are_counted_over_bytes() {
        let mut id = [0; 32];
        assert_eq!(leading_zero_bits(&EventId::new(id)), 256);
        id[2] = 0b0010_0000;
        assert_eq!(leading_zero_bits(&EventId::new(id)), 18);
    }
}
