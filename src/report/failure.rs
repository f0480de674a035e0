//! The report of a request that failed: what it asked for, and what memory there was.

use super::zone_ref::ZoneRefs;
use super::{DeviceColumn, PagesetRef, ZoneRef};
use crate::alloc::PageAllocator;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{Gfp, MigrateType, NodeMask, Order, WatermarkLevel};
use core::fmt;

/// Why a request failed, as Linux tells it in its log: the request, then two lines and one more for
/// each zone. Made by [`PageAllocator::failure_report`]; memory is looked at when it is printed.
///
/// Left out is what the kernel knows and the allocator does not: who asked, and what is on its LRU
/// lists. The number behind `mode` has the bits of [`Gfp`], which are not Linux's.
#[doc(alias = "warn_alloc")]
#[doc(alias = "show_free_areas")]
#[derive(Debug)]
pub struct FailureReport<'a, P> {
    gfp: Gfp,
    order: Order,
    nodemask: Option<NodeMask>,
    zones: ZoneRefs<'a, P>,
    device: DeviceColumn,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// What to print when a request fails: the request, and the watermarks and free blocks of each
    /// zone on nodes of the mask; `None` is all nodes.
    ///
    /// Needs no memory, and may be called in an interrupt, and in
    /// [`alloc_failed`](Reclaim::alloc_failed). Printing takes each zone's lock for a moment.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{Gfp, Order};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// let report = sim.failure_report(Gfp::ATOMIC, Order::O4, None).to_string();
    /// let mut lines = report.lines();
    /// assert!(lines.next().unwrap().starts_with("page allocation failure: order:4, mode:0x"));
    /// assert!(lines.next().unwrap().starts_with("Node 0 DMA free:"));
    /// assert!(report.contains("(GFP_ATOMIC), nodemask=(null)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn failure_report(
        &self,
        gfp: Gfp,
        order: Order,
        nodemask: Option<NodeMask>,
    ) -> FailureReport<'_, P> {
        let device = DeviceColumn::Present;
        FailureReport { gfp, order, nodemask, zones: self.zone_refs(), device }
    }
}

impl<'a, P: Platform> FailureReport<'a, P> {
    /// As a kernel with that configuration prints it: there is one more number of `lowmem_reserve`, or not.
    #[must_use]
    pub fn device(self, device: DeviceColumn) -> Self {
        Self { device, ..self }
    }

    fn zones(&self) -> impl Iterator<Item = ZoneRef<'a, P>> + use<'a, P> {
        let nodemask = self.nodemask;
        let wanted =
            move |zone: &ZoneRef<'a, P>| nodemask.is_none_or(|mask| mask.contains(zone.node()));
        self.zones.populated().filter(wanted)
    }
}

/// Printed without a newline at the end.
impl<P: Platform> fmt::Display for FailureReport<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gfp, order, nodemask, .. } = self;
        write!(
            f,
            "page allocation failure: order:{order}, mode:{:#x}({gfp}), nodemask=",
            gfp.bits()
        )?;
        match nodemask {
            None => f.write_str("(null)")?,
            Some(nodes) => fmt::Display::fmt(&NodeList(*nodes), f)?,
        }
        self.zones().try_for_each(|zone| watermarks(&zone, self.device, f))?;
        self.zones().try_for_each(|zone| blocks(&zone, f))
    }
}

/// The KiB of so many frames.
const fn kbytes<P: Platform>(frames: u64) -> u64 {
    frames << (P::PAGE_SHIFT - 10)
}

/// What a zone has, and has to keep: two lines.
fn watermarks<P: Platform>(
    zone: &ZoneRef<'_, P>,
    device: DeviceColumn,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let found = zone.snapshot();
    let mark = |level: WatermarkLevel| {
        kbytes::<P>(found.watermark[level as usize].saturating_add(found.watermark_boost))
    };
    write!(
        f,
        "\nNode {} {} free:{}kB",
        zone.node(),
        zone.zone_type(),
        kbytes::<P>(found.free_pages)
    )?;
    write!(f, " boost:{}kB", kbytes::<P>(found.watermark_boost))?;
    write!(f, " min:{}kB", mark(WatermarkLevel::Min))?;
    write!(f, " low:{}kB", mark(WatermarkLevel::Low))?;
    write!(f, " high:{}kB", mark(WatermarkLevel::High))?;
    write!(f, " reserved_highatomic:{}KB", kbytes::<P>(found.nr_reserved_highatomic))?;
    write!(f, " present:{}kB", kbytes::<P>(zone.present_pages()))?;
    write!(f, " managed:{}kB", kbytes::<P>(zone.managed_pages()))?;
    let at_hand = |pageset: PagesetRef<'_, P>| kbytes::<P>(u64::from(pageset.count()));
    write!(f, " free_pcp:{}kB", zone.pagesets().map(at_hand).sum::<u64>())?;
    write!(f, " local_pcp:{}kB", zone.own_pageset().map_or(0, at_hand))?;
    write!(f, " free_cma:{}kB", kbytes::<P>(found.free_cma_pages))?;
    f.write_str("\nlowmem_reserve[]:")?;
    zone.protection(device).numbers().try_for_each(|pages| write!(f, " {pages}"))
}

/// A zone's free blocks of each order, and the types that have some: a line.
fn blocks<P: Platform>(zone: &ZoneRef<'_, P>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\nNode {} {}:", zone.node(), zone.zone_type())?;
    let nonempty = zone.snapshot().nonempty_orders;
    let mut total = 0;
    for (order, blocks) in Order::ALL.into_iter().zip(zone.nr_free()) {
        total += blocks << order.get();
        write!(f, " {blocks}*{}kB", kbytes::<P>(order.nr_pages()))?;
        let has = |kind: &MigrateType| nonempty[kind.index()] >> order.get() & 1 != 0;
        let mut kinds = MigrateType::ALL.into_iter().filter(has).peekable();
        if blocks > 0 && kinds.peek().is_some() {
            f.write_str(" (")?;
            kinds.try_for_each(|kind| write!(f, "{}", log_letter(kind)))?;
            f.write_str(")")?;
        }
    }
    write!(f, " = {}kB", kbytes::<P>(total))
}

/// The letter of a type in Linux's log.
const fn log_letter(kind: MigrateType) -> char {
    match kind {
        MigrateType::Reclaimable => 'E',
        other => other.letter(),
    }
}

/// Nodes as ranges between commas.
struct NodeList(NodeMask);

impl fmt::Display for NodeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = self.0.iter().map(|node| node.index()).peekable();
        let mut separator = "";
        while let Some(first) = nodes.next() {
            let mut last = first;
            while let Some(next) = nodes.next_if_eq(&(last + 1)) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}
