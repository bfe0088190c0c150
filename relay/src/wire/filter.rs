//! What a REQ or COUNT asks for (NIP-01, "filter"): strictly read, never more than was asked.

use super::{
    event::Event,
    id::{EventId, PublicKey, is_hex_32},
    json::Cursor,
    verdict::Verdict,
};
use std::borrow::Cow;

/// One filter. Absent fields match everything; an empty list matches nothing. Lists are sorted and hold each value once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Event ids.
    pub ids: Option<Vec<EventId>>,
    /// Authors.
    pub authors: Option<Vec<PublicKey>>,
    /// Kinds. Numbers above 65535 can match nothing and are left out.
    pub kinds: Option<Vec<u16>>,
    /// `#x`: the letter (case counts) and its values, sorted by letter.
    pub tags: Vec<(u8, Vec<Box<str>>)>,
    /// Earliest `created_at`, inclusive.
    pub since: Option<u64>,
    /// Latest `created_at`, inclusive.
    pub until: Option<u64>,
    /// Most stored events wanted; 0 means none of them.
    pub limit: Option<u64>,
}

impl Filter {
    /// Reads one filter.
    ///
    /// # Errors
    /// `invalid:` for what is malformed, `unsupported:` for a field that is unknown here. Neither is ever ignored: a dropped field
    /// would answer with everything.
    pub fn read(json: &str) -> Result<Self, Verdict> {
        let mut cursor = Cursor::new(json);
        cursor.skip_space();
        let filter = Self::read_at(&mut cursor)?;
        cursor.end()?;
        Ok(filter)
    }

    /// Reads the filter at which `cursor` stands.
    pub(super) fn read_at(cursor: &mut Cursor<'_>) -> Result<Self, Verdict> {
        if cursor.peek() != Some(b'{') {
            return Err(Verdict::invalid("a filter must be a JSON object"));
        }
        let mut filter = Self::default();
        cursor.object(|cursor, key| filter.member(cursor, &key))?;
        filter.tags.sort_unstable_by_key(|(letter, _)| *letter);
        Ok(filter)
    }

    fn member(&mut self, cursor: &mut Cursor<'_>, key: &str) -> Result<(), Verdict> {
        match key {
            "ids" => list(&mut self.ids, cursor, "ids", |c| id(c).map(Some)),
            "authors" => list(&mut self.authors, cursor, "authors", |c| {
                author(c).map(Some)
            }),
            "kinds" => list(&mut self.kinds, cursor, "kinds", kind),
            "since" => number(&mut self.since, cursor, "since"),
            "until" => number(&mut self.until, cursor, "until"),
            "limit" => number(&mut self.limit, cursor, "limit"),
            other => match other.as_bytes() {
                &[b'#', letter] if letter.is_ascii_alphabetic() => self.tag(cursor, letter),
                _ => Err(unknown(other)),
            },
        }
    }

    fn tag(&mut self, cursor: &mut Cursor<'_>, letter: u8) -> Result<(), Verdict> {
        let name = format!("#{}", char::from(letter));
        if self.tags.iter().any(|(known, _)| *known == letter) {
            return Err(twice(&name));
        }
        let mut values = None;
        list(&mut values, cursor, &name, |c| {
            tag_value(c, letter).map(Some)
        })?;
        self.tags.push((letter, values.unwrap_or_default()));
        Ok(())
    }

    /// Whether `event` is what was asked for. `limit` plays no part.
    pub fn matches(&self, event: &Event) -> bool {
        let time = event.created_at();
        self.since.is_none_or(|since| since <= time)
            && self.until.is_none_or(|until| time <= until)
            && holds(self.kinds.as_ref(), &event.kind())
            && holds(self.authors.as_ref(), &event.pubkey())
            && holds(self.ids.as_ref(), &event.id())
            && self
                .tags
                .iter()
                .all(|(letter, values)| tagged(event, *letter, values))
    }

    /// Whether no event at all can match: an empty list, or `since` after `until`.
    pub fn matches_nothing(&self) -> bool {
        self.ids.as_ref().is_some_and(Vec::is_empty)
            || self.authors.as_ref().is_some_and(Vec::is_empty)
            || self.kinds.as_ref().is_some_and(Vec::is_empty)
            || self.tags.iter().any(|(_, values)| values.is_empty())
            || matches!((self.since, self.until), (Some(since), Some(until)) if since > until)
    }

    /// The number of values in all lists together: what the filter costs.
    pub fn value_count(&self) -> usize {
        self.ids.as_ref().map_or(0, Vec::len)
            + self.authors.as_ref().map_or(0, Vec::len)
            + self.kinds.as_ref().map_or(0, Vec::len)
            + self
                .tags
                .iter()
                .map(|(_, values)| values.len())
                .sum::<usize>()
    }

