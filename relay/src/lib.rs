//! The relay: one program, its parts, the one direction in which they know each other. (The map grows with the tree.)

pub mod client;
pub mod clock;
pub mod cmd;
pub mod drain;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod policy;
pub mod pool;
pub mod reload;
pub mod role;
pub mod session;
pub mod sign;
pub mod store;
pub mod telemetry;
pub mod vitals;
pub mod wire;

/// Where the program comes from, as NIP-11 names it.
pub const SOFTWARE: &str = env!("CARGO_PKG_REPOSITORY");
