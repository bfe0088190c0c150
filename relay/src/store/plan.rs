//! How one filter is answered: what it asks of an entry, and the one index that is walked for it.

use super::{
    entry::Entry,
    keys::{self, SmallKey},
    view::{self, Index},
};
use crate::wire::{EventId, Filter, PublicKey, filter};

/// Most cursors that authors times kinds may need before kinds are looked at in the frames instead.
const CURSORS: usize = filter::MOST_WALKS;

/// A filter with its tag values spelled as in the frames.
pub(super) struct Wanted {
    ids: Option<Vec<EventId>>,
    authors: Option<Vec<PublicKey>>,
    kinds: Option<Vec<u16>>,
    tags: Vec<(u8, Vec<Vec<u8>>)>,
    /// Earliest time, inclusive.
    pub since: u64,
    /// Latest time, inclusive.
    pub until: u64,
}

/// Where a filter's rows come from.
pub(super) enum Source {
    /// Nothing can match.
    Nothing,
    /// These ids.
    Ids(Vec<EventId>),
    /// Walks of one index, merged by time.
    Walks(Index, Vec<SmallKey>),
}

fn spell(letter: u8, values: &[Box<str>]) -> (u8, Vec<Vec<u8>>) {
    let mut keys: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let mut key = Vec::with_capacity(2 + value.len().min(32));
            keys::write_tag(&mut key, letter, value);
            key
        })
        .collect();
    keys.sort_unstable();
    (letter, keys)
}

impl Wanted {
    /// Reads a filter once, so that no row needs a hash.
    pub fn of(filter: &Filter) -> Self {
        Self {
            ids: filter.ids.clone(),
            authors: filter.authors.clone(),
            kinds: filter.kinds.clone(),
            tags: filter
                .tags
                .iter()
                .map(|(letter, values)| spell(*letter, values))
                .collect(),
            since: filter.since.unwrap_or(0),
            until: filter.until.unwrap_or(u64::MAX),
        }
    }

    /// Does an entry match (NIP-01)? Same answers as [`Filter::matches`] has for the event.
    pub fn matches(&self, entry: &Entry<'_>) -> bool {
        let time = entry.created_at();
        time >= self.since
            && time <= self.until
            && has(self.kinds.as_deref(), &entry.kind())
            && has(self.authors.as_deref(), &entry.public_key())
            && has(self.ids.as_deref(), &entry.event_id())
            && self.tags.iter().all(|(_, values)| tagged(entry, values))
    }

    /// The one best index. Ids are exact; a tag that names one thing beats authors, authors beat a broad tag.
    pub fn source(&self, filter: &Filter) -> Source {
        if filter.matches_nothing() || self.since > self.until {
            return Source::Nothing;
        }
        if let Some(ids) = &self.ids {
            return Source::Ids(ids.clone());
        }
        let narrow = |letter: u8| matches!(letter, b'e' | b'E' | b'a' | b'A' | b'q' | b'i' | b'I');
        let fewest = |wanted: &dyn Fn(u8) -> bool| {
            self.tags
                .iter()
                .filter(|(letter, _)| wanted(*letter))
                .min_by_key(|(_, values)| values.len())
        };
        match (&self.authors, &self.kinds) {
            (Some(_), _) if fewest(&narrow).is_some() => tag_walks(fewest(&narrow)),
            (Some(authors), Some(kinds)) if authors.len() * kinds.len() <= CURSORS => {
                author_kind_walks(authors, kinds)
            }
            (Some(authors), _) => Source::Walks(
                Index::Author,
                authors
                    .iter()
                    .map(|author| SmallKey::of(&[&view::author_prefix(author.as_bytes())]))
                    .collect(),
            ),
            (None, _) if !self.tags.is_empty() => tag_walks(
                fewest(&narrow)
                    .or_else(|| fewest(&|letter| letter != b'd'))
                    .or_else(|| fewest(&|_| true)),
            ),
            (None, Some(kinds)) => Source::Walks(
                Index::Kind,
                kinds
                    .iter()
                    .map(|kind| SmallKey::of(&[&kind.to_be_bytes()]))
                    .collect(),
            ),
            (None, None) => Source::Walks(Index::Created, vec![SmallKey::of(&[])]),
        }
    }
}

fn has<T: Ord>(list: Option<&[T]>, value: &T) -> bool {
    match list {
        None => true,
        Some([only]) => only == value,
        Some(list) => list.binary_search(value).is_ok(),
    }
}

fn tagged(entry: &Entry<'_>, values: &[Vec<u8>]) -> bool {
    entry.tags().any(|tag| {
        values
            .binary_search_by(|value| value.as_slice().cmp(tag))
            .is_ok()
    })
}

fn tag_walks(tag: Option<&(u8, Vec<Vec<u8>>)>) -> Source {
    let mut prefixes: Vec<[u8; 9]> = tag
        .iter()
        .flat_map(|(_, values)| values.iter().map(|value| keys::tag_prefix(value)))
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let prefixes = prefixes.iter().map(|prefix| SmallKey::of(&[prefix]));
    Source::Walks(Index::Tag, prefixes.collect())
}

fn author_kind_walks(authors: &[PublicKey], kinds: &[u16]) -> Source {
    let prefixes = authors.iter().flat_map(|author| {
        kinds
            .iter()
            .map(|kind| view::author_kind_prefix(author.as_bytes(), *kind))
            .map(|prefix| SmallKey::of(&[&prefix]))
    });
    Source::Walks(Index::AuthorKind, prefixes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Option<(Index, usize)> {
        let filter = Filter::read(text).ok()?;
        match Wanted::of(&filter).source(&filter) {
            Source::Nothing => None,
            Source::Ids(ids) => Some((Index::Ids, ids.len())),
            Source::Walks(index, prefixes) => Some((index, prefixes.len())),
        }
    }

    #[test]
    fn every_filter_walks_the_one_index_that_fits_it_best() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        for (filter, expected) in [
            ("{}".into(), Some((Index::Created, 1))),
            (r#"{"kinds":[1,7]}"#.into(), Some((Index::Kind, 2))),
            (
                format!(r#"{{"ids":["{a}"],"kinds":[1]}}"#),
                Some((Index::Ids, 1)),
            ),
            (
                format!(r#"{{"authors":["{a}","{b}"]}}"#),
                Some((Index::Author, 2)),
            ),
            (
                format!(r#"{{"authors":["{a}","{b}"],"kinds":[1,6,7]}}"#),
                Some((Index::AuthorKind, 6)),
            ),
            (
                format!(r##"{{"#p":["{a}"],"kinds":[1]}}"##),
                Some((Index::Tag, 1)),
            ),
            (
                format!(r##"{{"#p":["{a}"],"authors":["{b}"]}}"##),
                Some((Index::Author, 1)),
            ),
            (
                format!(r##"{{"#e":["{a}"],"authors":["{b}"],"kinds":[7]}}"##),
                Some((Index::Tag, 1)),
            ),
            (
                r##"{"#d":["x"],"#t":["y","z"]}"##.into(),
                Some((Index::Tag, 2)),
            ),
            (
                r##"{"#d":["x"],"kinds":[30000]}"##.into(),
                Some((Index::Tag, 1)),
            ),
            (r#"{"kinds":[]}"#.into(), None),
            (r#"{"since":2,"until":1}"#.into(), None),
        ] {
            assert_eq!(plan(&filter), expected, "{filter}");
        }
    }
}
