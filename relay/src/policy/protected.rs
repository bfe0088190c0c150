//! Events that only their author may publish (NIP-70), and reposts that would smuggle them in.

use crate::wire::{Event, PublicKey, Verdict};
use serde::Deserialize;

/// Kinds whose content is another event: repost and generic repost (NIP-18).
const REPOSTS: [u16; 2] = [6, 16];

/// The one field of a reposted event that matters here.
#[derive(Deserialize)]
struct Reposted {
    tags: Vec<Vec<String>>,
}

/// May a client that proved `keys` publish this event, if it is protected?
///
/// # Errors
/// `auth-required:` when no key was proved, `restricted:` when the author's was not, as NIP-70 words it.
pub fn may_publish(event: &Event, keys: &[PublicKey]) -> Result<(), Verdict> {
    if !event.is_protected() || keys.contains(&event.pubkey()) {
        return Ok(());
    }
    if keys.is_empty() {
        return Err(Verdict::auth_required(
            "this event may only be published by its author",
        ));
    }
    Err(Verdict::restricted(
        "this event may only be published by its author, and another key was proved",
    ))
}

/// Reposts of protected events are refused, whoever made them.
///
/// # Errors
/// `blocked:`, as NIP-70 words it.
pub fn check(event: &Event) -> Result<(), Verdict> {
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
    fn a_protected_event_is_taken_from_its_author_alone() {
        let protected = event(1, r#"[["-"]]"#, "");
        let (author, other) = (protected.pubkey(), PublicKey::new([7; 32]));
        let refused = |keys: &[PublicKey]| may_publish(&protected, keys).unwrap_err().to_string();
        assert!(refused(&[]).starts_with("auth-required: "));
        assert!(refused(&[other]).starts_with("restricted: "));
        assert_eq!(may_publish(&protected, &[other, author]), Ok(()));
        assert_eq!(may_publish(&event(1, r#"[["t","-"]]"#, ""), &[]), Ok(()));
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
