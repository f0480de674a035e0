//! A port on which an interrupt comes at a chosen moment.
#![expect(unsafe_code, reason = "a port, and an allocator of memory that is nowhere")]

use page_alloc::boot::{BootInfo, metadata_bytes};
use page_alloc::{IrqFlags, PageAllocator, PhysAddr, Platform};
use std::cell::Cell;
use std::sync::OnceLock;

pub(crate) type Machine<A> = PageAllocator<Interrupted<A>>;

/// A port for one CPU, where an interrupt comes just before the code turns them off. Its handler gives an
/// answer.
pub(crate) struct Interrupted<A: 'static> {
    handler: fn(&Machine<A>) -> A,
    /// How often they are turned off until then; `None`: for ever.
    fuse: Cell<Option<u32>>,
    allocator: OnceLock<&'static Machine<A>>,
    answer: Cell<Option<A>>,
}

impl<A> Interrupted<A> {
    pub(crate) fn new(handler: fn(&Machine<A>) -> A) -> Self {
        let (fuse, answer) = (Cell::new(None), Cell::new(None));
        Self { handler, fuse, allocator: OnceLock::new(), answer }
    }

    /// A machine whose tables lie elsewhere.
    pub(crate) fn boot(info: &BootInfo<'_>, handler: fn(&Machine<A>) -> A) -> &'static Machine<A> {
        let tables = vec![0xa5; metadata_bytes(info, 12).unwrap()].leak();
        let allocator = Box::leak(Box::new(PageAllocator::new(Self::new(handler))));
        // SAFETY: the memory of the map is used by nobody, as it is nowhere.
        unsafe { allocator.init_in(info, tables) }.unwrap();
        assert!(allocator.platform().allocator.set(allocator).is_ok());
        allocator
    }

    /// Works until the end, with the interrupt at its place; what it answered, if it came.
    pub(crate) fn during<B>(&self, place: u32, work: impl FnOnce() -> B) -> (B, Option<A>) {
        self.fuse.set(Some(place));
        let result = work();
        self.fuse.set(None);
        (result, self.answer.take())
    }
}

// SAFETY: one thread uses it, and what stands for an interrupt comes only where one can come. There is no
// memory, and nothing that is written to any.
unsafe impl<A> Platform for Interrupted<A> {
    fn irq_save(&self) -> IrqFlags {
        if let Some(left) = self.fuse.get() {
            self.fuse.set(left.checked_sub(1));
            if let (0, Some(allocator)) = (left, self.allocator.get()) {
                self.answer.set(Some((self.handler)(allocator)));
            }
        }
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, _: PhysAddr) -> *mut u8 {
        core::ptr::null_mut()
    }
}
