//! Kinds whose events only those may see who are named in them (NIP-17, NIP-59).

use crate::wire::{Event, Filter, PublicKey, kind::GIFT_WRAPS};

/// An event as the visibility predicate meets it, stored or live.
pub trait Addressed {
    /// Its kind.
    fn kind(&self) -> u16;

    /// Does a `p` tag name this key?
    fn is_for(&self, key: &PublicKey) -> bool;
}

impl Addressed for Event {
    fn kind(&self) -> u16 {
        Event::kind(self)
    }

    fn is_for(&self, key: &PublicKey) -> bool {
        let mut named = self.index_tags().filter(|(letter, _)| *letter == b'p');
        named.any(|(_, value)| PublicKey::from_hex(value).as_ref() == Some(key))
    }
}

/// Is this kind shown only to those whom the event names?
pub fn is_private(kind: u16) -> bool {
    GIFT_WRAPS.contains(&kind)
}

/// Is an event of a private kind meant for somebody who proved one of `keys`? Its author is a throw-away key that nobody
/// can be asked to prove.
pub fn is_for(event: &dyn Addressed, keys: &[PublicKey]) -> bool {
    keys.iter().any(|key| event.is_for(key))
}

/// Do all filters ask for nothing but private kinds? Such a REQ needs a proved key; a mixed one is served without them.
pub fn asks_only_for_private(filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        let kinds = filter.kinds.as_deref().unwrap_or_default();
        !kinds.is_empty() && kinds.iter().all(|kind| is_private(*kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;

    fn only(filters: &[&str]) -> bool {
        let filters: Vec<_> = filters
            .iter()
            .map(|text| Filter::read(text).unwrap())
            .collect();
        asks_only_for_private(&filters)
    }

    #[test]
    fn only_requests_that_name_private_kinds_and_no_others_are_private() {
        assert!(only(&[r#"{"kinds":[1059]}"#]));
        assert!(only(&[r#"{"kinds":[1059,21059]}"#, r#"{"kinds":[21059]}"#]));
        assert!(!only(&[r#"{"kinds":[1059,1]}"#]));
        assert!(!only(&[r#"{"kinds":[1059]}"#, "{}"]));
        assert!(!only(&[r#"{"kinds":[]}"#]));
        assert!(!only(&["{}"]));
    }

    #[test]
    fn a_wrap_is_for_every_key_that_p_names_and_for_nobody_else() {
        let key = |byte: u8| PublicKey::new([byte; 32]);
        let tags = format!(
            r#"[["p","{}"],["e","{}"],["p","{}","wss://x"],["P","{}"]]"#,
            key(1),
            key(2),
            key(3),
            key(4)
        );
        let wrap = event(1059, &tags, "");
        assert!(is_for(&wrap, &[key(9), key(1)]) && is_for(&wrap, &[key(3)]));
        assert!(!is_for(&wrap, &[key(2), key(4), wrap.pubkey()]));
        assert!(!is_for(&wrap, &[]));
    }
}
