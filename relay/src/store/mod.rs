//! The store: a log that is the truth, and LMDB as its view. Blocking; knows events and filters, nobody's connection.
mod entry;
mod error;
mod files;
mod keys;
mod log;
mod map;
mod offsets;
mod options;
mod row;
mod segment;
mod ticket;

pub use error::{OpenError, ReadError, WriteError};
pub use files::Faults;
pub use options::{Options, Phase, Progress};
pub use row::{Row, SeesAll, Sight, Step};
pub use ticket::{Answers, Committed, Failure, Listener, Outcome, Removal, Ticket};
