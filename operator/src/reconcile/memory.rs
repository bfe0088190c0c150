//! All that the operator remembers about resources from visit to visit. Losing it costs a few requests and nothing else.

use super::{backoff::Backoff, nudge::Nudges, shelf::Shelf, sources::Readers};

/// What is remembered, by the resource's key.
#[derive(Debug, Default)]
pub struct Memory {
    /// Delays of objects that fail.
    pub backoff: Backoff,
    /// What is on its way to pods.
    pub nudges: Nudges,
    /// Which resource reads which ConfigMaps.
    pub readers: Readers,
    /// What the shards of lists hold.
    pub shelf: Shelf,
}

impl Memory {
    /// A resource is gone.
    pub fn forget(&self, object: &str) {
        self.backoff.forget(object);
        self.nudges.forget(object);
        self.readers.forget(object);
        self.shelf.forget(object);
    }
}

/// What a resource is called here.
pub fn called(kind: &str, namespace: Option<&str>, name: Option<&str>) -> String {
    let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
    format!("{kind} {namespace}/{name}")
}
