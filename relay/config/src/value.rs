//! Checked values: what has rules is read once, here, and is right from then on.

mod bounded;
mod duration;
mod size;
mod text;
mod version;

pub use bounded::Bounded;
pub use duration::Duration;
pub use size::Size;
pub(crate) use text::{TextVisitor, socket_address};
pub(crate) use version::version;
