//! Every kind of message and what is answered (NIP-01, NIP-45, NIP-67): what is taken, and what is refused.

mod events;
mod frames;
mod order;
mod queries;
#[path = "../support/mod.rs"]
mod support;
