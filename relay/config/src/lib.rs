//! The contract between the operator and the pods: the configuration file that the operator writes and the relay
//! reads, and the status document that the relay answers. Both programs depend on this crate, so neither can drift.
//!
//! - [`file`]: the file itself; reading, and writing without keys that are at their default
//! - [`cold`], [`hot`]: its two halves; `rules`: what their keys demand of each other
//! - [`limits`], [`info`]: the two large hot sections; with feature `schema` they are also the CRD's
//! - [`access`], [`lists`]: who may read and write; how lists of keys are written, hashed and cut into shards
//! - [`value`], [`range`]: checked values: durations, sizes, bounded numbers; ranges of kinds and of addresses
//! - [`hash`]: SHA-256 and hex, as files and lists are named by both sides
//! - [`place`]: where a relay URL leads, and which may be a relay's own
//! - [`status`]: what `GET /status` on the ops port answers
//! - [`names`]: ports, paths and file names that both sides must spell alike
//!
//! This crate does no I/O and knows neither Kubernetes nor sockets.

pub mod access;
pub mod cold;
pub mod file;
pub mod hash;
pub mod hot;
pub mod info;
pub mod limits;
mod lines;
pub mod lists;
pub mod names;
pub mod place;
pub mod range;
mod rules;
pub mod status;
pub mod value;

pub use access::{Access, Auth};
pub use cold::{Cold, Role};
pub use file::{Config, ConfigError};
pub use hot::{Hot, Storage};
pub use info::Info;
pub use limits::Limits;
pub use lists::Lists;
pub use place::Place;
pub use range::{Cidr, KindRange};
pub use status::Status;
pub use value::{Bounded, Duration, Size};
