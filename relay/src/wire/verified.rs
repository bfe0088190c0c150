//! The proof that an event's id is its hash and its signature is its author's (NIP-01, BIP-340).

use super::{
    event::Event,
    id::{EventId, PublicKey},
    verdict::Verdict,
};
use secp256k1::{Secp256k1, VerifyOnly, XOnlyPublicKey, schnorr::Signature};
use std::{
    borrow::Borrow,
    ops::Deref,
    sync::{Arc, LazyLock},
};

/// The curve's constants; holds nothing that changes.
static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// An event whose id and signature were checked. [`Verified::check`] is the only way to make one.
#[derive(Clone, Debug)]
pub struct Verified(Arc<Event>);

/// An event whose id or signature is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The id that it claims: OK goes to it.
    pub id: EventId,
    /// What is wrong.
    pub verdict: Verdict,
}

impl Verified {
    /// Checks the id first, which is cheap, then the signature.
    ///
    /// # Errors
    /// [`Invalid`] with an `invalid:` verdict that says which of the two is wrong.
    pub fn check(event: Event) -> Result<Self, Invalid> {
        let wrong = |text: &'static str| Invalid {
            id: event.id(),
            verdict: Verdict::invalid(text),
        };
        if event.hash() != event.id() {
            return Err(wrong("id is not the hash of the event"));
        }
        if !is_signed(&event.id(), &event.pubkey(), event.sig()) {
            return Err(wrong("sig is not the author's signature of id"));
        }
        Ok(Self(Arc::new(event)))
    }
}

impl Deref for Verified {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

impl Borrow<Event> for Verified {
    fn borrow(&self) -> &Event {
        &self.0
    }
}

fn is_signed(id: &EventId, pubkey: &PublicKey, sig: &[u8; 64]) -> bool {
    let signature = Signature::from_byte_array(*sig);
    XOnlyPublicKey::from_byte_array(pubkey.as_bytes())
        .and_then(|key| CURVE.verify_schnorr(&signature, id.as_bytes(), &key))
        .is_ok()
}
