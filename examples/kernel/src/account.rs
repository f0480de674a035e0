//! The account at the end: the allocator's lists are sound, and every frame is back. And what the
//! allocator says of itself, to be read by people and by `tests/qemu.rs`.

use crate::cpu::Cpu;
use crate::exit::Verdict;
use crate::frames::FRAMES;
use crate::println;
use arrayvec::ArrayVec;
use core::sync::atomic::Ordering;

/// Zones that the kernel has room for, those without memory included.
const ZONES: usize = 32;

/// The free frames of each zone, in the order of the allocator.
#[derive(Debug)]
pub(crate) struct Opening(ArrayVec<u64, ZONES>);

/// Counts the frames that have to be free again at the end. No other CPU runs yet.
pub(crate) fn open() -> Opening {
    FRAMES.drain_local_pages(None);
    Opening(FRAMES.zones().map(|zone| zone.snapshot().free_pages).collect())
}

/// Looks whether all is well. Nothing else goes on any more.
pub(crate) fn close(opening: &Opening) -> Verdict {
    FRAMES.drain_all_pages(None);
    // First of all: what is printed then comes from these lists.
    if let Err(violation) = FRAMES.verify() {
        println!("verify: {violation}");
        return Verdict::Bad;
    }
    println!("verify: ok");
    print();
    let mut verdict = Verdict::Good;
    for (zone, before) in FRAMES.zones().zip(&opening.0) {
        let (kind, node, free) = (zone.zone_type(), zone.node(), zone.snapshot().free_pages);
        if free != *before {
            println!("zone {kind} of node {node}: of {before} free frames {free} are back");
            verdict = Verdict::Bad;
        }
    }
    verdict
}

fn print() {
    println!("{}", FRAMES.zoneinfo());
    println!("{}", FRAMES.buddyinfo());
    println!("{}", FRAMES.pagetypeinfo());
    for row in FRAMES.cpus().rows() {
        let cpu = Cpu::of(row.cpu);
        let [ticks, marked, unmarked] =
            [&cpu.ticks, &cpu.marked, &cpu.unmarked].map(|count| count.load(Ordering::Relaxed));
        println!("{row}; {ticks} ticks, {marked} frames marked, {unmarked} marks taken away");
    }
    println!("\n{}", FRAMES.vm_events().expect("the allocator runs"));
}
