//! Import into the store of a stopped relay: the rules of a client's EVENT, without the client.

use super::{
    ImportError, Plan,
    lines::{Line, Lines},
    position::Position,
    tally::Tally,
};
use crate::{
    clock::{Clock, SystemClock},
    cmd::progress::Progress,
    policy,
    store::{Answers, Failure, Outcome, ReadError, Store, Ticket},
    wire::{Class, Event, Prefix, Verdict, Verified},
};
use relay_config::Hot;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// Lines of one batch: verified together, committed as one group.
const BATCH: usize = 1_024;

/// A line's verdict, or its event on the way into the store.
type Judged = (u64, Result<Verified, Verdict>);

/// Sends the outcomes of one batch to whoever waits for it.
struct Waiter(Sender<Vec<(u64, Outcome)>>);

impl Answers for Waiter {
    fn answer(&self, outcomes: &[(u64, Outcome)]) {
        // Nobody waits any more: the import has failed, and says so.
        let _ = self.0.send(outcomes.to_vec());
    }
}

/// One batch that the store is working on.
struct Batch {
    answers: Receiver<Vec<(u64, Outcome)>>,
    events: usize,
    end: Position,
}

/// Where events go, and what is taken of them.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The store of the stopped relay.
    pub store: &'a Store,
    /// Its configuration.
    pub hot: &'a Hot,
}

/// Puts every line into the store. While one batch is committed, the next one is verified.
pub fn import(
    plan: &Plan<'_>,
    target: Target<'_>,
    mut lines: Lines,
    tally: &mut Tally,
) -> Result<(), ImportError> {
    let mut progress = Progress::new(lines.total);
    let mut before: Option<Batch> = None;
    loop {
        let (batch, ended) = read(&mut lines)?;
        let end = batch.last().map(|line| line.end);
        let failed = |error: ReadError| ImportError::Store(error.to_string());
        let judged = target.judge(batch).map_err(failed)?;
        if let Some(batch) = before.take() {
            let place = wait(&batch, tally)?;
            plan.keep(place)?;
            progress.at(place.byte, || {
                format!("{} events, {} refused", tally.total(), tally.refused())
            });
        }
        let Some(end) = end else {
            progress.finish();
            return Ok(());
        };
        let batch = target.submit(judged, end, tally);
        if ended {
            plan.keep(wait(&batch, tally)?)?;
            progress.finish();
            return Ok(());
        }
        before = Some(batch);
    }
}

/// The next batch; `true` when it is the last one.
fn read(lines: &mut Lines) -> Result<(Vec<Line>, bool), ImportError> {
    let mut batch = Vec::with_capacity(BATCH);
    while batch.len() < BATCH {
        match lines.wait() {
            Some(Ok(line)) => batch.push(line),
            None => return Ok((batch, true)),
            Some(Err(source)) => {
                return Err(ImportError::Input {
                    file: "the input".into(),
                    source,
                });
            }
        }
    }
    Ok((batch, false))
}

/// Everything that needs no signature.
fn admit(line: Line, hot: &Hot, now: u64) -> Result<Event, Verdict> {
    let text = line.text?;
    let event = Event::read(&text).map_err(|unreadable| unreadable.verdict)?;
    policy::check(&event, hot, &hot.access.kinds, now)?;
    if event.class() == Class::Ephemeral {
        return Err(Verdict::invalid("ephemeral events are not stored"));
    }
    Ok(event)
}

fn verify(events: Vec<(u64, Result<Event, Verdict>)>) -> Vec<Judged> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = events.len().div_ceil(threads).max(1);
    let mut shares = Vec::new();
    let mut rest = events.into_iter().peekable();
    while rest.peek().is_some() {
        shares.push(rest.by_ref().take(share).collect::<Vec<_>>());
    }
    let check =
        |event: Result<Event, Verdict>| Verified::check(event?).map_err(|invalid| invalid.verdict);
    thread::scope(|scope| {
        let work = |share: Vec<(u64, Result<Event, Verdict>)>| {
            scope.spawn(move || {
                share
                    .into_iter()
                    .map(|(line, event)| (line, check(event)))
                    .collect()
            })
        };
        let running: Vec<thread::ScopedJoinHandle<'_, Vec<Judged>>> =
            shares.into_iter().map(work).collect();
        let done = running
            .into_iter()
            .flat_map(|thread| thread.join().expect("verifying does not panic"));
        done.collect()
    })
}

impl Target<'_> {
    /// Reads and verifies a batch on all cores. What is stored already costs no signature.
    fn judge(self, batch: Vec<Line>) -> Result<Vec<Judged>, ReadError> {
        let now = SystemClock.now();
        let events: Vec<(u64, Result<Event, Verdict>)> = batch
            .into_iter()
            .map(|line| (line.number(), admit(line, self.hot, now)))
            .collect();
        let ids: Vec<_> = events
            .iter()
            .filter_map(|(_, event)| Some(event.as_ref().ok()?.id()))
            .collect();
        let mut known = self.store.contains(&ids)?.into_iter();
        let events = events.into_iter().map(|(line, event)| match event {
            Ok(_) if known.next() == Some(true) => (line, Err(Outcome::Duplicate.words().1)),
            event => (line, event),
        });
        Ok(verify(events.collect()))
    }

    /// Hands to the writer what may be stored, and counts the rest.
    fn submit(self, judged: Vec<Judged>, end: Position, tally: &mut Tally) -> Batch {
        let (sender, answers) = channel();
        let to: Arc<dyn Answers> = Arc::new(Waiter(sender));
        let mut tickets = Vec::new();
        for (line, event) in judged {
            match event {
                Ok(event) => tickets.push(Ticket {
                    vanish: policy::vanish::names_us(&event, self.hot.url.as_deref()),
                    event,
                    token: line,
                    to: Arc::clone(&to),
                }),
                Err(verdict) => {
                    let known = verdict.prefix == Some(Prefix::Duplicate);
                    tally.answered(line, known, &verdict.to_string());
                }
            }
        }
        let events = tickets.len();
        if events > 0 {
            self.store.submit(tickets);
        }
        Batch {
            answers,
            events,
            end,
        }
    }
}

/// Waits until every event of the batch has its outcome.
fn wait(batch: &Batch, tally: &mut Tally) -> Result<Position, ImportError> {
    let mut left = batch.events;
    while left > 0 {
        let gone = |_| ImportError::Store("it gave no answer".into());
        for (line, outcome) in batch.answers.recv().map_err(gone)? {
            left -= 1;
            let (accepted, verdict) = words(outcome)?;
            tally.answered(line, accepted, &verdict.to_string());
        }
    }
    Ok(batch.end)
}

/// What a client would be told; a store that fails ends the import instead.
fn words(outcome: Outcome) -> Result<(bool, Verdict), ImportError> {
    match outcome {
        Outcome::Failed(Failure::Full) => Err(ImportError::Store(
            "the volume is full up to the reserve".into(),
        )),
        Outcome::Failed(Failure::Broken) => Err(ImportError::Store(
            "it failed and takes no more writes".into(),
        )),
        outcome => Ok(outcome.words()),
    }
}
