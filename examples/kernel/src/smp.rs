//! Starting the other processors: each begins in real mode at a page below 1 MiB.

use crate::cpu::{Cpu, MAX_CPUS};
use crate::entry::{CR0, CR4, EFER};
use crate::{apic, physical, traps};
use core::arch::global_asm;
use core::hint::spin_loop;
use core::slice;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use page_alloc::boot::Reservation;
use page_alloc::{CpuId, PhysAddr};

/// Where they begin.
const TRAMPOLINE: u64 = 0x8000;

/// Bytes of a processor's stack.
const STACK: usize = 64 << 10;

/// Local APIC ids that the kernel can tell apart.
const APIC_IDS: usize = 256;

global_asm!(
    ".section .rodata.trampoline, \"a\", @progbits",
    ".code16",
    ".global trampoline_start, trampoline_end",
    "trampoline_start:",
    "jmp trampoline_code",
    ".align 8",
    // At byte 8, where the code below looks for it.
    ".short 23",
    ".long {trampoline} + trampoline_gdt - trampoline_start",
    ".align 8",
    "trampoline_gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "trampoline_code:",
    "cli",
    "cld",
    "xor ax, ax",
    "mov ds, ax",
    "mov eax, {cr4}",
    "mov cr4, eax",
    "mov eax, offset boot_pml4",
    "mov cr3, eax",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, {efer}",
    "wrmsr",
    "lgdt [{trampoline} + 8]",
    "mov eax, {cr0}",
    "mov cr0, eax",
    // A far jump with an offset of four bytes.
    ".byte 0x66, 0xea",
    ".long {trampoline} + trampoline_long - trampoline_start",
    ".short 8",
    ".code64",
    "trampoline_long:",
    "mov ax, 16",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "xor eax, eax",
    "mov fs, ax",
    "mov gs, ax",
    // The APIC id, and the stack of that processor.
    "mov ecx, 0xfee00020",
    "mov edi, [rcx]",
    "shr edi, 24",
    "movabs rdx, offset {stacks}",
    "mov rsp, [rdx + rdi * 8]",
    "xor ebp, ebp",
    "movabs rax, offset {start}",
    "call rax",
    "ud2",
    "trampoline_end:",
    ".text",
    cr0 = const CR0,
    cr4 = const CR4,
    efer = const EFER,
    trampoline = const TRAMPOLINE,
    stacks = sym STACK_TOPS,
    start = sym start_other,
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "the processor's")] [u8; STACK]);

/// Only the processors touch their stacks.
static mut STACKS: [Stack; MAX_CPUS] = [const { Stack([0; STACK]) }; MAX_CPUS];

/// The upper end of the stack of the processor with each APIC id, and its number.
static STACK_TOPS: [AtomicU64; APIC_IDS] = [const { AtomicU64::new(0) }; APIC_IDS];
static NUMBERS: [AtomicUsize; APIC_IDS] = [const { AtomicUsize::new(0) }; APIC_IDS];

/// The APIC id of each processor.
static IDS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];

/// Processors that run.
static RUNNING: AtomicUsize = AtomicUsize::new(1);

/// The page where processors begin, which must not be given out.
pub(crate) fn trampoline() -> Reservation {
    Reservation::new("trampoline", PhysAddr::new(TRAMPOLINE), 4096)
}

/// Gives each processor, named by its local APIC id, its number: its place in the list. The running
/// one comes first.
pub(crate) fn number(apic_ids: &[u32]) {
    for (number, id) in apic_ids.iter().map(|id| *id as usize).enumerate() {
        // SAFETY: an address is taken, nothing is read.
        let top = unsafe { (&raw mut STACKS[number]).add(1) };
        STACK_TOPS[id].store(top.expose_provenance() as u64, Ordering::Release);
        NUMBERS[id].store(number, Ordering::Release);
        IDS[number].store(id, Ordering::Release);
    }
}

/// The local APIC id of a processor.
pub(crate) fn apic_id(cpu: CpuId) -> u32 {
    IDS[cpu.index()].load(Ordering::Relaxed) as u32
}

/// Starts all processors but the running one, and waits for them: there are so many in all.
pub(crate) fn start(processors: usize) {
    // SAFETY: the code is bytes that never change; the page is reserved for it.
    unsafe {
        let length = (&raw const trampoline_end).offset_from_unsigned(&raw const trampoline_start);
        let code = slice::from_raw_parts(&raw const trampoline_start, length);
        physical::copy_to(TRAMPOLINE, code);
    }
    if processors > 1 {
        apic::start_others((TRAMPOLINE >> 12) as u8);
    }
    while RUNNING.load(Ordering::Acquire) < processors {
        spin_loop();
    }
}

/// The first Rust that another processor runs.
extern "C" fn start_other(apic_id: u32) -> ! {
    let number = NUMBERS[apic_id as usize].load(Ordering::Acquire);
    become_cpu(number);
    RUNNING.fetch_add(1, Ordering::AcqRel);
    crate::run(CpuId::new(number as u32));
    x86_64::instructions::interrupts::disable();
    loop {
        x86_64::instructions::hlt();
    }
}

/// Makes the running processor that number's, with interrupts off.
pub(crate) fn become_cpu(number: usize) {
    traps::init(number);
    Cpu::of(CpuId::new(number as u32)).become_current();
    apic::enable();
}
