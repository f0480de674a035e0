//! The local APIC of each processor: its number, its timer, interrupts to other processors.

use crate::physical;
use core::hint::spin_loop;
use x86_64::instructions::port::Port;

const BASE: u64 = 0xfee0_0000;

/// Timer ticks between two interrupts.
const INTERVAL: u32 = 5_000_000;

/// In the timer's register: interrupts again and again; none. And in that of its divider: by one.
const PERIODIC: u32 = 1 << 17;
const MASKED: u32 = 1 << 16;
const BY_ONE: u32 = 0xb;

/// In the command register: an interrupt for one processor; for all others, a reset and a start at a
/// page; still to be delivered.
const INTERRUPT: u32 = 0x4000;
const INIT_OTHERS: u32 = 0xc_4500;
const START_OTHERS: u32 = 0xc_4600;
const PENDING: u32 = 0x1000;

/// The registers that are used.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Register {
    Id = 0x20,
    EndOfInterrupt = 0xb0,
    Spurious = 0xf0,
    Command = 0x300,
    CommandTarget = 0x310,
    Timer = 0x320,
    TimerCount = 0x380,
    TimerDivide = 0x3e0,
}

/// Interrupts that this kernel has.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Vector {
    Timer = 0x20,
    /// Another processor asks for a memory barrier.
    Barrier = 0x21,
    Spurious = 0xff,
}

fn read(register: Register) -> u32 {
    let place: *const u32 = physical::pointer(BASE + register as u64).cast();
    // SAFETY: the register of the running processor's APIC.
    unsafe { place.read_volatile() }
}

fn write(register: Register, value: u32) {
    let place: *mut u32 = physical::pointer(BASE + register as u64).cast();
    // SAFETY: the register of the running processor's APIC; none of those here changes memory.
    unsafe { place.write_volatile(value) }
}

/// The running processor's id.
pub(crate) fn id() -> u32 {
    read(Register::Id) >> 24
}

/// Lets interrupts come to the running processor, but none of its timer.
pub(crate) fn enable() {
    write(Register::Spurious, 0x100 | Vector::Spurious as u32);
}

/// Has the timer interrupt the running processor again and again.
pub(crate) fn start_timer() {
    write(Register::TimerDivide, BY_ONE);
    write(Register::Timer, PERIODIC | Vector::Timer as u32);
    write(Register::TimerCount, INTERVAL);
}

/// No more interrupts of the timer.
pub(crate) fn stop_timer() {
    write(Register::Timer, MASKED);
}

/// An interrupt was handled.
pub(crate) fn end_of_interrupt() {
    write(Register::EndOfInterrupt, 0);
}

/// Interrupts the processor with that APIC id. Interrupts are off.
pub(crate) fn interrupt(id: u32, vector: Vector) {
    write(Register::CommandTarget, id << 24);
    write(Register::Command, INTERRUPT | vector as u32);
    wait_for_delivery();
}

/// Starts all other processors at a page below 1 MiB.
pub(crate) fn start_others(page: u8) {
    write(Register::Command, INIT_OTHERS);
    wait_for_delivery();
    pause(10_000);
    for _ in 0..2 {
        write(Register::Command, START_OTHERS | u32::from(page));
        wait_for_delivery();
        pause(200);
    }
}

fn wait_for_delivery() {
    while read(Register::Command) & PENDING != 0 {
        spin_loop();
    }
}

/// Waits for so many microseconds, by a port that takes about one each time.
fn pause(microseconds: u32) {
    for _ in 0..microseconds {
        // SAFETY: nobody listens at this port.
        unsafe { Port::new(0x80).write(0u8) };
    }
}

/// The old interrupt controllers say nothing.
pub(crate) fn mask_old_controllers() {
    for port in [0x21, 0xa1] {
        // SAFETY: masks all their interrupts.
        unsafe { Port::new(port).write(0xffu8) };
    }
}
