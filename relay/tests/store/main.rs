//! The store as its callers see it: answers, restarts, kills, damage, full volumes. One program, so that the slow tests
//! run beside each other.
#![allow(clippy::unwrap_used, reason = "tests")]

mod basics;
mod crash;
mod erasure;
mod faults;
mod full_volume;
mod model;
mod parts;
mod proof;
mod quarantine;
mod rules;
mod slow_readers;
mod support;
