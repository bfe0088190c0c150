//! Where an entry stands in its segment: one u32 a number; zero where compaction left nothing.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

const CHUNK: usize = 8192;

/// The table of the segment that is being written: grows without moving, read without locks.
pub(super) struct LiveOffsets {
    chunks: Box<[OnceLock<Box<[AtomicU32]>>]>,
}

impl LiveOffsets {
    /// Room for `entries` numbers.
    pub fn new(entries: usize) -> Self {
        let chunks = entries.div_ceil(CHUNK).max(1);
        Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Publishes an offset. Numbers beyond the room are refused.
    pub fn set(&self, index: usize, offset: u32) -> bool {
        let Some(chunk) = self.chunks.get(index / CHUNK) else {
            return false;
        };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU32::new(0)).collect());
        chunk[index % CHUNK].store(offset, Ordering::Release);
        true
    }

    /// The offset of an index; zero where there is none.
    pub fn get(&self, index: usize) -> u32 {
        self.chunks
            .get(index / CHUNK)
            .and_then(OnceLock::get)
            .map_or(0, |chunk| chunk[index % CHUNK].load(Ordering::Acquire))
    }
}

/// Reads one offset of a sealed table.
pub(super) fn sealed(table: &[u8], index: usize) -> u32 {
    let at = index * 4;
    table
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_found_and_unknown_ones_are_zero() {
        let live = LiveOffsets::new(20_000);
        for index in [0, 1, 8191, 8192, 19_999] {
            assert_eq!(live.get(index), 0);
            assert!(live.set(index, index as u32 + 64));
            assert_eq!(live.get(index), index as u32 + 64);
        }
        assert!(!live.set(1 << 20, 1), "there is no room for this one");
        assert_eq!(live.get(1 << 20), 0);
        assert_eq!(sealed(&[1, 0, 0, 0, 2, 0, 0], 0), 1);
        assert_eq!(sealed(&[1, 0, 0, 0, 2, 0, 0], 1), 0);
    }
}
