//! The kernel of `examples/kernel` boots in QEMU, works its allocator hard on all processors, and ends
//! with the status that says that all went well; with a planted defect it ends with another.
//!
//! In release builds only: it takes its time. Where there is no QEMU nothing is tested, and the output
//! says so.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "qemu/expected.rs"]
mod expected;
#[path = "qemu/grub.rs"]
mod grub;
#[path = "qemu/machine.rs"]
mod machine;
#[path = "qemu/printed.rs"]
mod printed;

use machine::{Ended, Machine};
use printed::Printed;

/// The status of a kernel that is content, by the exit device: 0x10 * 2 + 1.
const GOOD: i32 = 33;

/// The status of a kernel that found something wrong.
const BAD: i32 = 35;

/// Two nodes of 512 MiB with two processors each.
fn two_nodes() -> Machine {
    Machine::new(4).node(512, 0..2).node(512, 2..4)
}

/// Boots, and looks whether all went well, and whether all that was printed is true.
#[track_caller]
fn is_content(machine: &Machine) -> Option<String> {
    let Ended { status, output } = machine.run()?;
    // Shown if the test fails.
    println!("{output}");
    assert_eq!(status, Some(GOOD));
    Printed::read(&output).check(machine);
    Some(output)
}

/// Boots with a planted defect, which has to be noticed in these words.
#[track_caller]
fn notices(bug: &str, words: &[&str]) {
    let Some(Ended { status, output }) = two_nodes().append(&format!("bug={bug}")).run() else {
        return;
    };
    assert_eq!(status, Some(BAD), "{output}");
    for words in words {
        assert!(output.contains(words), "no \"{words}\" in {output}");
    }
}

/// Four processors and two nodes.
#[test]
fn four_cpus_and_two_nodes() {
    let Some(output) = is_content(&two_nodes()) else { return };
    assert!(output.contains("4 CPUs run"), "{output}");
    assert!(output.contains("cycles (TSC, emulated)"), "{output}");
}

/// As little memory as a kernel has.
#[test]
fn two_cpus_and_64_mib() {
    is_content(&Machine::new(2).memory(64));
}

/// As little memory as a kernel has, and many who want it.
#[test]
fn eight_cpus_and_64_mib() {
    is_content(&Machine::new(8).memory(64));
}

/// Nobody else: no lock is ever found taken but by handlers.
#[test]
fn one_cpu() {
    is_content(&Machine::new(1).memory(1024));
}

/// More processors than there are in the machine that tests, so that they are stopped anywhere.
#[test]
fn eight_cpus() {
    is_content(&Machine::new(8).memory(1024));
}

/// The memory above 4 GiB is in zone NORMAL, behind a hole.
#[test]
fn memory_with_a_hole() {
    let Some(output) = is_content(&Machine::new(4).memory(6144)) else { return };
    assert!(output.contains("Node 0, zonelist: 0 Normal, 0 DMA32, 0 DMA\n"), "{output}");
}

/// One node has no memory, another no processor.
#[test]
fn nodes_without_memory_and_without_cpus() {
    is_content(&Machine::new(4).node(512, 0..2).node(0, 2..4).node(512, 0..0));
}

/// All processors are on one node; what it lacks comes from the other.
#[test]
fn all_cpus_on_one_node() {
    is_content(&Machine::new(2).node(128, 0..2).node(256, 0..0));
}

/// The first node, that of the boot processor, has the upper half of the memory, and no zone DMA.
#[test]
fn a_node_below_the_first() {
    let machine = Machine::new(4).node(256, 2..4).node(256, 0..2);
    let Some(output) = is_content(&machine) else { return };
    let lists =
        "Node 0, zonelist: 0 DMA32, 1 DMA32, 1 DMA\nNode 1, zonelist: 1 DMA32, 1 DMA, 0 DMA32\n";
    assert!(output.contains(lists), "{output}");
}

/// Nodes of unequal size, that are not as far from each other in both directions.
#[test]
fn uneven_distances() {
    let far = [[10, 40, 20, 30], [20, 10, 50, 30], [50, 60, 10, 15], [25, 15, 35, 10]];
    let nodes = Machine::new(4).node(192, 0..1).node(64, 1..2).node(128, 2..3).node(96, 3..4);
    is_content(&nodes.distances(far));
}

/// Firmware of the old kind, a boot loader, multiboot2.
#[test]
fn by_grub_on_seabios() {
    if let Some(image) = grub::image("seabios", grub::SEABIOS) {
        is_content(&two_nodes().disc(&image));
    }
}

/// Firmware of the new kind, whose memory map is long.
#[test]
fn by_grub_on_ovmf() {
    if let Some(firmware) = grub::ovmf()
        && let Some(image) = grub::image("ovmf", grub::OVMF)
    {
        is_content(&two_nodes().firmware(&firmware).disc(&image));
    }
}

/// By the allocator: it names the frame.
#[test]
fn a_frame_freed_twice_is_noticed() {
    notices("freed-twice", &["src/plant.rs", "NotAllocated(Pfn("]);
}

/// By the marks in the frame: of the one who has it and of the one to whom it is given.
#[test]
fn a_frame_with_two_owners_is_noticed() {
    notices("two-owners", &["src/mark.rs", "frame of 0x5afef00d", " given to 0x"]);
}

/// By the account at the end: it names the zone.
#[test]
fn a_lost_frame_is_noticed() {
    notices("lost", &["verify: ok", "zone DMA32 of node ", " free frames "]);
}

/// By the invariants: a handler has cleared the state of a free block.
#[test]
fn an_overwritten_descriptor_is_noticed() {
    notices("overwritten", &["verify: I", " in zone DMA32 of node ", ", frame "]);
}

/// By the invariants: a handler has overwritten the links of a list.
#[test]
fn a_broken_list_is_noticed() {
    notices("broken-list", &["verify: I1 in zone DMA32 of node ", ", frame "]);
}
