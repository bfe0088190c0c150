//! What waits for the writer, and in which turns: the jobs in the order of their arrival, and between their groups those that
//! take several groups each.

use super::forming::{Job, Task};
use std::collections::VecDeque;

/// Most jobs in one group.
const GROUP_JOBS: usize = 1024;

/// The jobs that wait.
#[derive(Default)]
pub(super) struct Turns {
    jobs: VecDeque<Job>,
    /// Begun, or too large for what was left of a group.
    long: VecDeque<Job>,
    /// Requests of keys of which something long goes on, which removes what they would. They come again when it has ended.
    behind: VecDeque<Job>,
    /// Is the group that was taken last one of these?
    was_long: bool,
}

impl Turns {
    /// Nothing waits.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.long.is_empty() && self.behind.is_empty()
    }

    /// These came.
    pub fn extend(&mut self, tasks: impl IntoIterator<Item = Task>) {
        self.jobs.extend(tasks.into_iter().map(Job::from));
    }

    /// The jobs of the next group, of so many bytes.
    pub fn next(&mut self, bytes: usize) -> Vec<Job> {
        if self.was_long || self.long.is_empty() {
            self.release();
        }
        self.was_long = !self.long.is_empty() && (self.jobs.is_empty() || !self.was_long);
        if self.was_long {
            return self.long.pop_front().into_iter().collect();
        }
        let (mut jobs, mut room) = (Vec::new(), self.room(bytes));
        while jobs.len() < GROUP_JOBS
            && let Some(job) = self.jobs.pop_front()
        {
            if self.is_behind(&job) {
                self.behind.push_back(job);
            } else if jobs.is_empty() || job.bytes() <= room {
                room = room.saturating_sub(job.bytes());
                jobs.push(job);
            } else {
                self.jobs.push_front(job);
                break;
            }
        }
        jobs
    }

    /// Those that are behind nothing any more.
    fn release(&mut self) {
        for job in std::mem::take(&mut self.behind).into_iter().rev() {
            if self.is_behind(&job) {
                self.behind.push_front(job);
            } else {
                self.jobs.push_front(job);
            }
        }
    }

    /// Does something long of the same author go on, which removes what this one would?
    fn is_behind(&self, job: &Job) -> bool {
        let author = job.author();
        author.is_some() && self.long.iter().any(|long| long.author() == author)
    }

    /// Bytes of text that this group adds and removes. While something long goes on the others add less than it removes, so that
    /// nobody can keep a key from vanishing by writing to it.
    pub fn room(&self, bytes: usize) -> usize {
        if self.was_long || self.long.is_empty() {
            bytes
        } else {
            bytes / 2
        }
    }

    /// The group had no room for these, in this order.
    pub fn put_back(&mut self, jobs: impl DoubleEndedIterator<Item = Job>) {
        for job in jobs.rev() {
            self.jobs.push_front(job);
        }
    }

    /// The store closes: those that somebody waits for, who can ask again.
    pub fn give_up(&mut self) -> VecDeque<Job> {
        let all = self.long.drain(..).chain(self.behind.drain(..));
        let (waited, rest) = all.partition(Job::is_waited_for);
        self.long = rest;
        waited
    }

    /// This one takes another group.
    pub fn go_on(&mut self, job: Job) {
        self.long.push_back(job);
    }
}
