//! Interrupts and exceptions: where they go, and on which stacks.

use crate::apic::{self, Vector};
use crate::console;
use crate::cpu::{Cpu, MAX_CPUS};
use crate::exit::{Verdict, exit};
use crate::task;
use core::arch::naked_asm;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::control::Cr2;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::idt::InterruptDescriptorTable;
use x86_64::structures::tss::TaskStateSegment;

/// The places in the table of stacks. Code of the host's target keeps data below its stack pointer,
/// so that no handler may run on the stack that it interrupts.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
enum Stack {
    Interrupt,
    Exception,
}

const STACK: usize = 32 << 10;

#[repr(align(16))]
struct Stacks([[u8; STACK]; 2]);

/// The stacks of each processor's handlers. Only the processors touch them.
static mut STACKS: [Stacks; MAX_CPUS] = [const { Stacks([[0; STACK]; 2]) }; MAX_CPUS];

static SEGMENTS: [Once<TaskStateSegment>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];
static TABLES: [Once<(GlobalDescriptorTable, [SegmentSelector; 3])>; MAX_CPUS] =
    [const { Once::new() }; MAX_CPUS];
static INTERRUPTS: Once<InterruptDescriptorTable> = Once::new();

/// Has the running processor take interrupts and exceptions.
pub(crate) fn init(cpu: usize) {
    let segment = SEGMENTS[cpu].call_once(|| {
        let mut segment = TaskStateSegment::new();
        for stack in [Stack::Interrupt, Stack::Exception] {
            // SAFETY: an address is taken, nothing is read.
            let top = unsafe { (&raw mut STACKS[cpu].0[stack as usize]).add(1) };
            segment.interrupt_stack_table[stack as usize] = VirtAddr::from_ptr(top);
        }
        segment
    });
    let (table, [code, data, task]) = TABLES[cpu].call_once(|| {
        let mut table = GlobalDescriptorTable::new();
        let code = table.append(Descriptor::kernel_code_segment());
        let data = table.append(Descriptor::kernel_data_segment());
        let task = table.append(Descriptor::tss_segment(segment));
        (table, [code, data, task])
    });
    table.load();
    // SAFETY: these are the segments of the table that was loaded just now.
    unsafe {
        CS::set_reg(*code);
        SS::set_reg(*data);
        load_tss(*task);
    }
    INTERRUPTS.call_once(interrupts).load();
}

/// The handler of exceptions of that number.
macro_rules! exception {
    ($table:ident, $($name:ident = $number:literal),*) => {
        $(
            let address = VirtAddr::from_ptr(exception_stub::<$number> as *const ());
            // SAFETY: the stub handles this, and the stack is there.
            unsafe { $table.$name.set_handler_addr(address).set_stack_index(Stack::Exception as u16) };
        )*
    };
}

fn interrupts() -> InterruptDescriptorTable {
    let mut table = InterruptDescriptorTable::new();
    exception!(
        table,
        divide_error = 0,
        non_maskable_interrupt = 2,
        breakpoint = 3,
        overflow = 4,
        bound_range_exceeded = 5,
        invalid_opcode = 6,
        device_not_available = 7,
        double_fault = 8,
        invalid_tss = 10,
        segment_not_present = 11,
        stack_segment_fault = 12,
        general_protection_fault = 13,
        page_fault = 14,
        x87_floating_point = 16,
        alignment_check = 17,
        machine_check = 18,
        simd_floating_point = 19
    );
    let stubs: [(Vector, *const ()); 3] = [
        (Vector::Timer, timer_stub as *const ()),
        (Vector::Barrier, barrier_stub as *const ()),
        (Vector::Spurious, spurious_stub as *const ()),
    ];
    for (vector, stub) in stubs {
        // SAFETY: the stub handles this, and the stack is there.
        unsafe {
            let entry = table[vector as u8].set_handler_addr(VirtAddr::from_ptr(stub));
            entry.set_stack_index(Stack::Interrupt as u16);
        }
    }
    table
}

/// A stub that keeps all registers that a function of Rust may change, those of SSE included.
macro_rules! stub {
    ($stub:ident, $handler:path) => {
        #[unsafe(naked)]
        extern "C" fn $stub() {
            naked_asm!(
                "push rbp", "mov rbp, rsp",
                "push rax", "push rcx", "push rdx", "push rsi", "push rdi",
                "push r8", "push r9", "push r10", "push r11",
                "sub rsp, 520",
                "and rsp, -16",
                "fxsave64 [rsp]",
                "cld",
                "call {handler}",
                "fxrstor64 [rsp]",
                "lea rsp, [rbp - 72]",
                "pop r11", "pop r10", "pop r9", "pop r8",
                "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
                "pop rbp",
                "iretq",
                handler = sym $handler,
            )
        }
    };
}

stub!(timer_stub, timer);
stub!(barrier_stub, barrier);

#[unsafe(naked)]
extern "C" fn spurious_stub() {
    naked_asm!("iretq")
}

extern "C" fn timer() {
    let cpu = Cpu::current();
    cpu.handle(|| task::tick(cpu));
    apic::end_of_interrupt();
}

extern "C" fn barrier() {
    Cpu::current().pass_barrier();
    apic::end_of_interrupt();
}

#[unsafe(naked)]
extern "C" fn exception_stub<const NUMBER: u32>() {
    naked_asm!(
        "mov edi, {number}",
        "mov rsi, rsp",
        "and rsp, -16",
        "call {handler}",
        "ud2",
        number = const NUMBER,
        handler = sym exception,
    )
}

/// No exception is expected: says what it was, with the words that the processor pushed, and ends.
extern "C" fn exception(number: u32, frame: *const u64) -> ! {
    // SAFETY: the processor pushed at least so many words there.
    let words = unsafe { frame.cast::<[u64; 4]>().read() };
    let cpu = apic::id();
    let text =
        format_args!("\nexception {number} on CPU {cpu}: {words:x?}, CR2 {:x?}\n", Cr2::read_raw());
    console::print_at_last(text);
    exit(Verdict::Bad)
}
