//! Answers filters out of the view, in short slices: one index per filter, walks merged by time, each event once.
//!
//! Each slice has a read transaction of its own and goes on where the last one stopped. Only entries up to the number
//! that the first slice saw count; what came later reaches the reader live.

use super::{
    error::ReadError,
    row::{Row, Sight, Step},
    shared::Shared,
    slice::Slice,
    stream::{Fill, Stream},
    ticket::Committed,
    walk::Cursors,
};
use crate::wire::Filter;
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// Stored events that match any of some filters. Nothing is read before the first [`Query::slice`].
pub struct Query {
    shared: Arc<Shared>,
    sight: Arc<dyn Sight>,
    streams: Vec<Stream>,
    snapshot: Option<Committed>,
    slices: u64,
    cut: bool,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("snapshot", &self.snapshot)
            .field("slices", &self.slices)
            .finish_non_exhaustive()
    }
}

impl Query {
    pub(super) fn new(shared: Arc<Shared>, filters: &[Filter], sight: Arc<dyn Sight>) -> Self {
        let streams: Vec<Stream> = filters.iter().map(Stream::new).collect();
        Self {
            shared,
            sight,
            streams,
            snapshot: None,
            slices: 0,
            cut: false,
        }
    }

    /// The number up to which the answer is true; known after the first slice. What has a higher number comes live.
    pub fn snapshot(&self) -> Option<Committed> {
        self.snapshot
    }

    /// Gives out rows for about `budget`: newest first, then by id, each once, each filter up to its own limit; what has
    /// expired is left out. `Break` ends the slice behind the row that was given.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn slice(
        &mut self,
        budget: Duration,
        out: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Step, ReadError> {
        let shared = Arc::clone(&self.shared);
        let sight = Arc::clone(&self.sight);
        let txn = shared.view.read()?;
        let segments = shared.segments.load();
        let upto = match self.snapshot {
            Some(upto) => upto.get(),
            None => shared.view.applied(&txn)?,
        };
        self.snapshot = Some(Committed(upto));
        self.slices += 1;
        let mut slice = Slice {
            shared: &shared,
            txn: &txn,
            segments: &segments,
            sight: &*sight,
            upto,
            now: shared.clock.now(),
            number: self.slices,
            deadline: Instant::now() + budget,
            seen: 0,
            visible: 0,
            last: None,
        };
        self.merge(&mut slice, out)
    }

    fn merge(
        &mut self,
        slice: &mut Slice<'_>,
        out: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<Step, ReadError> {
        let mut cursors: Vec<Cursors<'_>> = self
            .streams
            .iter()
            .map(|_| Cursors::new(&slice.shared.view, slice.txn))
            .collect();
        loop {
            for (stream, cursors) in self.streams.iter_mut().zip(&mut cursors) {
                if let Fill::Over = stream.fill(slice, cursors, &mut self.cut)? {
                    return Ok(Step::More);
                }
            }
            let first = self
                .streams
                .iter()
                .filter_map(|stream| stream.next)
                .min_by(|a, b| a.order().cmp(&b.order()));
            let Some(first) = first else {
                return Ok(Step::Done { cut: self.cut });
            };
            let is_current = slice.is_current(&first)?;
            let entry = slice.entry(first.number).filter(|_| is_current);
            for stream in &mut self.streams {
                if stream.next.is_some_and(|next| next.number == first.number) {
                    stream.next = None;
                    stream.left -= u64::from(entry.is_some() && stream.left > 0);
                }
            }
            let Some(entry) = entry else {
                continue;
            };
            if out(&Row(entry)).is_break() {
                return Ok(Step::More);
            }
        }
    }
}
