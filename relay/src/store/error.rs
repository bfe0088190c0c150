//! What can go wrong with a store, in words for the person who runs it.

use std::{io, path::PathBuf};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{dir} is in use by {holder}: stop that process, or use the ops port or a ws:// URL of the running relay"
    )]
    Locked {
        /// The store.
        dir: PathBuf,
        /// Who has it, as far as it said.
        holder: String,
    },
    /// Written by a newer version.
    #[error(
        "{dir} has format {format}, this program knows up to {known}: run the newer version again"
    )]
    Newer {
        /// The store.
        dir: PathBuf,
        /// The format that is there.
        format: u32,
        /// The newest that we know.
        known: u32,
    },
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The volume cannot hold the view.
    #[error(
        "no room on the volume of {dir}: the view, which is made from the log, needs about {} MB more. Make the volume (and storage.size) larger or free \
         room on it, then start again: the log is whole, nothing is lost", need.div_ceil(1 << 20)
    )]
    NoRoom {
        /// The store.
        dir: PathBuf,
        /// Bytes that are still needed, about.
        need: u64,
    },
    /// LMDB refused.
    #[error("{what}: {source}")]
    View {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: heed::Error,
    },
}

impl OpenError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(super) fn view(what: impl Into<String>) -> impl FnOnce(heed::Error) -> Self {
        let what = what.into();
        move |source| Self::View { what, source }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// LMDB refused.
    #[error("the view could not be read: {0}")]
    View(#[from] heed::Error),
}

/// Why compaction or a removal failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file could not be written.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The view could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The volume is full.
    #[error("the volume is full up to the reserve")]
    Full,
    /// The store has failed or is closed.
    #[error("the store takes no more writes: {0}")]
    Broken(&'static str),
}

impl WriteError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
