//! Kinds whose events only those may see who are named in them (NIP-59).

use crate::wire::{Filter, GIFT_WRAPS};

/// Is this kind shown only to those whom the event names?
pub fn is_private(kind: u16) -> bool {
    GIFT_WRAPS.contains(&kind)
}

/// Do all filters ask for nothing but private kinds? Such a REQ is refused; a mixed one is served without them.
pub fn asks_only_for_private(filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        let kinds = filter.kinds.as_deref().unwrap_or_default();
        !kinds.is_empty() && kinds.iter().all(|kind| is_private(*kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
