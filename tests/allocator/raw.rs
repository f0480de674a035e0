//! The doors for callers that know frames by number or by address, and a port without a machine.
#![expect(unsafe_code, reason = "the doors are unsafe: the caller's word counts")]

use page_alloc::boot::{BootInfo, BootReport, InitError};
use page_alloc::sim::{Sim, SimKernel};
use page_alloc::{
    FreeError, IrqFlags, Order, PageAllocator, Pages, Pfn, PfnRange, PhysAddr, Platform, Reclaim,
    Trace,
};
use std::cell::RefCell;

/// Frees a block by number, rightly or wrongly.
pub fn free<R: Reclaim, T: Trace>(
    sim: &Sim<R, T>,
    pfn: Pfn,
    order: Order,
) -> Result<(), FreeError> {
    // SAFETY: nothing is kept in the frames of a simulated machine, so that no reference to them
    // can be broken.
    unsafe { sim.free_pages_raw(pfn, order) }
}

/// The token of a block known by number.
pub fn token<T: Trace>(
    sim: &Sim<SimKernel, T>,
    pfn: Pfn,
    order: Order,
) -> Result<Pages, FreeError> {
    // SAFETY: as above.
    unsafe { sim.pages_from_raw(pfn, order) }
}

fn bytes_of(sim: &Sim, range: PfnRange) -> (*mut u8, usize) {
    let start = sim.platform().phys_to_virt(range.start.start_address(12));
    assert!(!start.is_null(), "frames of the machine");
    (start, usize::try_from(range.len() << 12).expect("it fits the host"))
}

/// Writes to every byte of free or owned frames, as DMA or a careless kernel might.
pub fn fill(sim: &Sim, range: PfnRange, byte: u8) {
    let (start, bytes) = bytes_of(sim, range);
    // SAFETY: the frames lie in the machine's mapping, and no reference to them exists; the tables
    // of the machines of these tests lie elsewhere.
    unsafe { start.write_bytes(byte, bytes) }
}

/// The least and the greatest byte in the frames.
pub fn bounds(sim: &Sim, range: PfnRange) -> (u8, u8) {
    let (start, bytes) = bytes_of(sim, range);
    // SAFETY: as in `fill`; nobody writes to them meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(start, bytes) };
    bytes.iter().fold((u8::MAX, 0), |(least, most), &byte| (least.min(byte), most.max(byte)))
}

thread_local! {
    static INTERRUPT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Has an interrupt come on a `Board` just before interrupts are turned off the next time.
pub fn interrupt(handler: impl FnOnce() + 'static) {
    INTERRUPT.set(Some(Box::new(handler)));
}

/// As [`free`], on a board.
pub fn free_on_board(
    allocator: &PageAllocator<Board>,
    pfn: Pfn,
    order: Order,
) -> Result<(), FreeError> {
    // SAFETY: no memory of a `Board` is ever reached, so that no reference to it can be broken.
    unsafe { allocator.free_pages_raw(pfn, order) }
}

/// A port of one CPU whose memory can't be reached.
#[derive(Debug)]
pub struct Board;

// SAFETY: one thread uses a `Board`, its interrupts are calls of that thread, which come where
// interrupts are on, and no memory of it is ever reached: its tables lie on the host's heap, and nothing is zeroed.
unsafe impl Platform for Board {
    fn irq_save(&self) -> IrqFlags {
        if let Some(interrupt) = INTERRUPT.take() {
            interrupt();
        }
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _flags: IrqFlags) {}

    fn phys_to_virt(&self, _address: PhysAddr) -> *mut u8 {
        std::ptr::null_mut()
    }
}

/// Boots with the tables on the host's heap, where they stay.
pub fn init_in(
    allocator: &PageAllocator<Board>,
    info: &BootInfo<'_>,
    bytes: usize,
) -> Result<BootReport, InitError> {
    // SAFETY: the memory of a `Board` is used by nobody.
    unsafe { allocator.init_in(info, vec![0xa5; bytes].leak()) }
}

/// Boots with the tables in the machine's memory.
pub fn init(
    allocator: &PageAllocator<Board>,
    info: &BootInfo<'_>,
) -> Result<BootReport, InitError> {
    // SAFETY: as above; the way to the memory is refused before anything is written.
    unsafe { allocator.init(info) }
}
