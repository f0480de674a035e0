//! Settings that change while the allocator runs: watermarks, per-CPU limits, CPUs that come and go.

use super::PageAllocator;
use super::drain::Drained;
use crate::node::Machine;
use crate::node::pcp::limits::PcpLimits;
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::IrqGuard;
use crate::trace::Trace;
use crate::zone::watermark::setup::Watermarks;
use crate::zone::{ReclaimActive, Zone};
use crate::zone_id::ZoneId;
use crate::{CpuId, NodeId, ZoneType};
use core::fmt;

/// Why a setting was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TuneError {
    /// The allocator has no memory yet.
    Uninitialized,
    /// There is no such node.
    NoSuchNode(NodeId),
    /// There is no such zone.
    NoSuchZone(NodeId, ZoneType),
    /// There is no such CPU.
    NoSuchCpu(CpuId),
    /// Watermarks that do not ascend from min over low to high.
    WatermarksOutOfOrder(Watermarks),
    /// A batch of 0, or one that is more than `high`, where `high` is not 0.
    IllegalLimits(PcpLimits),
}

impl fmt::Display for TuneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("the allocator is not initialised"),
            Self::NoSuchNode(node) => write!(f, "there is no node {node}"),
            Self::NoSuchZone(node, zone) => write!(f, "node {node} has no zone {zone}"),
            Self::NoSuchCpu(cpu) => write!(f, "there is no CPU {cpu}"),
            Self::WatermarksOutOfOrder(Watermarks { min, low, high, .. }) => {
                write!(f, "the watermarks {min}, {low} and {high} do not ascend")
            }
            Self::IllegalLimits(PcpLimits { batch, high }) => {
                write!(f, "a batch of {batch} does not fit lists of up to {high}")
            }
        }
    }
}

