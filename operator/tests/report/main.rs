//! What a resource's status says, by tables: the StatefulSet, the pods and their answers in YAML, the words that people
//! read in the end.

#![allow(clippy::unwrap_used)] // helpers outside test functions; a panic is how a test fails
#![allow(clippy::needless_pass_by_value)] // `json!` at the call reads better without a reference

#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod failures;
mod mounts;
mod news;
mod pods;
mod scene;
mod storage;
