//! Events that only their author may publish (NIP-70), and reposts that would smuggle them in.

use crate::wire::{Event, PublicKey, Verdict, kind::REPOSTS};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// What matters here of a reposted event: do its tags hold a `-`? A text may say `tags` twice, and readers differ in which
/// they take: any counts.
#[derive(Default)]
struct Reposted {
    is_protected: bool,
}

impl<'de> Deserialize<'de> for Reposted {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Reposted;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Reposted, A::Error> {
        let mut reposted = Reposted::default();
        while let Some(name) = fields.next_key::<String>()? {
            if name == "tags" {
                reposted.is_protected |= is_protected(fields.next_value()?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(reposted)
    }
}

fn is_protected(tags: &RawValue) -> bool {
    let tags = serde_json::from_str::<Vec<Vec<String>>>(tags.get()).unwrap_or_default();
    let mut names = tags.iter().filter_map(|tag| tag.first());
    names.any(|name| name == "-")
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
    serde_json::from_str::<Reposted>(content).is_ok_and(|event| event.is_protected)
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
        for twice in [
            r#"{"tags":[],"tags":[["-"]]}"#,
            r#"{"tags":[["-"]],"tags":[]}"#,
            r#"{"tags":5,"t\u0061gs":[["\u002d"]]}"#,
        ] {
            assert!(check(&event(6, "[]", twice)).is_err(), "{twice}");
        }
        assert_eq!(check(&event(1, "[]", &protected)), Ok(()));
        assert_eq!(check(&event(6, "[]", &content(r#"[["t","-"]]"#))), Ok(()));
        assert_eq!(check(&event(6, "[]", "")), Ok(()));
    }
}
