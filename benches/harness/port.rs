//! A port of the allocator to threads of this program, as a kernel would write one: what it says of
//! itself is known when it is compiled.

use page_alloc::{CpuId, IrqFlags, PcpExclusion, PhysAddr, PinFlags, Platform};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    /// The CPU that this thread stands for.
    static CPU: Cell<CpuId> = const { Cell::new(CpuId::BOOT) };
}

/// Threads as CPUs. There are no interrupts, and no memory: only the allocator itself is looked at.
pub(crate) struct Port;

impl Port {
    /// Does something as a CPU, which no other thread stands for.
    pub(crate) fn on_cpu<A>(cpu: CpuId, work: impl FnOnce() -> A) -> A {
        let before = CPU.replace(cpu);
        let result = work();
        CPU.set(before);
        result
    }

    /// Says that this program will ask for barriers, and that the running thread is the boot CPU.
    pub(crate) fn register() {
        // The compiler is not to know the number, as it does not in a kernel.
        CPU.set(black_box(CpuId::BOOT));
        // SAFETY: the call reads and writes no memory of this program.
        let done = unsafe {
            libc::syscall(
                libc::SYS_membarrier,
                libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                0,
                0,
            )
        };
        assert_eq!(done, 0, "the host has no barrier for other threads");
    }
}

// SAFETY: the workloads give threads that run at the same time different CPUs, a thread stays on its
// CPU, and there are no interrupts. All running threads pass the barrier. Frames are not cleared, so
// no address is ever used.
unsafe impl Platform for Port {
    #[inline]
    fn irq_save(&self) -> IrqFlags {
        IrqFlags(0)
    }

    #[inline]
    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        std::ptr::without_provenance_mut(usize::try_from(address.get()).expect("64 bits"))
    }

    /// Frames have no contents.
    unsafe fn clear_pages(&self, _: PhysAddr, _: usize) {}

    #[inline]
    fn cpu_id(&self) -> CpuId {
        CPU.get()
    }

    #[inline]
    fn pin(&self) -> PinFlags {
        PinFlags(0)
    }

    #[inline]
    unsafe fn unpin(&self, _: PinFlags) {}

    #[inline]
    fn pcp_exclusion(&self) -> PcpExclusion {
        PcpExclusion::Busy
    }

    fn barrier_on(&self, _: CpuId) {
        // SAFETY: the call reads and writes no memory of this program.
        let done = unsafe {
            libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)
        };
        assert_eq!(done, 0);
    }
}
