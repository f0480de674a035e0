//! A kernel that lives on `page_alloc`: it boots on all CPUs of the machine and works its allocator
//! hard, with interrupts that allocate meanwhile.
//!
//! ```text
//! cargo run --release                            boots in QEMU; status 33 if all went well
//! cargo run --release -- -append bug=lost        with a planted defect (`plant.rs`); status 35
//! ```
//!
//! The port to copy from is two files: `frames.rs` tells the allocator of the machine, `hooks.rs` what
//! the kernel does when memory is short. `boot_allocator` below hands it the machine's memory. What is
//! particular to a PC is in `entry`, `smp`, `traps`, `apic`, `acpi`, `boot_info`; the work and how it is
//! checked begins in `phases.rs` and ends in `account.rs`.
#![no_std]
#![no_main]

extern crate alloc;

mod account;
mod acpi;
mod apic;
mod boot_info;
mod builtins;
mod cache;
mod console;
mod cpu;
mod daemons;
mod entry;
mod exit;
mod frames;
mod gate;
mod heap;
mod hit;
mod hooks;
mod mark;
mod paging;
mod phases;
mod physical;
mod plant;
mod process;
mod random;
mod smp;
mod task;
mod traps;
mod zones;

use acpi::Acpi;
use arrayvec::ArrayVec;
use boot_info::Boot;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};
use cpu::{Cpu, MAX_CPUS};
use frames::FRAMES;
use page_alloc::CpuId;
use page_alloc::boot::{BootInfo, Numa, Reservation};
use x86_64::instructions::interrupts;

/// Processors that are to work, and those that have done their share.
static CPUS: AtomicUsize = AtomicUsize::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);

/// The first Rust that runs, on the boot CPU, with interrupts off.
extern "C" fn start(magic: u32, info: u32) -> ! {
    console::init();
    let boot = Boot::read(magic, info);
    let acpi = Acpi::new(boot.rsdp);
    apic::mask_old_controllers();
    let apic_ids = processors(&acpi);
    smp::number(&apic_ids);
    smp::become_cpu(0);
    boot_allocator(&boot, &acpi, &apic_ids);
    paging::check();
    heap::check();
    let opening = account::open();
    cache::init();
    CPUS.store(apic_ids.len(), Ordering::Release);
    smp::start(apic_ids.len());
    println!("{} CPUs run", apic_ids.len());
    run(CpuId::BOOT);
    while DONE.load(Ordering::Acquire) < apic_ids.len() {
        spin_loop();
    }
    exit::exit(account::close(&opening))
}

/// The local APIC ids of the processors, the running one first.
fn processors(acpi: &Acpi) -> ArrayVec<u32, MAX_CPUS> {
    let mut ids = acpi.processors();
    let boot = ids.iter().position(|id| *id == apic::id()).expect("the MADT has this CPU");
    ids.swap(0, boot);
    ids
}

fn boot_allocator(boot: &Boot, acpi: &Acpi, apic_ids: &[u32]) {
    let own = [boot_info::image(), smp::trampoline()];
    let reservations: ArrayVec<Reservation, 8> =
        own.into_iter().chain(boot.used.iter().copied()).collect();
    let numa = match acpi.find(b"SRAT") {
        Some(srat) => Numa::Acpi { srat, slit: acpi.find(b"SLIT"), cpu_apic_ids: apic_ids },
        None => Numa::None,
    };
    let info = BootInfo::new(&boot.map)
        .reservations(&reservations)
        .numa(numa)
        .nr_cpus(apic_ids.len() as u32);
    // SAFETY: the map is the loader's; what it leaves free is nobody's but what is reserved here.
    let report = unsafe { FRAMES.init(&info) }.expect("a machine that can be booted");
    println!("{report}");
    println!("{}", FRAMES.zonelists());
    println!("{}", FRAMES.buddyinfo());
    if let Some(bug) = boot.option("bug") {
        plant::ask_for(bug, report.metadata.expect("the tables lie in the machine's memory"));
    }
}

/// One processor's work, with its timer going.
fn run(cpu: CpuId) {
    let cpus = loop {
        match CPUS.load(Ordering::Acquire) {
            0 => spin_loop(),
            cpus => break cpus,
        }
    };
    apic::start_timer();
    interrupts::enable();
    phases::run(cpu, cpus);
    apic::stop_timer();
    interrupts::without_interrupts(|| Cpu::current().held.free_all());
    DONE.fetch_add(1, Ordering::AcqRel);
    if cpu != CpuId::BOOT {
        // Others may still ask for barriers.
        loop {
            x86_64::instructions::hlt();
        }
    }
}
