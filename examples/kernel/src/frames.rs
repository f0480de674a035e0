//! The kernel's page allocator: what it knows of the machine, and of the kernel.

use crate::apic::{self, Vector};
use crate::cpu::Cpu;
use crate::hooks::Kernel;
use crate::{physical, smp};
use core::arch::asm;
use page_alloc::{
    CpuId, IrqFlags, NoTrace, PageAllocator, PcpExclusion, PhysAddr, PinFlags, Platform,
};
use x86_64::instructions::interrupts::without_interrupts;

/// The interrupt flag.
const INTERRUPTS: usize = 0x200;

/// All frames of the machine.
pub(crate) static FRAMES: PageAllocator<Machine, Kernel> =
    PageAllocator::with_hooks(Machine, Kernel, NoTrace);

/// A PC of many processors.
#[derive(Debug)]
pub(crate) struct Machine;

// SAFETY: interrupts are turned off and put back by the processor's own flag; handlers return to
// where they came from, so that code stays on its processor, and there are no tasks to be switched
// to; a processor's number is its own; all memory below 512 GiB is mapped where it is; a barrier has
// been passed when the other processor's handler, or that processor itself, has said so.
unsafe impl Platform for Machine {
    #[inline]
    fn irq_save(&self) -> IrqFlags {
        let flags: usize;
        // SAFETY: pushes and pops a word, and turns interrupts off.
        unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
        IrqFlags(flags)
    }

    #[inline]
    unsafe fn irq_restore(&self, flags: IrqFlags) {
        if flags.0 & INTERRUPTS != 0 {
            // SAFETY: they were on before.
            unsafe { asm!("sti") };
        }
    }

    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        physical::pointer(address.get())
    }

    #[inline]
    fn cpu_id(&self) -> CpuId {
        Cpu::id()
    }

    #[inline]
    fn pin(&self) -> PinFlags {
        // SAFETY: nothing, that the compiler moves no access to memory across.
        unsafe { asm!("", options(nostack, preserves_flags)) };
        PinFlags(0)
    }

    #[inline]
    unsafe fn unpin(&self, _: PinFlags) {
        // SAFETY: as above.
        unsafe { asm!("", options(nostack, preserves_flags)) };
    }

    #[inline]
    fn pcp_exclusion(&self) -> PcpExclusion {
        PcpExclusion::Busy
    }

    fn barrier_on(&self, cpu: CpuId) {
        let wake = || without_interrupts(|| apic::interrupt(smp::apic_id(cpu), Vector::Barrier));
        Cpu::of(cpu).barrier(wake);
    }
}
