//! What firmware and boot loader have left in memory, kind by kind: memory that is given back after boot.

use super::sweep::Firmware;
use super::{BootInfo, InitError, MemoryKind, RunState};
use crate::PfnRange;

/// The memory of one kind that can be given back.
#[derive(Debug)]
pub(crate) struct Reclaimable<'a>(Firmware<'a>);

impl<'a> Reclaimable<'a> {
    /// What the map says, with the same reservations as at boot.
    pub(crate) fn new(
        info: &BootInfo<'a>,
        page_shift: u32,
        kind: MemoryKind,
    ) -> Result<Self, InitError> {
        let mut firmware = Firmware::new(info, page_shift)?;
        firmware.reclaim_only(kind);
        Ok(Self(firmware))
    }

    /// The frames that hold bytes of this kind and otherwise only free ones, ascending.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = PfnRange> + Clone {
        let runs = self.0.sweep(self.0.frames);
        runs.filter(|run| run.state == RunState::Reclaimable).map(|run| run.range)
    }
}
