//! All that the operator remembers about resources from visit to visit. Losing it costs a few requests and nothing else.

use super::{
    backoff::Backoff, mounts::Looks, nudge::Nudges, room::Room, shelf::Shelf, sources::Readers,
};
use crate::kinds::Kind;
use kube::core::ObjectMeta;
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

/// What is remembered.
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
    /// What the events of running pods said when they were looked at.
    pub looks: Looks,
    /// Who holds large lists.
    pub room: Room,
}

impl Memory {
    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.backoff.forget(object);
        self.nudges.forget(object);
        self.readers.forget(object);
        self.shelf.forget(object);
        self.looks.forget(object);
    }
}

/// What a resource is called in here and in log lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// Of a resource.
    pub fn of<K: Kind>(meta: &ObjectMeta) -> Self {
        let name = meta.name.as_deref().unwrap_or_default();
        Self::named::<K>(meta.namespace.as_deref(), name)
    }

    /// Of a resource that is known by its name.
    pub fn named<K: Kind>(namespace: Option<&str>, name: &str) -> Self {
        let namespace = namespace.unwrap_or_default();
        Self(format!("{} {namespace}/{name}", K::kind(&())))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something about each resource, in the hands of one task at a time.
#[derive(Debug)]
pub struct ByResource<T>(Mutex<HashMap<Key, T>>);

impl<T> Default for ByResource<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> ByResource<T> {
    /// Looks at it or changes it. What a panic left is used on: nothing here is ever half done.
    pub fn with<R>(&self, work: impl FnOnce(&mut HashMap<Key, T>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A resource is gone, or there is nothing to remember.
    pub fn forget(&self, object: &Key) -> Option<T> {
        self.with(|all| all.remove(object))
    }
}