    fn weight(&self) -> usize {
        let long = |value: &str| value.len() / LONG;
        let values = self.tags.iter().flat_map(|(_, values)| values);
        let (authors, kinds) = (self.authors.as_deref(), self.kinds.as_deref());
        let pairs = authors.map_or(0, <[_]>::len) * kinds.map_or(0, <[_]>::len);
        FILTER
            + self.value_count()
            + values.map(|value| long(value)).sum::<usize>()
            + pairs.min(MOST_WALKS) / PAIRS
    }
}

/// What a filter costs beside its values.
const FILTER: usize = 4;
/// Bytes of a tag's value that cost as much as a value.
const LONG: usize = 64;
/// Pairs of an author and a kind that cost as much as a value: each may become a walk of its own through an index, up to
/// [`MOST_WALKS`].
const PAIRS: usize = 4;
/// Walks that one filter may take through an index of pairs.
pub const MOST_WALKS: usize = 1024;

/// What filters cost together, in memory and in the hub's time, wherever something bounds them: each its values, long ones
/// more than short ones, and four more.
pub fn weight(filters: &[Filter]) -> usize {
    filters.iter().map(Filter::weight).sum()
}

fn holds<T: Ord>(list: Option<&Vec<T>>, value: &T) -> bool {
    list.is_none_or(|list| list.binary_search(value).is_ok())
}

fn tagged(event: &Event, letter: u8, values: &[Box<str>]) -> bool {
    event.index_tags().any(|(name, value)| {
        name == letter
            && values
                .binary_search_by(|known| (**known).cmp(value))
                .is_ok()
    })
}

/// Reads a list into `field`; `item` may leave a value out.
fn list<T: Ord>(
    field: &mut Option<Vec<T>>,
    cursor: &mut Cursor<'_>,
    name: &str,
    mut item: impl FnMut(&mut Cursor<'_>) -> Result<Option<T>, Verdict>,
) -> Result<(), Verdict> {
    if field.is_some() {
        return Err(twice(name));
    }
    if cursor.peek() != Some(b'[') {
        return Err(Verdict::invalid(format!("{name} must be a list")));
    }
    let mut values = Vec::new();
    cursor.array(|cursor| {
        values.extend(item(cursor)?);
        Ok(())
    })?;
    values.sort_unstable();
    values.dedup();
    *field = Some(values);
    Ok(())
}

fn number(field: &mut Option<u64>, cursor: &mut Cursor<'_>, name: &str) -> Result<(), Verdict> {
    if field.is_some() {
        return Err(twice(name));
    }
    let number = cursor.integer();
    *field =
        Some(number.ok_or_else(|| {
            Verdict::invalid(format!("{name} must be an integer from 0 upwards"))
        })?);
    Ok(())
}

fn id(cursor: &mut Cursor<'_>) -> Result<EventId, Verdict> {
    let id = string(cursor).and_then(|text| EventId::from_hex(&text));
    id.ok_or_else(|| Verdict::invalid("ids must be 64 lower-case hex characters each"))
}

fn author(cursor: &mut Cursor<'_>) -> Result<PublicKey, Verdict> {
    let author = string(cursor).and_then(|text| PublicKey::from_hex(&text));
    author.ok_or_else(|| Verdict::invalid("authors must be 64 lower-case hex characters each"))
}

fn kind(cursor: &mut Cursor<'_>) -> Result<Option<u16>, Verdict> {
    let kind = cursor
        .integer()
        .ok_or_else(|| Verdict::invalid("kinds must be integers from 0 upwards"))?;
    Ok(kind.try_into().ok())
}

fn tag_value(cursor: &mut Cursor<'_>, letter: u8) -> Result<Box<str>, Verdict> {
    let name = char::from(letter);
    let value = string(cursor)
        .ok_or_else(|| Verdict::invalid(format!("#{name} must be a list of strings")))?;
    if matches!(letter, b'e' | b'p') && !is_hex_32(&value) {
        return Err(Verdict::invalid(format!(
            "#{name} must be 64 lower-case hex characters each"
        )));
    }
    Ok(value.into())
}

fn string<'a>(cursor: &mut Cursor<'a>) -> Option<Cow<'a, str>> {
    cursor.string().ok()
}

fn twice(name: &str) -> Verdict {
    Verdict::invalid(format!("the filter gives {name} twice"))
}

fn unknown(name: &str) -> Verdict {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
    Verdict::unsupported(format!("the filter field {shown} is not known here"))
}
