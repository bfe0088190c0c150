//! The real program: what an operator, a probe and a client see of a running `relay serve`.
#![allow(clippy::unwrap_used)] // helpers of tests fail like tests

#[path = "../common/mod.rs"]
mod common;
mod full;
mod refusals;
mod reload;
mod start;
mod stop;
