//! Defects that are planted on request (`bug=` in the command line), to show that they are noticed.

use crate::cpu::Cpu;
use crate::frames::FRAMES;
use crate::physical;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use page_alloc::{Gfp, Order, PfnRange};

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Bug {
    /// A frame is freed twice.
    FreedTwice = 1,
    /// A frame is freed while it is said to be somebody's.
    TwoOwners,
    /// A frame is never freed.
    Lost,
    /// A handler overwrites the state of a free block.
    Overwritten,
    /// A handler overwrites the links of a free block.
    BrokenList,
}

/// The number of the bug that is still to be planted; 0: none.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// The allocator's tables.
static TABLES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Whether all other work is done.
static LATE: AtomicBool = AtomicBool::new(false);

/// What the owner's word of the frame says whose descriptor is looked for.
const SOUGHT: u64 = 0x5eec_5eec_5eec_5eec;

/// Has a defect planted.
pub(crate) fn ask_for(name: &str, tables: PfnRange) {
    let bug = match name {
        "freed-twice" => Bug::FreedTwice,
        "two-owners" => Bug::TwoOwners,
        "lost" => Bug::Lost,
        "overwritten" => Bug::Overwritten,
        "broken-list" => Bug::BrokenList,
        _ => panic!("there is no bug {name}"),
    };
    let addresses = [tables.start, tables.end].map(|frame| frame.start_address(12).get());
    TABLES
        .iter()
        .zip(addresses)
        .for_each(|(place, address)| place.store(address, Ordering::Relaxed));
    WANTED.store(bug as u32, Ordering::Release);
}

/// Whether this one is to be planted now: true once.
fn is_due(bug: Bug) -> bool {
    WANTED.compare_exchange(bug as u32, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// In a task.
pub(crate) fn in_task() {
    if is_due(Bug::FreedTwice) {
        let (frame, order) = FRAMES.alloc_pages(Gfp::KERNEL, Order::O4).expect("memory").into_raw();
        for _ in 0..2 {
            // SAFETY: none the second time: this is the bug.
            let pages = unsafe { FRAMES.pages_from_raw(frame, order) };
            FRAMES.free_pages(pages.expect("an allocated block")).expect("an allocated block");
        }
    }
    if is_due(Bug::TwoOwners) {
        let pages = FRAMES.alloc_page(Gfp::KERNEL).expect("memory");
        let place: *mut u64 = physical::pointer(pages.pfn().start_address(12).get()).cast();
        // SAFETY: the frame is this function's.
        unsafe { place.write_volatile(crate::mark::TAKEN) };
        // The bug: the mark says that somebody has it. Who gets it may be a handler, at once.
        FRAMES.free_pages(pages).expect("an allocated block");
    }
    if is_due(Bug::Lost) {
        let _never_freed = FRAMES.alloc_page(Gfp::KERNEL).expect("memory");
    }
}

/// In a handler, when nothing else goes on any more.
pub(crate) fn in_handler() {
    if !LATE.load(Ordering::Acquire) {
        return;
    }
    // A descriptor is two words: the links, then state and references.
    if is_due(Bug::Overwritten) {
        let descriptor = descriptor_of_free_block(Order::O5);
        // SAFETY: none: this is the bug.
        unsafe { descriptor.add(1).write_volatile(0) };
    }
    if is_due(Bug::BrokenList) {
        // Of the largest blocks there are many, so that the links are in use.
        let descriptor = descriptor_of_free_block(Order::MAX);
        // SAFETY: none: this is the bug.
        unsafe { descriptor.write_volatile(SOUGHT) };
    }
}

/// Where the allocator describes a block that is free: found by what its owner had there.
fn descriptor_of_free_block(order: Order) -> *mut u64 {
    let pages = FRAMES.alloc_pages(Gfp::ATOMIC, order).expect("memory");
    FRAMES.set_private(&pages, SOUGHT).expect("an allocated block");
    let [start, end] = [0, 1].map(|at| TABLES[at].load(Ordering::Relaxed));
    let mut words = (start..end).step_by(16).map(|address| physical::pointer(address).cast());
    // SAFETY: the allocator's tables are memory that can be read.
    let found = words.find(|word: &*mut u64| unsafe { word.read_volatile() } == SOUGHT);
    FRAMES.free_pages(pages).expect("an allocated block");
    found.expect("each frame has a descriptor")
}

/// Waits for some interrupts, with nothing else going on.
pub(crate) fn let_handlers_run() {
    LATE.store(true, Ordering::Release);
    Cpu::current().wait_for_ticks(4);
}
