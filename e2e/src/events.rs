//! Signed events, and the file that `EVENTS` names.

use crate::cluster::variable;
use anyhow::{Context, Result};
use nostr::prelude::{
    Event, EventBuilder, FinalizeUnsignedEvent as _, Keys, Kind, SecretKey, Tag, Timestamp,
};
use secp256k1::Secp256k1;
use std::{fs, time::SystemTime};

/// The keys of test person number `number`, the same in every run.
pub fn keys(number: u8) -> Keys {
    let mut secret = [number; 32];
    secret[0] = 1;
    Keys::new(SecretKey::from_slice(&secret).expect("a small number is a secret key"))
}

/// A text note (kind 1) of this moment.
pub fn note(author: &Keys, text: &str) -> Event {
    event(author, Kind::TextNote, Vec::new(), text)
}

/// The proof that the client of this connection has `keys` (kind 22242, NIP-42).
pub fn authentication(keys: &Keys, url: &str, challenge: &str) -> Event {
    let tags =
        [["relay", url], ["challenge", challenge]].map(|tag| Tag::parse(tag).expect("not empty"));
    event(keys, Kind::Authentication, tags.to_vec(), "")
}

fn event(author: &Keys, kind: Kind, tags: Vec<Tag>, text: &str) -> Event {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let unsigned = EventBuilder::new(kind, text)
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(now))
        .finalize_unsigned(author.public_key());
    let signature = author.sign_schnorr_with_aux_rand(
        &Secp256k1::signing_only(),
        unsigned.compute_id().as_bytes(),
        &[0; 32],
    );
    unsigned
        .add_signature(signature)
        .expect("our own signature is right")
}

/// The lines of the file that `EVENTS` names; none if it is not set.
pub fn real_events() -> Result<Option<Vec<String>>> {
    let Some(path) = variable("EVENTS") else {
        return Ok(None);
    };
    let text = fs::read_to_string(&path).with_context(|| format!("reading EVENTS={path}"))?;
    Ok(Some(
        text.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    ))
}
