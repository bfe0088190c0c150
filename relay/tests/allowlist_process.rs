//! The real program and its lists: what people, probes and clients see of them.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

mod common;
#[path = "allowlist/mount.rs"]
#[allow(dead_code)] // shared with the suite of the swaps
mod mount;

#[path = "allowlist_process/check.rs"]
mod check;
#[path = "allowlist_process/friends.rs"]
mod friends;
#[path = "allowlist_process/rotation.rs"]
mod rotation;

use common::process::{Client, block_on};
use nostr_fleet_relay::sign::Signer;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

fn note(seed: u64, content: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let event = Signer::from_seed(seed).event(now.as_secs(), 1, &[], content);
    format!(r#"["EVENT",{event}]"#)
}

/// Publishes a note. `Ok` when it was taken, else the verdict.
async fn publish(client: &mut Client, seed: u64, content: &str) -> Result<(), String> {
    client.send(&note(seed, content)).await;
    loop {
        let answer = client.answer().await;
        match (answer[0].as_str(), &answer[2]) {
            (Some("OK"), Value::Bool(true)) => return Ok(()),
            (Some("OK"), _) => return Err(answer[3].as_str().unwrap().to_owned()),
            _ => {}
        }
    }
}
