//! How large an event may be (NIP-11 `limitation`).

use crate::wire::{Event, Verdict};
use relay_config::Limits;

/// Tags, characters of the content, bytes of each tag value.
///
/// # Errors
/// `invalid:` with the limit that is exceeded.
pub fn check(event: &Event, limits: &Limits) -> Result<(), Verdict> {
    let most = limits.event_tags.get() as usize;
    if event.tags().len() > most {
        return Err(too_large("tags", &format!("at most {most} of them")));
    }
    let most = limits.content_characters.get() as usize;
    if exceeds_characters(event.content(), most) {
        return Err(too_large("content", &format!("at most {most} characters")));
    }
    let most = limits.tag_value_bytes.get() as usize;
    let too_long = |field: &str| field.len() > most;
    if event.tags().iter().any(|tag| tag.fields().any(too_long)) {
        return Err(too_large("a tag's value", &format!("at most {most} bytes")));
    }
    Ok(())
}

/// Counts only where bytes alone do not tell: a character has one to four of them.
fn exceeds_characters(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

fn too_large(what: &str, bound: &str) -> Verdict {
    Verdict::invalid(format!("{what} is too large: {bound} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;
    use relay_config::Bounded;

    #[test]
    fn tags_up_to_the_limit_are_taken_and_one_more_is_refused() {
        let limits = Limits {
            event_tags: Bounded::new(2),
            ..Limits::default()
        };
        assert_eq!(check(&event(1, r#"[["t"],["t"]]"#, ""), &limits), Ok(()));
        let refused = check(&event(1, r#"[["t"],["t"],["t"]]"#, ""), &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid: tags is too large: at most 2 of them here"
        );
    }

    #[test]
    fn content_is_measured_in_characters_not_bytes() {
        let limits = Limits {
            content_characters: Bounded::new(3),
            ..Limits::default()
        };
        assert_eq!(check(&event(1, "[]", "äöü"), &limits), Ok(()));
        assert!(check(&event(1, "[]", "äöüa"), &limits).is_err());
    }

    #[test]
    fn every_field_of_a_tag_is_measured_in_bytes() {
        let limits = Limits {
            tag_value_bytes: Bounded::new(64),
            ..Limits::default()
        };
        let tag = |bytes: usize| format!(r#"[["t","x","{}"]]"#, "a".repeat(bytes));
        assert_eq!(check(&event(1, &tag(64), ""), &limits), Ok(()));
        assert!(check(&event(1, &tag(65), ""), &limits).is_err());
    }
}
