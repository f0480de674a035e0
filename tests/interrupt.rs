//! An interrupt at every instruction: the hot paths are stepped through on the host, and at each
//! instruction in turn a handler comes that allocates and frees on the same CPU.
//!
//! The handler of a signal stands for the interrupt's. It comes where interrupts are on; where they
//! are off, it is held back until they are on again, as a CPU would.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(unsafe_code, reason = "steps through code, and handles a signal")]

#[path = "interrupt/handler.rs"]
mod handler;
#[path = "interrupt/paths.rs"]
mod paths;
#[path = "interrupt/rerouted.rs"]
mod rerouted;
#[path = "interrupt/step.rs"]
mod step;

use handler::Handler;
use page_alloc::node::pcp::limits::PcpLimits;
use page_alloc::sim::{Sim, SimConfig, SimTrace};
use page_alloc::{CpuId, MigrateType, NoReclaim, NodeId, Order, Pages, PcpExclusion, ZoneType};
use paths::Path;
use step::step;

type Machine = Sim<NoReclaim, SimTrace>;

/// Frames that a CPU keeps of a zone, and moves at once: few, so that paths are short.
const LIMITS: PcpLimits = PcpLimits { batch: 2, high: 4 };
/// How many interrupts come between two checks of all invariants.
const ROUNDS: u64 = 16;

/// One CPU, which this thread stands for from now on.
fn machine(exclusion: PcpExclusion) -> Machine {
    let mut config = SimConfig::flat(64 << 20);
    config.exclusion = exclusion;
    let machine = Sim::boot_with(&config, NoReclaim, SimTrace::default()).expect("legal");
    for zone in [ZoneType::Dma, ZoneType::Dma32] {
        machine.set_pcp_limits(NodeId::ZERO, zone, LIMITS).expect("legal limits");
    }
    machine.drain_local_pages(None);
    machine
}

/// Frames on the CPU's lists.
fn cached(machine: &Machine) -> u64 {
    let zones = machine.zones();
    zones.filter_map(|zone| zone.pageset(CpuId::BOOT)).map(|mine| u64::from(mine.count())).sum()
}

/// Requests that were served, as the zones count them.
fn counted(machine: &Machine) -> u64 {
    machine.zones().map(|zone| zone.numa_stat().hit).sum()
}

/// Requests that were served, as the trace points count them.
fn traced(machine: &Machine) -> u64 {
    let trace = machine.trace();
    let of = |order| MigrateType::ALL.into_iter().map(move |kind| trace.allocs(order, kind));
    Order::ALL.into_iter().flat_map(of).sum()
}

/// No two blocks have a frame in common.
fn check_apart<'a>(blocks: impl Iterator<Item = &'a Pages>) {
    let mut ranges: Vec<_> = blocks.map(Pages::range).collect();
    ranges.sort_by_key(|range| range.start);
    for pair in ranges.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:?}");
    }
}

/// A machine whose paths are walked.
struct Walks {
    machine: Machine,
    /// Free frames at boot.
    free: u64,
    /// Requests that passed no trace point.
    untraced: u64,
}

impl Walks {
    /// Walks a path with an interrupt at the first instruction from number `first` on where
    /// interrupts are on. Gives the number of that instruction; `None` if the path ended before.
    fn walk(&mut self, path: Path, first: u64) -> Option<u64> {
        let machine = &self.machine;
        let mut held = path.prepare(machine);
        let mut handler = Handler::new(machine);
        let fired = step(first, &mut || handler.comes(), || path.walk(machine, &mut held));
        self.untraced += path.untraced();
        let kept = handler.into_kept();
        assert_eq!(kept.is_empty(), fired.is_none());
        check_apart(held.iter().chain(&kept));
        let frames: u64 = held.iter().chain(&kept).map(|block| block.order().nr_pages()).sum();
        assert_eq!(self.present() + frames, self.free, "{path:?} at {first}");
        held.into_iter().chain(kept).for_each(|block| machine.free_pages(block).expect("ours"));
        fired
    }

    /// Frames that nobody has.
    fn present(&self) -> u64 {
        self.machine.nr_free_pages() + cached(&self.machine)
    }

    /// Everything was given back, is there, and was counted.
    fn check_whole(&self) {
        assert_eq!(self.machine.verify(), Ok(()));
        assert_eq!(self.present(), self.free);
        assert_eq!(self.machine.drain_local_pages(None).skipped, 0);
        assert_eq!((self.machine.nr_free_pages(), cached(&self.machine)), (self.free, 0));
        assert_eq!(counted(&self.machine), traced(&self.machine) + self.untraced);
    }

    /// At how many instructions of the path an interrupt can come.
    fn places(&self, path: Path) -> u64 {
        let (machine, mut places) = (&self.machine, 0);
        let mut held = path.prepare(machine);
        let mut count = || {
            places += u64::from(!machine.platform().irqs_off());
            false
        };
        assert_eq!(step(1, &mut count, || path.walk(machine, &mut held)), None);
        held.into_iter().for_each(|block| machine.free_pages(block).expect("ours"));
        places
    }

    /// Walks a path again and again, each time with the interrupt at a later instruction.
    fn interrupt_everywhere(&mut self, path: Path) {
        path.check(&self.machine);
        let places = self.places(path);
        self.untraced += 2 * path.untraced();
        let stride = path.stride(places);
        let (mut next, mut last, mut interrupts) = (1, 0, 0);
        while let Some(at) = self.walk(path, next) {
            (next, last, interrupts) = (at + stride, at, interrupts + 1);
            if interrupts % ROUNDS == 0 {
                self.check_whole();
            }
        }
        self.check_whole();
        println!("{path:?}: {interrupts} interrupts at {places} places, the last at {last}");
        assert!(places > 20, "{path:?}: an interrupt can come at {places} instructions only");
        assert!(2 * interrupts * stride >= places, "{path:?}: only {interrupts} interrupts");
    }
}

/// Walks every path with an interrupt at every instruction.
fn interrupt_everywhere(exclusion: PcpExclusion) {
    let machine = machine(exclusion);
    let free = machine.nr_free_pages();
    let mut walks = Walks { machine, free, untraced: 0 };
    Path::ALL.into_iter().for_each(|path| walks.interrupt_everywhere(path));
}

/// With plain loads and stores and a drainer's barrier.
#[test]
fn busy_lists_are_left_alone() {
    interrupt_everywhere(PcpExclusion::Busy);
}

/// With an atomic swap.
#[test]
fn swapped_lists_are_left_alone() {
    interrupt_everywhere(PcpExclusion::Swap);
}

/// With plain loads and stores on the only CPU.
#[test]
fn lists_of_the_only_cpu_are_left_alone() {
    interrupt_everywhere(PcpExclusion::SingleCpu);
}
