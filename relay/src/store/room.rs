//! Makes room for the writer: a larger view, a new segment, and what may be taken of the reserve for it.

use super::{log::RollError, space::Purpose, writer::Writer};

impl Writer {
    /// Once the volume was full, what the reserve gave is kept for removals until there is room for ordinary events again.
    pub(super) fn purpose(&self) -> Purpose {
        let space = &self.shared.space;
        if !space.is_full() {
            return Purpose::Ordinary;
        }
        let available = space.available(self.shared.used(), Purpose::Ordinary);
        if available.unwrap_or(0) > 0 {
            return Purpose::Ordinary;
        }
        self.shared.alarm.hurry();
        Purpose::Removal
    }

    /// Lets the view grow. Did it?
    pub(super) fn grow_view(&self, purpose: Purpose) -> bool {
        let (shared, size) = (&self.shared, self.shared.view.size() as u64);
        let next = shared.space.next_view_size(size, shared.used(), purpose);
        let Ok(Some(next)) = next else {
            return false;
        };
        match shared.view.grow(next as usize) {
            Ok(()) => true,
            Err(error) if shared.view.is_unmapped() => {
                tracing::error!(%error, "the view lost its map");
                shared.fail("the view could not be mapped again after it grew");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "no room for the view to grow");
                false
            }
        }
    }

    /// Opens a new segment with room for a group of `bytes`. Did it?
    pub(super) fn new_segment(&mut self, bytes: usize, purpose: Purpose) -> bool {
        let space = &self.shared.space;
        let size = space.segment_size(purpose).unwrap_or(0);
        let need = size.max(bytes as u64 + (1 << 16));
        let available = space.available(self.shared.used(), purpose).unwrap_or(0);
        if available < need {
            return false;
        }
        match self.log.roll(size, bytes) {
            Ok(()) => true,
            Err(RollError::Create(error)) => {
                tracing::warn!(%error, "no room for a new segment");
                false
            }
            Err(RollError::Seal(error)) => {
                tracing::error!(%error, "a segment could not be sealed");
                self.shared.fail("a segment of the log could not be sealed");
                false
            }
        }
    }
}
