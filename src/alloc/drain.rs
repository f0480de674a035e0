//! Draining per-CPU lists: giving frames that CPUs keep at hand back to their zones.

use super::PageAllocator;
use super::moved::Moved;
use crate::node::Machine;
use crate::node::pcp::{Pcp, PcpIndex, PcpLists};
use crate::platform::Platform;
use crate::reclaim::Reclaim;
use crate::sync::{CpuGuard, IrqGuard};
use crate::trace::Trace;
use crate::zone::Zone;
use crate::{CpuId, NodeId, ZoneType};
use core::ops::AddAssign;

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Frames that went back to their zones.
    pub frames: u64,
    /// Lists that were left as they are, because they were in use for too long, or by the code that
    /// an interrupt with this call came upon, or are being drained by another CPU. Their frames are still at
    /// hand to their CPU, and not free: who needs these calls again.
    pub skipped: u32,
}

impl AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.skipped += other.skipped;
    }
}

/// How much of a CPU's lists of a zone to give back.
#[derive(Clone, Copy, Debug)]
enum Amount {
    All,
    Batch,
    /// What is too much when `high` has fallen, as it does with time.
    Decayed,
}

impl<P: Platform, R: Reclaim, T: Trace> PageAllocator<P, R, T> {
    /// Gives back what the running CPU has of a zone, or with `None` of all zones.
    ///
    /// Does not sleep; in an interrupt, lists that were in use when it came are skipped.
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(1 << 30))?;
    /// let page = sim.alloc_page(Gfp::KERNEL)?; // and 62 more are at hand now
    /// let drained = sim.drain_local_pages(None);
    /// assert_eq!((drained.frames, drained.skipped), (62, 0));
    /// sim.free_pages(page)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_local_pages(&self, zone: Option<(NodeId, ZoneType)>) -> Drained {
        let here = self.running_cpu();
        self.drain(zone, Amount::All, |cpu| cpu == here)
    }

    /// Gives back what all CPUs have of a zone, or with `None` of all zones.
    ///
    /// Waits for other CPUs, for a bounded time: call it with interrupts on, and with nothing held
    /// that another CPU may wait for. It waits for each CPU's lists of each zone for 2^20 calls of
    /// [`Platform::relax`] at most, and with [`PcpExclusion::Busy`] for one [`Platform::barrier_on`] before;
    /// then it leaves them as they are, and counts them in [`Drained::skipped`].
    ///
    /// [`PcpExclusion::Busy`]: crate::PcpExclusion::Busy
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// use page_alloc::Gfp;
    /// # let sim = Sim::boot(SimConfig::flat(1 << 30))?;
    /// let free = sim.nr_free_pages();
    /// sim.free_pages(sim.alloc_page(Gfp::KERNEL)?)?;
    /// assert_eq!(sim.nr_free_pages(), free - 63);
    /// sim.drain_all_pages(None);
    /// assert_eq!(sim.nr_free_pages(), free);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_all_pages(&self, zone: Option<(NodeId, ZoneType)>) -> Drained {
        self.drain(zone, Amount::All, |_| true)
    }

    /// Gives back all that a CPU has: one that went offline, or is idle. As
    /// [`drain_all_pages`](Self::drain_all_pages) for one CPU.
    #[doc(alias = "drain_pages")]
    pub fn drain_cpu_pages(&self, cpu: CpuId) -> Drained {
        self.drain(None, Amount::All, |other| other == cpu)
    }

    /// Gives back at most a batch of what a CPU has of a zone: for lists that have not been used for
    /// a while. As [`drain_all_pages`](Self::drain_all_pages) where the CPU is not the running one.
    pub fn drain_zone_pages(&self, cpu: CpuId, node: NodeId, zone: ZoneType) -> Drained {
        self.drain(Some((node, zone)), Amount::Batch, |other| other == cpu)
    }

    /// Ages the running CPU's lists: to be called about once a second on each CPU.
    ///
    /// Of a zone of another node, a batch goes back in the third call since a block was last taken or
    /// freed there, and in each third call after it. So does Linux, where giving a batch back counts
    /// as a use. (What else counts as a use there is any change of the zone's statistics by this
    /// CPU; here, of its lists.) Lists of the CPU's own node stay as they are.
    ///
    /// Where `high` adapts ([`PcpHigh::Adaptive`]), it falls by an eighth at each call, for zones of
    /// all nodes, and what is too much then goes back.
    ///
    /// [`PcpHigh::Adaptive`]: crate::node::pcp::PcpHigh::Adaptive
    ///
    /// ```
    /// # use page_alloc::sim::{Sim, SimConfig};
    /// # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
    /// assert_eq!(sim.age_local_pages().frames, 0); // one node, and `high` is fixed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "refresh_cpu_vm_stats")]
    #[doc(alias = "decay_pcp_high")]
    pub fn age_local_pages(&self) -> Drained {
        let mut drained = Drained::default();
        let Some(machine) = self.machine() else { return drained };
        let here = self.running_cpu();
        for zone in machine.zones.as_slice() {
            let Some(pcp) = machine.pcps.get(here, zone.shared.id) else { continue };
            if pcp.adapts() {
                drained += self.drain_pcp(machine, zone, pcp, Amount::Decayed);
            }
            let remote = zone.shared.id.node() != machine.cpu_to_node(here);
            if remote && pcp.expires() {
                drained += self.drain_pcp(machine, zone, pcp, Amount::Batch);
            }
        }
        drained
    }

    /// The CPU on which this runs. If the code moves on meanwhile, its lists are reached from another
    /// CPU: so trace points can be called between zones with nothing held.
    fn running_cpu(&self) -> CpuId {
        CpuGuard::new(&self.platform).cpu()
    }

    fn drain(
        &self,
        only: Option<(NodeId, ZoneType)>,
        amount: Amount,
        cpus: impl Fn(CpuId) -> bool,
    ) -> Drained {
        let mut drained = Drained::default();
        let Some(machine) = self.machine() else { return drained };
        let wanted = |zone: &&Zone| {
            let id = zone.shared.id;
            only.is_none_or(|only| only == (id.node(), id.zone_type()))
        };
        for zone in machine.zones.as_slice().iter().filter(wanted) {
            let pcps = machine.pcps.of_zone(zone.shared.id).filter(|pcp| cpus(pcp.lists.owner()));
            for pcp in pcps.filter(|pcp| pcp.count() > 0) {
                drained += self.drain_pcp(machine, zone, pcp, amount);
            }
        }
        drained
    }

    /// Drains one CPU's lists of one zone, on that CPU or from another.
    fn drain_pcp(&self, machine: &Machine, zone: &Zone, pcp: &Pcp, amount: Amount) -> Drained {
        let here = CpuGuard::new(&self.platform);
        let drain = |lists: &mut PcpLists| self.drain_lists(machine, zone, (pcp, lists), amount);
        let done = if pcp.lists.owner() == here.cpu() {
            let done = pcp.lists.own(&here).map(|mut lists| drain(&mut lists));
            drop(here);
            done
        } else {
            drop(here);
            pcp.lists.remote(&self.platform).map(|mut lists| drain(&mut lists))
        };
        let Some((frames, moved)) = done else { return Drained { frames: 0, skipped: 1 } };
        self.trace_drained(zone.shared.id, pcp, &moved);
        Drained { frames, skipped: 0 }
    }

    fn drain_lists(
        &self,
        machine: &Machine,
        zone: &Zone,
        (pcp, lists): (&Pcp, &mut PcpLists),
        amount: Amount,
    ) -> (u64, Moved) {
        let (before, mut moved) = (pcp.count(), Moved::default());
        let frames = match amount {
            Amount::All => before,
            Amount::Batch => before.min(pcp.batch()),
            Amount::Decayed => pcp.decay(&zone.shared),
        };
        if frames > 0 {
            let irq = IrqGuard::new(&self.platform);
            zone.with(&machine.memmap, &irq, |zone| {
                let note = |list, blocks| moved.note(list, blocks);
                pcp.free_bulk(lists, (frames, PcpIndex::FIRST), zone, note);
            });
        }
        (u64::from(before - pcp.count()), moved)
    }
}
