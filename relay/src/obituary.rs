//! Threads and tasks that must live as long as the process, and how the death of one becomes known.
//!
//! A thread that panics ends silently: nobody does its work any more, while everything else goes on and probes say that all is well. So
//! each of them holds an [`Obituary`], and the first that is written is why the process ends (`vitals`). Nothing here restarts
//! anything, and an end without a panic is none of its business.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    thread,
};

/// Where obituaries are written; clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Obituaries(Arc<OnceLock<&'static str>>);

impl Obituaries {
    /// To be held by the thread or task of this name for as long as it lives.
    pub fn of(&self, name: &'static str) -> Obituary {
        Obituary {
            name,
            place: self.clone(),
        }
    }

    /// The task, with an obituary.
    pub fn over<T>(
        self,
        name: &'static str,
        task: impl Future<Output = T> + Send,
    ) -> impl Future<Output = T> + Send {
        let obituary = self.of(name);
        async move {
            let _obituary = obituary;
            task.await
        }
    }

    /// Who panicked first, if anybody did.
    pub fn first(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}

/// Written when it is dropped by a panic.
#[derive(Debug)]
pub struct Obituary {
    name: &'static str,
    place: Obituaries,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.place.0.set(self.name); // the first one stays: others may have died of it
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_named_and_the_first_one_stays() {
        let obituaries = Obituaries::default();
        for name in ["first", "second"] {
            let obituary = obituaries.of(name);
            let died = thread::spawn(move || {
                let _obituary = obituary;
                panic!("on purpose");
            });
            assert!(died.join().is_err());
            assert_eq!(obituaries.first(), Some("first"));
        }
    }

    #[tokio::test]
    async fn a_task_that_panics_is_named_and_one_that_ends_or_is_aborted_is_not() {
        let obituaries = Obituaries::default();
        let ended = tokio::spawn(obituaries.clone().over("ended", async {}));
        assert!(ended.await.is_ok());
        let aborted = tokio::spawn(
            obituaries
                .clone()
                .over("aborted", std::future::pending::<()>()),
        );
        aborted.abort();
        assert!(aborted.await.is_err());
        assert_eq!(obituaries.first(), None);
        let died = tokio::spawn(obituaries.clone().over("died", async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        }));
        assert!(died.await.is_err());
        assert_eq!(obituaries.first(), Some("died"));
    }
}
