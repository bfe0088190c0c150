//! A few threads for work that would hold up a session: batches of signatures, slices of queries.
//!
//! Jobs are handed over per batch, never singly: waking a thread costs more than a small job. The pool itself has no
//! bound; its users do (one batch and a few slices in flight per session).

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// A handle on a few threads; they end when the last handle is gone and their jobs are done.
#[derive(Clone)]
pub struct Pool {
    // Two layers: the threads hold the inner one, so that the last outer one can tell them to end.
    handle: Arc<Handle>,
}

struct Handle(Arc<Queue>);

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    filled: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Starts `threads` threads (at least one) that carry `name`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(name: &str, threads: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let pool = Self {
            handle: Arc::new(Handle(Arc::clone(&queue))),
        };
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || queue.work())?;
        }
        Ok(pool)
    }

    /// Runs `job` on one of the threads, after the jobs that wait already.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let queue = &self.handle.0;
        let mut jobs = queue.lock();
        jobs.waiting.push_back(Box::new(job));
        let anyone_idle = jobs.idle > 0;
        drop(jobs);
        if anyone_idle {
            queue.filled.notify_one();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job of the pool panicked; this is a fault of the relay");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.closed {
                return None;
            }
            jobs.idle += 1;
            jobs = self
                .filled
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
            jobs.idle -= 1;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.filled.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Pool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_job_is_run_even_those_that_wait_when_the_last_handle_goes() {
        let (done, results) = mpsc::channel();
        let pool = Pool::start("test", 2).unwrap();
        for number in 0..100 {
            let done = done.clone();
            pool.run(move || done.send(number).unwrap());
        }
        drop((pool, done));
        let mut seen: Vec<_> = results.iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_that_panics_does_not_take_its_thread_along() {
        let (done, results) = mpsc::channel();
        let pool = Pool::start("test", 1).unwrap();
        pool.run(|| panic!("on purpose"));
        pool.run(move || done.send(()).unwrap());
        assert!(results.recv().is_ok());
    }
}
