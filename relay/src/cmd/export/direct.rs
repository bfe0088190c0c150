//! Export from the store of a stopped relay, in the order in which events were stored.

use super::{
    Arguments, ExportError,
    cursor::Row,
    output::{NO_EVENTS, Output, read_lines},
};
use crate::{
    clock::{Clock, SystemClock},
    cmd::progress::Progress,
    store::{Committed, Store},
    wire::{Event, EventId, Filter},
};
use std::{collections::VecDeque, path::Path};

/// Lines from a file's end that are looked for in the store: the very last events may have been deleted since.
const LOOK_BACK: usize = 1000;

/// How far an export came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Events written.
    pub events: u64,
    /// Everything up to this number has been written: where the next export goes on.
    pub number: u64,
}

/// Writes what matches, byte for byte as stored. What has expired is left out (NIP-40).
pub fn export(arguments: &Arguments, store: &Store) -> Result<Reached, ExportError> {
    let text = serde_json::to_string(&arguments.filter.0).expect("a JSON object is JSON");
    let filter = Filter::read(&text).map_err(|verdict| ExportError::Filter(verdict.to_string()))?;
    let limit = filter.limit.unwrap_or(u64::MAX);
    let now = SystemClock.now();
    let (mut output, after) = if arguments.resume {
        resume(&arguments.file, store)?
    } else {
        (Output::create(&arguments.file)?, arguments.after)
    };
    let rows = store.export(Committed::resume(after));
    let upto = rows.upto().get();
    let mut progress = Progress::new(Some(upto.saturating_sub(after)));
    let mut number = upto;
    for row in rows {
        let (at, text) = row.map_err(|error| ExportError::Store(error.to_string()))?;
        let enough = output.events >= limit;
        if enough || (is_wanted(&text, &filter, now) && !output.write(&text)?) {
            number = at.get() - 1;
            break;
        }
        let events = output.events;
        progress.at(at.get() - after, || {
            format!("{events} events, up to number {at}")
        });
    }
    progress.finish();
    let events = output.finish()?;
    Ok(Reached { events, number })
}

/// The file as an interrupted export left it, and the number after which it goes on: that of its last event which is still
/// stored. What stands behind that in the file has been deleted, and does not come again.
fn resume(path: &Path, store: &Store) -> Result<(Output, u64), ExportError> {
    let mut last: VecDeque<EventId> = VecDeque::with_capacity(LOOK_BACK);
    let bytes = read_lines(path, &mut |line| {
        let row = std::str::from_utf8(line).ok().and_then(Row::read);
        let id = row.and_then(|row| EventId::from_hex(&row.id));
        last.truncate(LOOK_BACK - 1);
        last.push_front(id.ok_or(NO_EVENTS)?);
        Ok(())
    })?;
    let after = if last.is_empty() {
        0
    } else {
        let numbers = store.numbers(last.make_contiguous());
        let numbers = numbers.map_err(|error| ExportError::Store(error.to_string()))?;
        let newest = numbers.into_iter().flatten().next();
        let elsewhere = || ExportError::Elsewhere(path.display().to_string());
        newest.ok_or_else(elsewhere)?.get()
    };
    Ok((Output::reopen(path, bytes)?, after))
}

fn is_wanted(text: &[u8], filter: &Filter, now: u64) -> bool {
    let event = std::str::from_utf8(text)
        .ok()
        .and_then(|text| Event::read(text).ok());
    event.is_some_and(|event| {
        let expired = event.expiration().is_some_and(|at| at <= now);
        !expired && filter.matches(&event)
    })
}
