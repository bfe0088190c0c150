//! Remembers what was written into the shards of lists, so that megabytes are not sent again at every visit. A shard is left
//! out only while the API server still has the very version that our last write made: whatever anybody changes is written
//! again, and so is everything after a restart.

use super::memory::{ByResource, Key};
use std::collections::HashMap;

/// What was written, by resource and shard.
#[derive(Debug, Default)]
pub struct Shelf {
    written: ByResource<HashMap<String, Shard>>,
}

/// One shard as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// What tells its content from others.
    pub content: String,
    /// The version that the write made.
    pub version: String,
}

impl Shelf {
    /// Is this how the shard of this name was written last?
    pub fn holds(&self, object: &Key, name: &str, shard: &Shard) -> bool {
        self.written.with(|written| {
            let shards = written.get(object);
            shards.and_then(|shards| shards.get(name)) == Some(shard)
        })
    }

    /// The shard of this name was written.
    pub fn put(&self, object: &Key, name: &str, shard: Shard) {
        self.written.with(|written| {
            let shards = written.entry(object.clone()).or_default();
            shards.insert(name.to_owned(), shard);
        });
    }

    /// A resource is gone.
    pub fn forget(&self, object: &Key) {
        self.written.forget(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NostrRelay;

    #[test]
    fn only_the_version_that_our_own_write_made_holds_our_content() {
        let key = |name| Key::named::<NostrRelay>(Some("here"), name);
        let shard = |content: &str, version: &str| Shard {
            content: content.to_owned(),
            version: version.to_owned(),
        };
        let (shelf, town) = (Shelf::default(), key("town"));
        assert!(
            !shelf.holds(&town, "0", &shard("a", "1")),
            "after a restart"
        );
        shelf.put(&town, "0", shard("a", "1"));
        assert!(shelf.holds(&town, "0", &shard("a", "1")));
        for (content, version) in [("a", "2"), ("b", "1")] {
            assert!(!shelf.holds(&town, "0", &shard(content, version)));
        }
        assert!(!shelf.holds(&town, "1", &shard("a", "1")));
        assert!(!shelf.holds(&key("city"), "0", &shard("a", "1")));
        shelf.forget(&town);
        assert!(!shelf.holds(&town, "0", &shard("a", "1")));
    }
}
