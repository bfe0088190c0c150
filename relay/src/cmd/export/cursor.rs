//! Where a walk from the newest event to the oldest stands. Pure.
//!
//! Each page is asked for with `until` at the oldest second seen so far, that second included, and what was seen of it is
//! left out: events of one second that fall on two pages are neither lost nor written twice.

use serde::Deserialize;
use std::{borrow::Cow, collections::HashSet};

/// One event of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its time.
    pub created_at: u64,
    /// Its id, as the relay wrote it.
    pub id: String,
    /// Its text, without line breaks.
    pub text: String,
}

#[derive(Deserialize)]
struct Head<'a> {
    created_at: u64,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Row {
    /// Reads an event's text; `None` when it is none.
    pub fn read(text: &str) -> Option<Self> {
        let head: Head<'_> = serde_json::from_str(text).ok()?;
        Some(Self {
            created_at: head.created_at,
            id: head.id.into_owned(),
            // Line breaks can only stand between tokens, where a space means the same.
            text: text.replace(['\n', '\r'], " "),
        })
    }
}

/// What a page means for the walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// These are new: newest first, id ascending. Ask again.
    New(Vec<Row>),
    /// The page is full of events of this one second that were seen before: it holds more than a page can show.
    Stuck(u64),
    /// The relay has more and shows none of it.
    Silent,
    /// There is nothing older.
    End(Vec<Row>),
}

/// The state of the walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    until: Option<u64>,
    seen: HashSet<String>,
    largest: usize,
}

impl Cursor {
    /// Goes on after an earlier walk that ended in the second `until`, of which `seen` is done.
    pub fn resume(until: u64, seen: HashSet<String>) -> Self {
        Self {
            until: Some(until),
            seen,
            largest: 0,
        }
    }

    /// The newest second that the next page may hold; `None` before the first one.
    pub fn until(&self) -> Option<u64> {
        self.until
    }

    /// Takes a page; `finished` is the relay's hint that nothing was cut (NIP-67).
    pub fn turn(&mut self, page: Vec<Row>, finished: Option<bool>) -> Turn {
        if page.is_empty() && finished == Some(false) {
            return Turn::Silent;
        }
        let cut = !page.is_empty() && self.is_cut(page.len(), finished);
        let known = finished.is_some();
        let new = self.new_rows(page);
        if !cut && (known || new.is_empty()) {
            return Turn::End(new);
        }
        match (new.is_empty(), self.until) {
            (true, Some(second)) => Turn::Stuck(second),
            _ => Turn::New(new),
        }
    }

    /// Was an answer of `count` events cut by the relay? Without a hint: when no answer was ever larger.
    pub fn is_cut(&mut self, count: usize, finished: Option<bool>) -> bool {
        self.largest = self.largest.max(count);
        finished.map_or(count >= self.largest, |finished| !finished)
    }

    /// Takes rows that belong to the second the walk is stuck in; answers those that are new.
    pub fn take_second(&mut self, rows: Vec<Row>) -> Vec<Row> {
        let until = self.until;
        let rows = rows.into_iter().filter(|row| Some(row.created_at) == until);
        rows.filter(|row| self.seen.insert(row.id.clone()))
            .collect()
    }

    /// The second the walk is in is done: go on with the one before. `false` when there is none.
    pub fn step_over(&mut self) -> bool {
        self.seen.clear();
        self.until = self.until.and_then(|second| second.checked_sub(1));
        self.until.is_some()
    }

    /// Goes on with this second, of which nothing is done.
    pub fn go_to(&mut self, until: u64) {
        self.seen.clear();
        self.until = Some(until);
    }

    fn new_rows(&mut self, mut page: Vec<Row>) -> Vec<Row> {
        page.sort_by(|a, b| {
            b.created_at
                .cmp(&a.created_at)
                .then_with(|| a.id.cmp(&b.id))
        });
        page.dedup_by(|a, b| a.id == b.id);
        let until = self.until.unwrap_or(u64::MAX);
        page.retain(|row| {
            row.created_at < until || (row.created_at == until && !self.seen.contains(&row.id))
        });
        if let Some(last) = page.last().map(|row| row.created_at) {
            if self.until != Some(last) {
                self.seen.clear();
                self.until = Some(last);
            }
            let of_last = page.iter().filter(|row| row.created_at == last);
            self.seen.extend(of_last.map(|row| row.id.clone()));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(u64, &str)]) -> Vec<Row> {
        let row = |(created_at, id): &(u64, &str)| Row {
            created_at: *created_at,
            id: (*id).to_owned(),
            text: String::new(),
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_second_on_two_pages_is_written_once_and_wholly() {
        let mut cursor = Cursor::default();
        let first = rows(&[(9, "a"), (7, "b")]);
        assert_eq!(cursor.turn(first.clone(), None), Turn::New(first));
        assert_eq!(cursor.until(), Some(7));
        let second = rows(&[(7, "b"), (7, "c"), (5, "d")]);
        assert_eq!(
            cursor.turn(second, None),
            Turn::New(rows(&[(7, "c"), (5, "d")]))
        );
        assert_eq!(
            cursor.turn(rows(&[(5, "d")]), Some(true)),
            Turn::End(vec![])
        );
    }

    #[test]
    fn pages_may_come_oldest_first_and_twice() {
        let mut cursor = Cursor::default();
        let page = rows(&[(5, "d"), (7, "b"), (7, "b"), (9, "a")]);
        let Turn::New(new) = cursor.turn(page, Some(false)) else {
            panic!("the page is new");
        };
        assert_eq!(new, rows(&[(9, "a"), (7, "b"), (5, "d")]));
    }

    #[test]
    fn a_second_larger_than_a_page_is_noticed_and_stepped_over_when_done() {
        let mut cursor = Cursor::default();
        let full = rows(&[(5, "a"), (5, "b")]);
        assert!(matches!(
            cursor.turn(full.clone(), Some(false)),
            Turn::New(_)
        ));
        assert_eq!(cursor.turn(full, Some(false)), Turn::Stuck(5));
        let more = rows(&[(5, "b"), (5, "c"), (6, "x")]);
        assert_eq!(cursor.take_second(more), rows(&[(5, "c")]));
        assert!(cursor.step_over());
        assert_eq!(cursor.until(), Some(4));
        assert_eq!(cursor.turn(vec![], Some(true)), Turn::End(vec![]));
        assert!(!Cursor::resume(0, HashSet::new()).step_over());
    }

    #[test]
    fn without_hints_a_page_smaller_than_another_was_not_cut() {
        let mut cursor = Cursor::default();
        assert!(matches!(
            cursor.turn(rows(&[(9, "a"), (8, "b")]), None),
            Turn::New(_)
        ));
        assert_eq!(cursor.turn(rows(&[(8, "b")]), None), Turn::End(vec![]));
    }

    #[test]
    fn an_empty_page_is_the_end_unless_the_relay_has_more() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.turn(vec![], Some(false)), Turn::Silent);
        assert_eq!(cursor.turn(vec![], None), Turn::End(vec![]));
        assert_eq!(cursor.turn(vec![], Some(true)), Turn::End(vec![]));
    }

    #[test]
    fn what_is_no_event_is_no_row_and_line_breaks_become_spaces() {
        assert_eq!(Row::read("{}"), None);
        let row = Row::read("{\"id\":\"a\",\r\n\"created_at\":1}").unwrap();
        assert_eq!(row.text, "{\"id\":\"a\",  \"created_at\":1}");
    }
}
