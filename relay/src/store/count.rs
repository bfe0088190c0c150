//! COUNT (NIP-45): how many stored events match any of some filters.

use super::{
    error::ReadError,
    row::{Sight, Step},
    scan::Query,
    shared::Shared,
};
use crate::wire::Filter;
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// A count on its way. Limits do not apply; each event counts once over all filters.
#[derive(Debug)]
pub struct Counting {
    query: Query,
    count: u64,
}

impl Counting {
    pub(super) fn new(shared: Arc<Shared>, filters: &[Filter], sight: Arc<dyn Sight>) -> Self {
        let unlimited: Vec<Filter> = filters
            .iter()
            .map(|filter| Filter {
                limit: None,
                ..filter.clone()
            })
            .collect();
        Self {
            query: Query::new(shared, &unlimited, sight),
            count: 0,
        }
    }

    /// Counts for about `budget`; the sum when it is done.
    ///
    /// # Errors
    /// If LMDB cannot be read.
    pub fn slice(&mut self, budget: Duration) -> Result<Option<u64>, ReadError> {
        let count = &mut self.count;
        let step = self.query.slice(budget, &mut |_| {
            *count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(match step {
            Step::More => None,
            Step::Done { .. } => Some(self.count),
        })
    }

    /// How many were counted so far: the answer when the time for it is over (`approximate`).
    pub fn so_far(&self) -> u64 {
        self.count
    }
}
