//! Events that only their author may publish (NIP-70), and reposts that would smuggle them in.

use crate::wire::{Event, Verdict};
use serde::Deserialize;

/// Kinds whose content is another event: repost and generic repost (NIP-18).
const REPOSTS: [u16; 2] = [6, 16];

/// The one field of a reposted event that matters here.
#[derive(Deserialize)]
struct Reposted {
    tags: Vec<Vec<String>>,
}

/// Nobody can show here that they are the author, so protected events are refused, and reposts of them.
///
/// # Errors
/// `blocked:`, as NIP-70 words it.
pub fn check(event: &Event) -> Result<(), Verdict> {
    if event.is_protected() {
        return Err(Verdict::blocked(
            "this event is protected and can be published only by its author after AUTH, which is not offered here",
        ));
    }
    if REPOSTS.contains(&event.kind()) && holds_protected(event.content()) {
        return Err(Verdict::blocked("the reposted event is protected"));
    }
    Ok(())
}

fn holds_protected(content: &str) -> bool {
    serde_json::from_str::<Reposted>(content).is_ok_and(|event| {
        event
            .tags
            .iter()
            .any(|tag| tag.first().is_some_and(|name| name == "-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;

    #[test]
    fn a_protected_event_is_refused_and_a_tag_that_looks_alike_is_not() {
        let refused = check(&event(1, r#"[["-"]]"#, "")).unwrap_err();
        assert!(refused.to_string().starts_with("blocked: "), "{refused}");
        assert_eq!(check(&event(1, r#"[["t","-"]]"#, "")), Ok(()));
    }

    #[test]
    fn a_repost_of_a_protected_event_is_refused() {
        let content = |tags: &str| format!(r#"{{"id":"x","tags":{tags},"content":""}}"#);
        let protected = content(r#"[["t","a"],["-"]]"#);
        assert!(check(&event(6, "[]", &protected)).is_err());
        assert!(check(&event(16, "[]", &protected)).is_err());
        assert_eq!(check(&event(1, "[]", &protected)), Ok(()));
        assert_eq!(check(&event(6, "[]", &content(r#"[["t","-"]]"#))), Ok(()));
        assert_eq!(check(&event(6, "[]", "")), Ok(()));
    }
}
