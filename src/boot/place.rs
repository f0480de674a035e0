//! Where the allocator's own tables lie.

use crate::boot::{InitError, MetadataPlace, RunState, Survey};
use crate::{Order, Pfn, PfnRange, PhysAddr, ZoneType};

impl Survey<'_> {
    /// The highest `frames` contiguous free frames inside `within`, from a multiple of `align` on.
    /// They may belong to several nodes.
    ///
    /// ```
    /// use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, Survey};
    /// use page_alloc::{Order, Pfn, PfnRange, PhysAddr};
    /// let map = [MemoryRegion::new(PhysAddr::new(0x1000), 0x9000, MemoryKind::Usable)];
    /// let survey = Survey::new(&BootInfo::new(&map), 12)?;
    /// let all = PfnRange::new(Pfn::new(0), Pfn::new(100));
    /// let found = survey.highest_free(3, Order::O2, all);
    /// assert_eq!(found, Some(PfnRange::new(Pfn::new(4), Pfn::new(7))));
    /// assert_eq!(survey.highest_free(10, Order::ZERO, all), None);
    /// # Ok::<(), page_alloc::boot::InitError>(())
    /// ```
    #[must_use]
    pub fn highest_free(&self, frames: u64, align: Order, within: PfnRange) -> Option<PfnRange> {
        self.search(frames, align, within).found
    }

    /// A place for the allocator's own tables, of so many frames, as
    /// [`Options::metadata`](crate::boot::Options::metadata) asks for.
    ///
    /// # Errors
    ///
    /// [`InitError::NoRoomForMetadata`] if no free range there is large enough.
    pub fn place_metadata(&self, frames: u64) -> Result<PfnRange, InitError> {
        let place = self.options().metadata;
        let search = self.search(frames, Order::ZERO, self.metadata_limits(place));
        search.found.ok_or(InitError::NoRoomForMetadata {
            needed: frames,
            largest: search.largest,
            place,
        })
    }

    /// The frames that lie wholly inside the place.
    fn metadata_limits(&self, place: MetadataPlace) -> PfnRange {
        let shift = self.page_shift();
        let all = self.frames();
        match place {
            MetadataPlace::Anywhere if self.zones().has(ZoneType::HighMem) => {
                let end = self.zone_end(ZoneType::Normal).unwrap_or(all.end);
                PfnRange::new(all.start, end.min(all.end))
            }
            MetadataPlace::Anywhere => all,
            MetadataPlace::Below(end) => PfnRange::new(all.start, end.frame(shift).min(all.end)),
            MetadataPlace::Within { base, length } => {
                let end = PhysAddr::new(base.get().saturating_add(length));
                let partial = u64::from(base != base.frame(shift).start_address(shift));
                let start = base.frame(shift).min(all.end) + partial;
                PfnRange::new(start, end.frame(shift)).intersection(all)
            }
        }
    }

    fn search(&self, frames: u64, align: Order, within: PfnRange) -> Search {
        let mut search = Search { frames, align, found: None, largest: 0 };
        let mut open = PfnRange::default();
        for run in self.runs_in(within).filter(|run| run.state == RunState::Free) {
            if open.end != run.range.start {
                search.offer(open);
                open = run.range;
            }
            open.end = run.range.end;
        }
        search.offer(open);
        search
    }
}

/// A search for free frames, from the lowest up.
struct Search {
    frames: u64,
    align: Order,
    /// The highest place so far.
    found: Option<PfnRange>,
    /// The most free frames in one piece so far.
    largest: u64,
}

impl Search {
    /// Looks at a maximal range of free frames that is above all that were offered before.
    fn offer(&mut self, range: PfnRange) {
        self.largest = self.largest.max(range.len());
        let Some(start) = range.end.get().checked_sub(self.frames) else { return };
        let start = Pfn::new(start & !(self.align.nr_pages() - 1));
        if !range.is_empty() && start >= range.start {
            self.found = Some(PfnRange::new(start, start + self.frames));
        }
    }
}
