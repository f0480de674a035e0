//! Memory that comes after boot, where it was planned for.

use super::PageAllocator;
use crate::boot::reroute;
use crate::memmap::SECTION_FRAMES;
use crate::node::Machine;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone_id::ZoneId;
use crate::{NodeId, Pfn, PfnRange, ZoneType};
use core::fmt;

/// What memory that comes is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnlineTo {
    /// Anything: the node's lowest zone whose span it lies in, else its NORMAL zone. (A machine with a
    /// HIGHMEM zone, on which Linux adds no memory, uses the zone of the address.)
    #[doc(alias = "MMOP_ONLINE_KERNEL")]
    #[doc(alias = "default_kernel_zone_for_pfn")]
    Kernel,
    /// What can be moved, so that it may go again: the node's MOVABLE zone.
    #[doc(alias = "MMOP_ONLINE_MOVABLE")]
    Movable,
}

/// Why memory was not added. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HotplugError {
    /// The allocator has not been initialised.
    Uninitialized,
    /// There is no such node.
    NoSuchNode(NodeId),
    /// A range that is empty, or that does not begin and end at multiples of the largest block.
    Unaligned(PfnRange),
    /// No tables were planned for this frame: see [`BootInfo::hotplug`](crate::boot::BootInfo::hotplug).
    NotPlanned(Pfn),
    /// The block of the largest order that starts there has memory already.
    Present(Pfn),
    /// Memory is being added at this moment, by another CPU or by what this one was interrupted in.
    Busy,
}

impl fmt::Display for HotplugError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("the allocator has not been initialised"),
            Self::NoSuchNode(node) => write!(f, "there is no node {node}"),
            Self::Unaligned(range) => write!(f, "{range}: no whole blocks of {SECTION_FRAMES}"),
            Self::NotPlanned(pfn) => write!(f, "no memory was planned at frame {pfn}"),
            Self::Present(pfn) => write!(f, "there is memory at frame {pfn} already"),
            Self::Busy => f.write_str("memory is being added at this moment"),
        }
    }
}

impl core::error::Error for HotplugError {}

/// What became of memory that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Onlined {
    /// The zone that it went to.
    pub zone: ZoneType,
    /// The number of frames, all of them free.
    pub pages: u64,
    /// Whether the zone had no memory before, so that all zonelists are others now.
    pub populated: bool,
    /// What all zones together keep free now, in KiB.
    pub min_free_kbytes: u64,
}

/// Frames that a zone takes in one lock hold.
const BATCH: u64 = 256 * SECTION_FRAMES;

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Has planned memory become free memory of the node.
    pub(super) fn online_pages(
        &self,
        node: NodeId,
        range: PfnRange,
        to: OnlineTo,
    ) -> Result<Onlined, HotplugError> {
        let machine = self.machine().ok_or(HotplugError::Uninitialized)?;
        machine.node(node).ok_or(HotplugError::NoSuchNode(node))?;
        let whole = |pfn: Pfn| pfn.get().is_multiple_of(SECTION_FRAMES);
        if range.is_empty() || !whole(range.start) || !whole(range.end) {
            return Err(HotplugError::Unaligned(range));
        }
        let _turn = machine.hotplug.try_lock().ok_or(HotplugError::Busy)?;
        batches(range, SECTION_FRAMES).try_for_each(|section| check_planned(machine, section))?;
        let zone = zone_for(machine, node, range, to);
        let unknown = HotplugError::NoSuchNode(node);
        let found = machine.zone(ZoneId::new(node, zone)).ok_or(unknown)?;
        let populated = !found.shared.is_populated();
        for batch in batches(range, BATCH) {
            let irq = IrqGuard::new(&self.platform);
            found.with(&machine.memmap, &irq, |zone| zone.online(batch));
        }
        if populated {
            machine.build_all_zonelists();
            reroute(machine);
        }
        let min_free_kbytes = machine.size_zones(&self.platform);
        Ok(Onlined { zone, pages: range.len(), populated, min_free_kbytes })
    }
}

/// Whether a section was planned for, and has not come yet.
fn check_planned(machine: &Machine, section: PfnRange) -> Result<(), HotplugError> {
    let first = machine.memmap.index_of(section.start);
    let first = first.ok_or(HotplugError::NotPlanned(section.start))?;
    match machine.memmap.is_planned(first) {
        true => Ok(()),
        false => Err(HotplugError::Present(section.start)),
    }
}

/// The zone that memory of the node goes to.
#[doc(alias = "zone_for_pfn_range")]
fn zone_for(machine: &Machine, node: NodeId, range: PfnRange, to: OnlineTo) -> ZoneType {
    if to == OnlineTo::Movable {
        return ZoneType::Movable;
    }
    let (layout, shift) = (&machine.layout, machine.sizing.page_shift);
    if layout.has(ZoneType::HighMem) {
        return layout.zone_of(range.start.start_address(shift));
    }
    let meets = |zone: &ZoneType| {
        let zone = machine.zone(ZoneId::new(node, *zone)).filter(|_| layout.has(*zone));
        zone.is_some_and(|zone| !zone.shared.span().intersection(range).is_empty())
    };
    let lower = [ZoneType::Dma, ZoneType::Dma32];
    lower.into_iter().find(meets).unwrap_or(ZoneType::Normal)
}

/// A range in parts of so many frames; the last may have fewer.
fn batches(range: PfnRange, frames: u64) -> impl Iterator<Item = PfnRange> {
    let mut rest = range;
    core::iter::from_fn(move || {
        let part = PfnRange::new(rest.start, rest.start + rest.len().min(frames));
        rest.start = part.end;
        (!part.is_empty()).then_some(part)
    })
}
