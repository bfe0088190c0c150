//! Lists: what sources come to, what is said about bad ones, and that nothing ever opens by accident.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails

mod accident;
#[path = "../common/mod.rs"]
mod common;
mod last_good;
mod merge;
mod scene;
mod world;
