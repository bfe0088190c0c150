//! `relay delete`: an operator removes events from the store of a stopped relay. They may not come back.

use super::{FAILED, MISUSED, export::FilterObject, fail, stopped::RuntimeDir};
use crate::{
    store::{ReadError, Removal, SeesAll, Step, Store},
    wire::{EventId, Filter},
};
use clap::Args;
use serde_json::{Map, Value};
use std::{
    io::{IsTerminal, Write, stderr, stdin},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// Events that are removed as one group.
const BATCH: usize = 1_000;
/// Time of one read transaction.
const SLICE: Duration = Duration::from_millis(50);

/// What `relay delete` is asked.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The store of a relay that is not running.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)] // a flattened struct has no help of its own, its fields have
    pub runtime_dir: RuntimeDir,
    /// Ids of events, 64 hex characters each.
    #[arg(long, value_name = "HEX", num_args = 1.., value_parser = id, required_unless_present = "filter", conflicts_with = "filter")]
    pub id: Vec<EventId>,
    /// All events that match this filter (NIP-01).
    #[arg(long, value_name = "JSON")]
    pub filter: Option<FilterObject>,
    /// Do not ask: remove what matches.
    #[arg(long)]
    pub yes: bool,
}

fn id(text: &str) -> Result<EventId, String> {
    EventId::from_hex(text).ok_or_else(|| "an id is 64 lower-case hex characters".into())
}

/// Exits 0 when what matched is gone, 1 when it could not be removed, 2 when nobody said yes or somebody holds the store.
pub fn run(arguments: &Arguments) -> ExitCode {
    let filter = match arguments.filter() {
        Ok(filter) => filter,
        Err(problem) => return fail(MISUSED, problem),
    };
    let store = match arguments.runtime_dir.existing(&arguments.data) {
        Ok(store) => store,
        Err(problem) => return fail(problem.exit_code(), problem),
    };
    let ids = match matching(&store, filter) {
        Ok(ids) => ids,
        Err(problem) => return fail(FAILED, problem),
    };
    if ids.is_empty() {
        println!("no event matches: nothing was removed");
        return ExitCode::SUCCESS;
    }
    if !arguments.yes && !is_confirmed(ids.len()) {
        return fail(
            MISUSED,
            format!(
                "{} events match; nothing was removed: say --yes to remove them",
                ids.len()
            ),
        );
    }
    remove(store, &ids)
}

impl Arguments {
    fn filter(&self) -> Result<Filter, String> {
        let ids = || self.id.iter().map(|id| Value::from(id.to_string()));
        let by_id = || Map::from_iter([("ids".to_owned(), ids().collect())]);
        let filter = self.filter.clone().map_or_else(by_id, |filter| filter.0);
        Filter::read(&Value::Object(filter).to_string()).map_err(|verdict| verdict.to_string())
    }
}

fn matching(store: &Store, filter: Filter) -> Result<Vec<EventId>, ReadError> {
    let mut query = store.query(Arc::from([filter]), Arc::new(SeesAll));
    let mut ids = Vec::new();
    loop {
        let step = query.slice(SLICE, &mut |row| {
            ids.push(row.id());
            ControlFlow::Continue(())
        })?;
        if let Step::Done { .. } = step {
            return Ok(ids);
        }
    }
}

fn is_confirmed(count: usize) -> bool {
    if !(stdin().is_terminal() && stderr().is_terminal()) {
        return false;
    }
    eprint!("Remove {count} events for good? [y/N] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}

fn remove(store: Store, ids: &[EventId]) -> ExitCode {
    let mut removed = 0;
    for batch in ids.chunks(BATCH) {
        match store.remove(batch.to_vec(), Removal::Ordered) {
            Ok(count) => removed += count,
            Err(problem) => {
                return fail(
                    FAILED,
                    format!("{removed} events were removed, then: {problem}"),
                );
            }
        }
    }
    store.close();
    println!("{removed} events removed; `relay compact` takes their text from the disk now");
    ExitCode::SUCCESS
}
