//! The lines that wait for their OK. Pure: it sends nothing and knows no connection.

use super::{lines::Line, position::Position};
use crate::{
    client::answer::prefix,
    wire::{Prefix, Verdict},
};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// Text that may wait, whatever its number of lines.
const BYTES: usize = 8 << 20;
/// How often a line is sent again that was answered `rate-limited:` or `error:`.
const ATTEMPTS: u32 = 8;
/// Connections that may break on one line, alone on the wire, before it counts as refused.
const STRIKES: u32 = 2;

/// What became of a line that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// This line has its verdict.
    Ended(u64),
    /// It is sent again after a pause.
    Again,
    /// Nobody waits for this answer.
    Unknown,
}

/// Lines that have no verdict yet, by number.
#[derive(Debug)]
pub struct Window {
    size: usize,
    lines: BTreeMap<u64, Waiting>,
    by_id: HashMap<String, VecDeque<u64>>,
    unsent: VecDeque<u64>,
    waiting: usize,
    bytes: usize,
    read: Position,
    pause_until: Option<Instant>,
    /// Lines up to this one are sent one at a time: one of them made the relay hang up.
    probe_to: u64,
}

#[derive(Debug)]
struct Waiting {
    start: Position,
    id: String,
    text: String,
    sent: bool,
    attempts: u32,
    strikes: u32,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Window {
    /// Room for `size` lines.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            lines: BTreeMap::new(),
            by_id: HashMap::new(),
            unsent: VecDeque::new(),
            waiting: 0,
            bytes: 0,
            read: Position::default(),
            pause_until: None,
            probe_to: 0,
        }
    }

    /// Takes a line in; `Err` is the verdict on one that no relay could answer with its id.
    pub fn push(&mut self, line: Line) -> Result<(), Verdict> {
        self.read = line.end;
        let number = line.number();
        let text = line.text?;
        let head: Head<'_> = serde_json::from_str(&text)
            .map_err(|_| Verdict::invalid("not a JSON object with an id"))?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if head.id.len() != 64 || !head.id.bytes().all(hex) {
            return Err(Verdict::invalid(
                "the id is not 64 lower-case hex characters",
            ));
        }
        let id = head.id.into_owned();
        self.by_id.entry(id.clone()).or_default().push_back(number);
        self.bytes += text.len();
        self.unsent.push_back(number);
        let waiting = Waiting {
            start: line.start,
            id,
            text,
            sent: false,
            attempts: 0,
            strikes: 0,
        };
        self.lines.insert(number, waiting);
        Ok(())
    }

    /// May another line be read?
    pub fn has_room(&self) -> bool {
        self.lines.len() < self.size && self.bytes < BYTES
    }

    /// The next event to send, if one may be sent now.
    pub fn next_to_send(&mut self) -> Option<&str> {
        let number = *self.unsent.front()?;
        let alone = number <= self.probe_to;
        if self.pause().is_some() || (alone && self.waiting > 0) || self.waiting >= self.size {
            return None;
        }
        self.unsent.pop_front();
        let line = self.lines.get_mut(&number)?;
        line.sent = true;
        self.waiting += 1;
        Some(&line.text)
    }

    /// The relay's OK on `id`.
    pub fn judge(&mut self, id: &str, accepted: bool, verdict: &str) -> Judged {
        let sent = |number: &u64| self.lines.get(number).is_some_and(|line| line.sent);
        let Some(number) = self
            .by_id
            .get(id)
            .and_then(|all| all.iter().copied().find(sent))
        else {
            return Judged::Unknown;
        };
        self.waiting -= 1;
        let passing = [Some(Prefix::RateLimited), Some(Prefix::Error)];
        let passing = !accepted && passing.contains(&prefix(verdict));
        if passing && self.postpone(number) {
            return Judged::Again;
        }
        self.forget(number);
        Judged::Ended(number)
    }

    fn postpone(&mut self, number: u64) -> bool {
        let Some(line) = self
            .lines
            .get_mut(&number)
            .filter(|line| line.attempts < ATTEMPTS)
        else {
            return false;
        };
        line.attempts += 1;
        line.sent = false;
        let pause = Duration::from_millis(250 << line.attempts.min(5));
        self.pause_until = Some(Instant::now() + pause);
        let at = self.unsent.partition_point(|other| *other < number);
        self.unsent.insert(at, number);
        true
    }

    fn forget(&mut self, number: u64) {
        if let Some(line) = self.lines.remove(&number) {
            self.bytes -= line.text.len();
            if let Some(all) = self.by_id.get_mut(&line.id) {
                all.retain(|other| *other != number);
                if all.is_empty() {
                    self.by_id.remove(&line.id);
                }
            }
        }
    }

    /// A new connection: nothing that waits has been sent on it.
    pub fn restart(&mut self) {
        self.waiting = 0;
        self.unsent = self.lines.keys().copied().collect();
        for line in self.lines.values_mut() {
            line.sent = false;
        }
    }

    /// The connection broke. Names the line that is to blame once it is proved: alone on the wire, again and again, or named by a
    /// `too large`. The line is forgotten.
    pub fn suspect(&mut self, too_large: bool, progress: bool) -> Option<u64> {
        let mut sent = self.lines.iter_mut().filter(|(_, line)| line.sent);
        let first = sent.next();
        let last = sent.next_back().map(|(number, _)| *number);
        match (first, last) {
            (Some((number, line)), None) => {
                line.strikes += 1;
                let number = *number;
                if too_large || line.strikes >= STRIKES {
                    self.forget(number);
                    return Some(number);
                }
                self.probe_to = self.probe_to.max(number);
            }
            (Some(_), Some(last)) if too_large || !progress => self.probe_to = last,
            _ => {}
        }
        None
    }

    /// Until when nothing is sent, because the relay asked for patience.
    pub fn pause(&self) -> Option<Instant> {
        self.pause_until.filter(|until| *until > Instant::now())
    }

    /// Events on the wire without an answer.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Is nothing left without a verdict?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Everything before this place has its verdict.
    pub fn place(&self) -> Position {
        self.lines
            .first_key_value()
            .map_or(self.read, |(_, line)| line.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, id: char) -> Line {
        Line {
            start: Position {
                line: number - 1,
                byte: (number - 1) * 10,
            },
            end: Position {
                line: number,
                byte: number * 10,
            },
            text: Ok(format!("{{\"id\":\"{}\"}}", id.to_string().repeat(64))),
        }
    }

    fn id(id: char) -> String {
        id.to_string().repeat(64)
    }

    fn send_all(window: &mut Window) -> usize {
        std::iter::from_fn(|| window.next_to_send().map(drop)).count()
    }

    #[test]
    fn the_place_moves_only_over_lines_that_have_their_verdict() {
        let mut window = Window::new(2);
        window.push(line(1, 'a')).unwrap();
        window.push(line(2, 'b')).unwrap();
        assert!(!window.has_room());
        assert_eq!(send_all(&mut window), 2);
        assert_eq!(window.judge(&id('b'), true, ""), Judged::Ended(2));
        assert_eq!(window.place().line, 0);
        assert_eq!(window.judge(&id('a'), true, ""), Judged::Ended(1));
        assert_eq!(window.place().line, 2);
        assert_eq!(window.judge(&id('a'), true, ""), Judged::Unknown);
    }

    #[test]
    fn the_same_event_on_two_lines_is_answered_twice() {
        let mut window = Window::new(8);
        window.push(line(1, 'a')).unwrap();
        window.push(line(2, 'a')).unwrap();
        send_all(&mut window);
        assert_eq!(window.judge(&id('a'), true, ""), Judged::Ended(1));
        assert_eq!(
            window.judge(&id('a'), true, "duplicate: x"),
            Judged::Ended(2)
        );
    }

    #[test]
    fn after_a_drop_only_unanswered_lines_are_sent_again() {
        let mut window = Window::new(8);
        for (number, id) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            window.push(line(number, id)).unwrap();
        }
        send_all(&mut window);
        window.judge(&id('b'), true, "");
        assert_eq!(window.suspect(false, true), None);
        window.restart();
        assert_eq!(send_all(&mut window), 2);
    }

    #[test]
    fn the_event_that_makes_the_relay_hang_up_is_found_and_the_others_are_not_blamed() {
        let mut window = Window::new(8);
        for (number, id) in [(1, 'a'), (2, 'b'), (3, 'c')] {
            window.push(line(number, id)).unwrap();
        }
        send_all(&mut window);
        assert_eq!(window.suspect(true, false), None);
        window.restart();
        assert_eq!(send_all(&mut window), 1);
        window.judge(&id('a'), true, "");
        assert_eq!(send_all(&mut window), 1);
        assert_eq!(window.suspect(true, true), Some(2));
        window.restart();
        assert_eq!(send_all(&mut window), 1);
        assert_eq!(window.judge(&id('c'), true, ""), Judged::Ended(3));
        assert!(window.is_empty());
    }

    #[test]
    fn what_is_rate_limited_is_sent_again_later_and_not_for_ever() {
        let mut window = Window::new(8);
        window.push(line(1, 'a')).unwrap();
        for _ in 0..ATTEMPTS {
            assert_eq!(send_all(&mut window), 1);
            assert_eq!(
                window.judge(&id('a'), false, "rate-limited: slow down"),
                Judged::Again
            );
            assert_eq!(send_all(&mut window), 0);
            assert!(window.pause().is_some());
            window.pause_until = None;
        }
        send_all(&mut window);
        assert_eq!(
            window.judge(&id('a'), false, "rate-limited: slow down"),
            Judged::Ended(1)
        );
    }

    #[test]
    fn a_line_that_no_relay_could_answer_is_refused_here() {
        let mut window = Window::new(8);
        for text in ["[]", "{}", "{\"id\":1}", "{\"id\":\"AB\"}", "nonsense"] {
            let mut bad = line(1, 'a');
            bad.text = Ok(text.into());
            let verdict = window.push(bad).unwrap_err();
            assert_eq!(verdict.prefix, Some(Prefix::Invalid), "{text}");
        }
        assert!(window.is_empty());
        assert_eq!(window.place().line, 1);
    }
}
