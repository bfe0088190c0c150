//! Terms and lists from mounted files: swapped whole or not at all, kept over a restart, never opened by accident.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

#[path = "allowlist/door.rs"]
mod door;
#[path = "allowlist/model.rs"]
mod model;
#[path = "allowlist/mount.rs"]
mod mount;
#[path = "allowlist/sequences.rs"]
mod sequences;
#[path = "allowlist/swaps.rs"]
mod swaps;
