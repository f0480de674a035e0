//! The kernel of `examples/kernel` boots in QEMU, works its allocator hard on all processors, and ends
//! with the status that says that all went well; with a planted defect it ends with another.
//!
//! In release builds only: it takes its time. Where there is no QEMU nothing is tested, and the output
//! says so.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "qemu/grub.rs"]
mod grub;
#[path = "qemu/machine.rs"]
mod machine;

use machine::{Ended, Machine};

/// The status of a kernel that is content, by the exit device: 0x10 * 2 + 1.
const GOOD: i32 = 33;

/// The status of a kernel that found something wrong.
const BAD: i32 = 35;

/// Two nodes of 512 MiB with two processors each.
fn two_nodes() -> Machine {
    Machine::new(4).node(Some("512M"), Some("0-1")).node(Some("512M"), Some("2-3"))
}

/// Boots, and looks whether all went well.
#[track_caller]
fn is_content(machine: &Machine) -> Option<String> {
    let Ended { status, output } = machine.run()?;
    assert_eq!(status, Some(GOOD), "{output}");
    assert!(output.contains("\nverify: ok\n"), "{output}");
    Some(output)
}

/// Boots with a planted defect, which has to be noticed in these words.
#[track_caller]
fn notices(bug: &str, words: &str) {
    let Some(Ended { status, output }) = two_nodes().append(&format!("bug={bug}")).run() else {
        return;
    };
    assert_eq!(status, Some(BAD), "{output}");
    assert!(output.contains(words), "no \"{words}\" in {output}");
}

/// Four processors and two nodes, which the kernel has seen.
#[test]
fn four_cpus_and_two_nodes() {
    let Some(output) = is_content(&two_nodes()) else { return };
    assert!(output.contains("4 CPUs run"), "{output}");
    assert!(output.contains("Node 1, zone    DMA32"), "{output}");
}

/// As little memory as a kernel has.
#[test]
fn two_cpus_and_64_mib() {
    is_content(&Machine::new(2).memory("64M"));
}

#[test]
fn one_cpu() {
    is_content(&Machine::new(1).memory("1G"));
}

#[test]
fn eight_cpus() {
    is_content(&Machine::new(8).memory("1G"));
}

/// The memory above 4 GiB is in zone NORMAL, behind a hole.
#[test]
fn memory_with_a_hole() {
    let Some(output) = is_content(&Machine::new(4).memory("6G")) else { return };
    assert!(output.contains("Node 0, zone   Normal"), "{output}");
}

/// One node has no memory, another no processor.
#[test]
fn nodes_without_memory_and_without_cpus() {
    let machine = Machine::new(4)
        .node(Some("512M"), Some("0-1"))
        .node(None, Some("2-3"))
        .node(Some("512M"), None);
    let Some(output) = is_content(&machine) else { return };
    assert!(output.contains("Node 2, zone    DMA32"), "{output}");
    assert!(!output.contains("Node 1, zone"), "{output}");
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

#[test]
fn a_frame_freed_twice_is_noticed() {
    notices("freed-twice", "NotAllocated");
}

#[test]
fn a_frame_with_two_owners_is_noticed() {
    notices("two-owners", "given to");
}

#[test]
fn a_lost_frame_is_noticed() {
    notices("lost", "all frames are back");
}

#[test]
fn an_overwritten_descriptor_is_noticed() {
    notices("overwritten", "verify: I");
}
