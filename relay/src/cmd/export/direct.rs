//! Export from the store of a stopped relay, in the order in which events were stored.

use super::{Arguments, ExportError, output::Output};
use crate::{
    clock::{Clock, SystemClock},
    cmd::progress::Progress,
    store::{Committed, Store},
    wire::{Event, Filter},
};

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
    let filter =
        Filter::read(&text).map_err(|verdict| ExportError::Refused(verdict.to_string()))?;
    let limit = filter.limit.unwrap_or(u64::MAX);
    let now = SystemClock.now();
    let mut output = Output::create(&arguments.file)?;
    let rows = store.export(Committed::resume(arguments.after));
    let upto = rows.upto().get();
    let mut progress = Progress::new(Some(upto.saturating_sub(arguments.after)));
    let mut number = upto;
    for row in rows {
        let (at, text) = row.map_err(|error| ExportError::Store(error.to_string()))?;
        let enough = output.events >= limit;
        if enough || (is_wanted(&text, &filter, now) && !output.write(&text)?) {
            number = at.get() - 1;
            break;
        }
        let events = output.events;
        progress.at(at.get() - arguments.after, || {
            format!("{events} events, up to number {at}")
        });
    }
    progress.finish();
    let events = output.finish()?;
    Ok(Reached { events, number })
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
