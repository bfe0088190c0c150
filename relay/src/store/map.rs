//! The one file with `unsafe`: memory maps of log segments and of LMDB's file, and a hint about what is read of them next.
//!
//! What makes them sound: a segment file is never truncated and the bytes below the committed end are never written
//! again; LMDB's file lies on allocated space and is resized only while no transaction lives (`view.rs` holds the lock).
#![allow(unsafe_code)] // each block below says why it is sound

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};
use memmap2::Mmap;
use std::{fs::File, io, path::Path, sync::RwLockWriteGuard};

/// Named databases in the view.
const DATABASES: u32 = 16;
/// Read transactions at once: read threads, maintenance, administration.
const READERS: u32 = 512;

/// Maps a whole segment file for reading.
pub(super) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: segment files are only ever appended to within their allocated length, never truncated, and belong to
    // this process by the LOCK file. Bytes that are still being written are never looked at: readers go by numbers
    // that were published after the write.
    unsafe { Mmap::map(file) }
}

/// Lines that are fetched ahead: what stands before an event's text, and most texts.
const LINES: usize = 16;

/// Fetches the beginning of these bytes into the cache, where the processor takes such a hint: they are looked at soon.
pub(super) fn fetch_ahead(bytes: &[u8]) {
    for line in bytes.chunks(64).take(LINES) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, at an address of the slice, which neither looks at what is there nor faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// Opens LMDB in `dir` with a map of `size` bytes, NO_SYNC and WRITE_MAP.
pub(super) fn open_env(dir: &Path, size: usize) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options
        .map_size(size)
        .max_dbs(DATABASES)
        .max_readers(READERS);
    // SAFETY: without sync an image is only consistent while the machine lives; `recover.rs` opens LMDB only when that
    // is proved (CLEAN, or the run token) and deletes it unopened otherwise. No other process writes to it (LOCK), and
    // `view.rs` allocates the file's space before the first write, so that the map cannot fault.
    unsafe {
        options.flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP);
        options.open(dir)
    }
}

/// Resizes LMDB's map. The guard proves that no transaction lives.
pub(super) fn resize_env(
    env: &Env<WithoutTls>,
    size: usize,
    _alone: &RwLockWriteGuard<'_, ()>,
) -> heed::Result<()> {
    // SAFETY: every transaction of this process is opened under the shared side of this lock; we hold the other side.
    unsafe { env.resize(size) }
}
