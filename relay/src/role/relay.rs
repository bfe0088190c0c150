//! A Nostr relay: everything valid is welcome, what is private is shown to nobody as long as nobody can say who they are.

use super::{Answer, Role};
use crate::{
    policy::private,
    wire::{Class, Event, Filter, Verdict},
};

/// The role of a plain relay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relay;

impl Role for Relay {
    fn answer(&self, event: &Event) -> Answer {
        match event.class() {
            Class::Ephemeral => Answer::FanOut,
            Class::Regular | Class::Replaceable | Class::Addressable => Answer::Store,
        }
    }

    fn admit(&self, filters: &[Filter]) -> Result<(), Verdict> {
        if private::asks_only_for_private(filters) {
            return Err(Verdict::restricted(
                "these kinds are shown only to those they are addressed to, and AUTH is not offered here",
            ));
        }
        Ok(())
    }

    fn may_read(&self, kind: u16) -> bool {
        !private::is_private(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::event;

    #[test]
    fn ephemeral_events_are_passed_on_and_all_others_stored() {
        let answer = |kind| Relay.answer(&event(kind, "[]", ""));
        for kind in [0, 1, 5, 62, 1059, 10_002, 30_023, 40_000] {
            assert_eq!(answer(kind), Answer::Store, "{kind}");
        }
        assert_eq!(answer(20_000), Answer::FanOut);
        assert_eq!(answer(29_999), Answer::FanOut);
    }

    #[test]
    fn gift_wraps_are_shown_to_nobody_and_notes_to_all() {
        assert!(!Relay.may_read(1059) && !Relay.may_read(21_059));
        assert!(Relay.may_read(1) && Relay.may_read(1058));
        let filters = |text| [Filter::read(text).unwrap()];
        let refused = Relay.admit(&filters(r#"{"kinds":[1059]}"#)).unwrap_err();
        assert!(refused.to_string().starts_with("restricted: "));
        assert_eq!(Relay.admit(&filters(r#"{"kinds":[1059,1]}"#)), Ok(()));
    }
}