impl core::error::Error for TuneError {}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Sets how much all zones together keep free, in KiB: new watermarks, without a boost, and
    /// from these new limits of the per-CPU lists. It is what the user wants: a later
    /// [`init_per_zone_wmark_min`](Self::init_per_zone_wmark_min) does not go below it.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::{NodeId, WatermarkLevel, ZoneType};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// sim.set_min_free_kbytes(8192)?;
    /// let marks = |zone| sim.zone(NodeId::ZERO, zone).unwrap().snapshot().watermark;
    /// let min = |zone| marks(zone)[WatermarkLevel::Min as usize];
    /// assert_eq!(min(ZoneType::Dma) + min(ZoneType::Dma32), 2048 - 1); // rounded down
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TuneError::Uninitialized`].
    #[doc(alias = "min_free_kbytes_sysctl_handler")]
    pub fn set_min_free_kbytes(&self, kbytes: u32) -> Result<(), TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        machine.set_min_free_kbytes(kbytes, &self.platform);
        Ok(())
    }

    /// Calculates from what the zones have now how much they keep free, and sets it: new watermarks, without
    /// a boost, new limits of the per-CPU lists, new lowmem reserves. Gives what all zones together keep
    /// free, in KiB; never less than the user has set.
    ///
    /// To be called after memory came or was given back, which itself changes none of these: in Linux, it is
    /// part of putting memory online, and no part of freeing what was reserved at boot.
    ///
    /// Takes the zones' locks, one after the other; does not sleep. Two of these calls at once, or one and
    /// [`set_min_free_kbytes`](Self::set_min_free_kbytes), may leave zones with marks of either.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::boot::Reservation;
    /// use page_alloc::{Pfn, PfnRange, PhysAddr};
    /// # let mut config = SimConfig::flat(64 << 20);
    /// // 32 of 64 MiB were reserved at boot.
    /// # config.reservations.push(Reservation::new("initrd", PhysAddr::new(0), 32 << 20));
    /// # let sim = Sim::boot(config)?;
    /// assert!((715..725).contains(&sim.report().min_free_kbytes)); // 4 * sqrt(32 MiB), in KiB
    /// let initrd = PfnRange::new(Pfn::new(0x10), Pfn::new(0x2000));
    /// // SAFETY: nobody uses it any more.
    /// unsafe { sim.free_reserved_area(initrd)? };
    /// assert!((1010..1024).contains(&sim.init_per_zone_wmark_min()?)); // 4 * sqrt(64 MiB)
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TuneError::Uninitialized`].
    #[doc(alias = "calculate_min_free_kbytes")]
    #[doc(alias = "setup_per_zone_wmarks")]
    #[doc(alias = "setup_per_zone_lowmem_reserve")]
    pub fn init_per_zone_wmark_min(&self) -> Result<u64, TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        Ok(machine.size_zones(&self.platform))
    }

    /// Sets the watermarks of one zone. The limits of its per-CPU lists stay.
    ///
    /// # Errors
    ///
    /// There is no such zone, or the watermarks do not ascend.
    pub fn set_watermarks(
        &self,
        node: NodeId,
        zone: ZoneType,
        marks: Watermarks,
    ) -> Result<(), TuneError> {
        let (machine, zone) = self.tuned_zone(node, zone)?;
        if !(marks.min <= marks.low && marks.low <= marks.high) {
            return Err(TuneError::WatermarksOutOfOrder(marks));
        }
        let irq = IrqGuard::new(&self.platform);
        zone.with(&machine.memmap, &irq, |zone| zone.shared.set_watermarks(marks));
        Ok(())
    }

    /// Sets how many frames of a zone each CPU keeps, and how many it moves at once, until these are computed
    /// again ([`set_min_free_kbytes`](Self::set_min_free_kbytes),
    /// [`init_per_zone_wmark_min`](Self::init_per_zone_wmark_min), [`cpu_online`](Self::cpu_online),
    /// [`cpu_offline`](Self::cpu_offline), [`add_memory`](Self::add_memory)); until then nothing
    /// adapts. With a `high` of 0 nothing stays that is freed; a request still takes a batch.
    ///
    /// # Errors
    ///
    /// There is no such zone, or the limits make no sense.
    #[doc(alias = "percpu_pagelist_high_fraction")]
    pub fn set_pcp_limits(
        &self,
        node: NodeId,
        zone: ZoneType,
        limits: PcpLimits,
    ) -> Result<(), TuneError> {
        let (machine, zone) = self.tuned_zone(node, zone)?;
        if limits.batch == 0 || (limits.high != 0 && limits.high < limits.batch) {
            return Err(TuneError::IllegalLimits(limits));
        }
        let high = limits.high..=limits.high;
        machine.pcps.of_zone(zone.shared.id).for_each(|pcp| {
            pcp.set_range(limits.batch, high.clone(), &zone.shared);
        });
        Ok(())
    }

    /// Says whether memory of a zone is being reclaimed: CPUs keep at most four batches of it then,
    /// and a `high` that adapts falls with each batch that goes back.
    ///
    /// # Errors
    ///
    /// There is no such zone.
    #[doc(alias = "ZONE_RECLAIM_ACTIVE")]
    pub fn set_reclaim_active(
        &self,
        node: NodeId,
        zone: ZoneType,
        active: ReclaimActive,
    ) -> Result<(), TuneError> {
        let (machine, zone) = self.tuned_zone(node, zone)?;
        machine.pcps.set_reclaim_active(&zone.shared, active);
        Ok(())
    }

    /// A CPU runs from now on: what CPUs may keep is shared out anew. At `init` all announced CPUs
    /// count as online.
    ///
    /// # Errors
    ///
    /// There is no such CPU.
    #[doc(alias = "page_alloc_cpu_online")]
    pub fn cpu_online(&self, cpu: CpuId) -> Result<(), TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        machine.cpus.as_slice().get(cpu.index()).ok_or(TuneError::NoSuchCpu(cpu))?.set_online();
        machine.size_pcps();
        Ok(())
    }

    /// A CPU runs no more: what it has goes back to the zones, and what CPUs may keep is shared out
    /// anew. To be called when nothing on it uses the allocator any more.
    ///
    /// As [`drain_all_pages`](Self::drain_all_pages), this may wait, for as long for each zone. Where
    /// [`Drained::skipped`] is not 0, the CPU was still using lists, or they were being drained: it counts as
    /// offline all the same, but the frames on these are out of use until
    /// [`drain_cpu_pages`](Self::drain_cpu_pages), called later, skips none.
    ///
    /// # Errors
    ///
    /// There is no such CPU.
    #[doc(alias = "page_alloc_cpu_dead")]
    pub fn cpu_offline(&self, cpu: CpuId) -> Result<Drained, TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        machine.cpus.as_slice().get(cpu.index()).ok_or(TuneError::NoSuchCpu(cpu))?.set_offline();
        let drained = self.drain_cpu_pages(cpu);
        machine.size_pcps();
        Ok(drained)
    }

    pub(super) fn tuned_zone(
        &self,
        node: NodeId,
        zone: ZoneType,
    ) -> Result<(&Machine, &Zone), TuneError> {
        let machine = self.machine().ok_or(TuneError::Uninitialized)?;
        let found = machine.node(node).filter(|_| machine.layout.has(zone));
        let found = found.and_then(|_| machine.zone(ZoneId::new(node, zone)));
        Ok((machine, found.ok_or(TuneError::NoSuchZone(node, zone))?))
    }
}
