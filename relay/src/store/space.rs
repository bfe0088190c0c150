//! How much room there is, how much of it stays reserved, and how large segments and growth steps are.
//!
//! A volume that is full must still take deletions, and LMDB's map must never meet an unallocated page.

use rustix::fs::statvfs;
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

const MB: u64 = 1 << 20;

/// The room of one store.
#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    claim: AtomicU64,
    full: AtomicBool,
}

/// What may be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Ordinary events: the reserve stays free.
    Ordinary,
    /// Deletions and removals: they may use the reserve.
    Removal,
}

impl Space {
    pub fn new(dir: &Path, claim: Option<u64>) -> Self {
        Self {
            dir: dir.to_owned(),
            claim: AtomicU64::new(claim.unwrap_or(u64::MAX)),
            full: AtomicBool::new(false),
        }
    }

    /// A larger or smaller claim.
    pub fn set_claim(&self, claim: Option<u64>) {
        self.claim
            .store(claim.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Was the last group refused for lack of room?
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// The claim or the file system, whichever is smaller.
    pub fn capacity(&self) -> io::Result<u64> {
        let volume = statvfs(&self.dir)?;
        let total = volume.f_blocks.saturating_mul(volume.f_frsize);
        Ok(total.min(self.claim.load(Ordering::Relaxed)))
    }

    /// Bytes that stay free for deletions: 2 % between 64 MB and 1 GB; an eighth where that would be too much.
    pub fn reserve(&self) -> io::Result<u64> {
        let capacity = self.capacity()?;
        let usual = (capacity / 50).clamp(64 * MB, 1024 * MB);
        Ok(usual.min(capacity / 8))
    }

    /// Bytes that may still be allocated, when the store's own files take `used`.
    pub fn available(&self, used: u64, purpose: Purpose) -> io::Result<u64> {
        let volume = statvfs(&self.dir)?;
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        let claim = self.claim.load(Ordering::Relaxed).saturating_sub(used);
        let reserve = match purpose {
            Purpose::Ordinary => self.reserve()?,
            Purpose::Removal => 0,
        };
        Ok(free.min(claim).saturating_sub(reserve))
    }

    /// Bytes of a new segment: 64 MB, less on a small volume, and little when the reserve must do.
    pub fn segment_size(&self, purpose: Purpose) -> io::Result<u64> {
        let usual = (self.capacity()? / 16)
            .next_power_of_two()
            .clamp(MB, 64 * MB);
        Ok(match purpose {
            Purpose::Ordinary => usual,
            Purpose::Removal => usual.min(self.reserve()? / 8).max(MB / 4),
        })
    }

    /// Bytes of a new view.
    pub fn first_view_size(&self) -> io::Result<u64> {
        Ok((self.capacity()? / 16)
            .next_power_of_two()
            .clamp(MB, 64 * MB))
    }

    /// What the view should grow to from `size`: double, at most 1 GB more; less if that is all there is; `None` if
    /// there is no room.
    pub fn next_view_size(
        &self,
        size: u64,
        used: u64,
        purpose: Purpose,
    ) -> io::Result<Option<u64>> {
        let available = self.available(used, purpose)?;
        let wish = match purpose {
            Purpose::Ordinary => size.min(1024 * MB),
            Purpose::Removal => (self.reserve()? / 8).max(MB / 4).min(size),
        };
        let step = wish.min(available) & !0xffff;
        let least = (size / 16).clamp(1 << 16, 16 * MB).min(wish);
        Ok((step >= least && step > 0).then_some(size + step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(claim: u64) -> Space {
        Space::new(&std::env::temp_dir(), Some(claim))
    }

    #[test]
    fn the_reserve_is_two_percent_between_its_bounds_and_never_most_of_a_small_volume() {
        for (claim, reserve) in [
            (32 * MB, 4 * MB),
            (1024 * MB, 64 * MB),
            (6400 * MB, 128 * MB),
        ] {
            assert_eq!(space(claim).reserve().ok(), Some(reserve), "{claim}");
        }
    }

    #[test]
    fn only_removals_may_use_the_reserve() {
        let space = space(1024 * MB);
        let used = 1000 * MB;
        assert_eq!(space.available(used, Purpose::Ordinary).ok(), Some(0));
        assert_eq!(space.available(used, Purpose::Removal).ok(), Some(24 * MB));
        assert_eq!(
            space.next_view_size(64 * MB, used, Purpose::Ordinary).ok(),
            Some(None)
        );
        let grown = space.next_view_size(64 * MB, used, Purpose::Removal);
        assert_eq!(grown.ok(), Some(Some(72 * MB)));
    }

    #[test]
    fn the_view_doubles_while_there_is_room() {
        let space = space(1024 * MB);
        let grown = space.next_view_size(64 * MB, 128 * MB, Purpose::Ordinary);
        assert_eq!(grown.ok(), Some(Some(128 * MB)));
        assert_eq!(space.segment_size(Purpose::Ordinary).ok(), Some(64 * MB));
        assert_eq!(
            super::Space::new(&std::env::temp_dir(), Some(32 * MB))
                .segment_size(Purpose::Ordinary)
                .ok(),
            Some(2 * MB)
        );
    }
}
