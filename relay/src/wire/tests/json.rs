use crate::wire::json::Cursor;
use serde::de::IgnoredAny;

fn skips(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.skip_space();
    cursor.skip_value().and_then(|()| cursor.end()).is_ok()
}

#[test]
fn a_skipped_value_is_json_to_another_reader_too() {
    let cases = [
        "0",
        "-0",
        "1",
        "10",
        "-1.5",
        "1e5",
        "1E+5",
        "1e-05",
        "1.0e0",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[1,\"a\",{\"b\":[null]}]",
        " [ ] ",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "--1",
        "tru",
        "True",
        "nul",
        "nan",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "[1 2]",
        "\"",
        "\"\n\"",
        "'a'",
        "[",
        "{",
        "]",
        "",
        " ",
        "1 1",
        "\u{a0}1",
        "[\u{feff}]",
        "\"\\q\"",
        "\"\\u00g0\"",
        "{1:2}",
        "[}",
        "{\"a\":1]",
        "0x1",
        "1_000",
        "Infinity",
        "truefalse",
        "null,",
    ];
    for text in cases {
        let other = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert_eq!(skips(text), other, "{text:?}");
    }
}

#[test]
fn a_string_without_escapes_is_not_copied() {
    let text = String::from("\"plain é\"");
    let read = Cursor::new(&text).string().unwrap();
    assert!(matches!(read, std::borrow::Cow::Borrowed("plain é")));
}

#[test]
fn plain_form_ends_with_the_first_space_or_escape_that_is_not_canonical() {
    for (text, plain) in [
        ("[\"a\",{\"b\":1}]", true),
        (r#"["\n\u0001\"\\"]"#, true),
        ("[ ]", false),
        ("[1 ]", false),
        ("{\"a\" :1}", false),
        ("{\"a\":\t1}", false),
        (r#""\/""#, false),
        (r#""\u0041""#, false),
        (r#""\u001F""#, false),
        (r#""\u000a""#, false),
        (r#""\ud83d\ude00""#, false),
        (r#""\u0022""#, false),
    ] {
        let mut cursor = Cursor::new(text);
        cursor.skip_value().unwrap();
        assert_eq!(cursor.is_plain(), plain, "{text}");
    }
}
