//! A Nostr relay: everything valid is welcome, what is private is shown to those whom it names once they proved who they are.

use super::{Answer, Role};
use crate::{
    policy::private::{self, Addressed},
    wire::{Class, Event, Filter, PublicKey, Verdict},
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

    fn admit(&self, filters: &[Filter], keys: &[PublicKey]) -> Result<(), Verdict> {
        if keys.is_empty() && private::asks_only_for_private(filters) {
            return Err(Verdict::auth_required(
                "these kinds are shown only to those they are addressed to",
            ));
        }
        Ok(())
    }

    fn is_open(&self, kind: u16) -> bool {
        !private::is_private(kind)
    }

    fn may_read(&self, event: &dyn Addressed, keys: &[PublicKey]) -> bool {
        private::is_for(event, keys)
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
    fn gift_wraps_are_shown_to_those_whom_they_name_and_notes_to_all() {
        assert!(!Relay.is_open(1059) && !Relay.is_open(21_059));
        assert!(Relay.is_open(1) && Relay.is_open(1058));
        let (bob, eve) = (PublicKey::new([1; 32]), PublicKey::new([2; 32]));
        let wrap = event(1059, &format!(r#"[["p","{bob}"]]"#), "");
        assert!(Relay.may_read(&wrap, &[eve, bob]));
        assert!(!Relay.may_read(&wrap, &[eve]) && !Relay.may_read(&wrap, &[]));
    }

    #[test]
    fn who_asks_only_for_private_kinds_must_prove_a_key() {
        let filters = |text| [Filter::read(text).unwrap()];
        let wraps = filters(r#"{"kinds":[1059]}"#);
        let refused = Relay.admit(&wraps, &[]).unwrap_err();
        assert!(refused.to_string().starts_with("auth-required: "));
        assert_eq!(Relay.admit(&wraps, &[PublicKey::new([1; 32])]), Ok(()));
        assert_eq!(Relay.admit(&filters(r#"{"kinds":[1059,1]}"#), &[]), Ok(()));
    }
}
