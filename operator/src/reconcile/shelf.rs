//! Remembers what was written into the shards of lists, so that megabytes are not sent again at every visit. A shard is left
//! out only while the API server still has the very version that our last write made: whatever anybody changes is written
//! again, and so is everything after a restart.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What was written, by resource and shard.
#[derive(Debug, Default)]
pub struct Shelf {
    written: Mutex<HashMap<String, HashMap<String, Entry>>>,
}

/// One shard as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    content: String,
    version: String,
}

impl Shelf {
    /// Is this content what this version of the shard holds?
    pub fn holds(&self, object: &str, shard: &str, (content, version): (&str, &str)) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = written.get(object).and_then(|shards| shards.get(shard));
        entry.is_some_and(|it| it.content == content && it.version == version)
    }

    /// A write of this content made this version.
    pub fn put(&self, object: &str, shard: &str, (content, version): (&str, String)) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            content: content.to_owned(),
            version,
        };
        let shards = written.entry(object.to_owned()).or_default();
        shards.insert(shard.to_owned(), entry);
    }

    /// A resource is gone.
    pub fn forget(&self, object: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_that_our_own_write_made_holds_our_content() {
        let shelf = Shelf::default();
        assert!(!shelf.holds("town", "0", ("a", "1")), "after a restart");
        shelf.put("town", "0", ("a", "1".to_owned()));
        assert!(shelf.holds("town", "0", ("a", "1")));
        for other in [("a", "2"), ("b", "1")] {
            assert!(!shelf.holds("town", "0", other), "{other:?}");
        }
        assert!(!shelf.holds("town", "1", ("a", "1")));
        assert!(!shelf.holds("city", "0", ("a", "1")));
        shelf.forget("town");
        assert!(!shelf.holds("town", "0", ("a", "1")));
    }
}
