//! The serial port, line by line.

use core::fmt::{self, Write};
use spin::mutex::SpinMutex;
use uart_16550::SerialPort;
use x86_64::instructions::interrupts::without_interrupts;

/// The first serial port of a PC.
const COM1: u16 = 0x3f8;

// SAFETY: the port is there, and nobody else uses it.
static PORT: SpinMutex<SerialPort> = SpinMutex::new(unsafe { SerialPort::new(COM1) });

pub(crate) fn init() {
    PORT.lock().init();
}

/// Prints without being interrupted, so that a handler that prints does not wait for itself.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    without_interrupts(|| PORT.lock().write_fmt(text)).expect("the port takes all");
}

/// For the last words of a kernel that may have the port: takes it in any case.
pub(crate) fn print_at_last(text: fmt::Arguments<'_>) {
    // SAFETY: whoever has the port never comes back to it, as the machine ends now.
    unsafe { PORT.force_unlock() };
    print(text);
}

#[macro_export]
macro_rules! println {
    ($($text:tt)*) => {
        $crate::console::print(format_args!("{}\n", format_args!($($text)*)))
    };
}
