//! The name that a client gives a subscription (NIP-01).

use super::canonical::push_string;
use std::{fmt, sync::Arc};

/// A subscription id. It is kept as the JSON string that answers carry: escaped once, cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(Arc<str>);

impl SubscriptionId {
    /// The id that reads `name`. What a client sent is checked by [`frame::read`](super::frame::read).
    pub fn new(name: &str) -> Self {
        let mut quoted = String::with_capacity(name.len() + 2);
        push_string(&mut quoted, name);
        Self(quoted.into())
    }

    /// The id as a JSON string, quotes included.
    pub fn quoted(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
