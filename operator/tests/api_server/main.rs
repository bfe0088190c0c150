//! The operator against a real API server: unmodified controllers in this process, a namespace per test.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod broken;
mod children;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod death;
mod delivery;
mod faults;
mod fleet;
mod leader;
mod lifecycle;
mod lists;
mod load;
mod mounts;
mod operator;
mod pod;
mod process;
mod refused;
mod requests;
mod rights;
mod scope;
mod server;
mod shut;
mod sources;
mod space;
mod specs;
mod status;
