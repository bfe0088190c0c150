//! Signs events without randomness, for `relay bench`, the demo and tests: the same seed gives the same bytes everywhere.
//!
//! Never a user's key: the seed is a number that anybody can guess.

use crate::wire::{
    EventId, PublicKey,
    canonical::{Signed, event_text, push_string, push_tags},
};
use secp256k1::{Keypair, Secp256k1, SecretKey, SignOnly};
use sha2::{Digest, Sha256};

/// An author whose key follows from a number.
pub struct Signer {
    curve: Secp256k1<SignOnly>,
    keys: Keypair,
    pubkey: PublicKey,
}

impl Signer {
    /// The author of this number.
    pub fn from_seed(seed: u64) -> Self {
        let curve = Secp256k1::signing_only();
        let secret = secret(seed);
        let keys = Keypair::from_secret_key(&curve, &secret);
        let pubkey = PublicKey::new(keys.x_only_public_key().0.serialize());
        Self {
            curve,
            keys,
            pubkey,
        }
    }

    /// The author's key.
    pub fn public_key(&self) -> PublicKey {
        self.pubkey
    }

    /// A signed event as canonical JSON text.
    pub fn event(&self, created_at: u64, kind: u16, tags: &[&[&str]], content: &str) -> String {
        let (mut tags_json, mut content_json) = (String::new(), String::new());
        push_tags(&mut tags_json, tags.iter().map(|tag| tag.iter().copied()));
        push_string(&mut content_json, content);
        let signed = Signed {
            pubkey: &self.pubkey,
            created_at,
            kind,
            tags: tags_json.as_str(),
            content: content_json.as_str(),
        };
        let id = signed.hash();
        event_text(&id, &signed, &self.sign(&id)).0
    }

    fn sign(&self, id: &EventId) -> [u8; 64] {
        let signature = self
            .curve
            .sign_schnorr_no_aux_rand(id.as_bytes(), &self.keys);
        signature.to_byte_array()
    }
}

/// The first hash of the seed that is a secret key: the first try, but for one in 2^128.
fn secret(seed: u64) -> SecretKey {
    (0_u64..)
        .find_map(|attempt| {
            let mut hash = Sha256::new();
            hash.update(b"nostr-fleet signer");
            hash.update(seed.to_be_bytes());
            hash.update(attempt.to_be_bytes());
            SecretKey::from_byte_array(&hash.finalize().into()).ok()
        })
        .expect("nearly every hash is a secret key")
}

#[cfg(test)]
mod tests {
    use super::Signer;
    use crate::wire::{Event, Verified};

    #[test]
    fn a_signed_event_reads_back_and_verifies() {
        let text = Signer::from_seed(7).event(
            1_700_000_000,
            1,
            &[&["t", "a\"b"], &["-"]],
            "line\n\u{7f}é😀\u{1}",
        );
        let event = Verified::check(Event::read(&text).unwrap()).unwrap();
        assert_eq!(event.text(), text.as_bytes());
        assert_eq!(event.content(), "line\n\u{7f}é😀\u{1}");
        assert_eq!(event.pubkey(), Signer::from_seed(7).public_key());
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_another_author() {
        let text = |seed| Signer::from_seed(seed).event(1, 1, &[], "x");
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }
}
