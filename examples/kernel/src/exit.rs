//! The end of the machine: QEMU's exit device, whose status tells how it went.

use crate::console;
use core::panic::PanicInfo;
use x86_64::instructions::port::Port;
use x86_64::instructions::{hlt, interrupts};

/// The device's port.
const PORT: u16 = 0xf4;

/// How it went; QEMU's status is twice the number, and one.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// Status 33.
    Good = 0x10,
    /// Status 35.
    Bad = 0x11,
}

/// Ends the machine.
pub(crate) fn exit(verdict: Verdict) -> ! {
    interrupts::disable();
    // SAFETY: the device ends the machine; without it the port is nobody's.
    unsafe { Port::new(PORT).write(verdict as u32) };
    loop {
        hlt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    interrupts::disable();
    console::print_at_last(format_args!("\n{info}\n"));
    exit(Verdict::Bad)
}
