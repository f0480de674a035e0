//! From what the boot loader leaves to Rust: 32-bit protected mode without paging, from a PVH loader
//! or from one that knows multiboot2, to long mode with all memory mapped where it is.

use core::arch::global_asm;

/// Bytes of the boot CPU's stack.
const STACK: usize = 64 << 10;

/// How each processor runs, from its first 64-bit instruction on: long addresses and SSE; long mode with
/// no-execute; paging, with write protection.
pub(crate) const CR4: u32 = 0x620;
pub(crate) const EFER: u32 = 0x900;
pub(crate) const CR0: u32 = 0x8001_0033;

global_asm!(
    // The note of a PVH kernel: type 18 is the 32-bit entry.
    ".section .note.Xen, \"a\", @note",
    ".align 4",
    ".long 4, 4, 18",
    ".asciz \"Xen\"",
    ".long entry",
    // The header of a multiboot2 kernel, without requests.
    ".section .multiboot2, \"a\", @progbits",
    ".align 8",
    "multiboot2_header:",
    ".long 0xe85250d6, 0, 24, 0x17adaf12", // the sum of the four is 0
    ".short 0, 0",
    ".long 8",
    ".section .text.entry, \"ax\", @progbits",
    ".code32",
    ".global entry",
    "entry:",
    "cli",
    "cld",
    "mov esp, offset boot_stack + {stack}",
    "mov edi, eax", // multiboot2's magic number, if it is from there
    "mov esi, ebx", // where the loader's information is
    // 512 GiB, where they are, in pages of 1 GiB.
    "mov ecx, 0",
    "2:",
    "mov eax, ecx",
    "shl eax, 30",
    "or eax, 0x83",
    "mov [boot_pdpt + ecx * 8], eax",
    "mov eax, ecx",
    "shr eax, 2",
    "mov [boot_pdpt + ecx * 8 + 4], eax",
    "inc ecx",
    "cmp ecx, 512",
    "jne 2b",
    "mov eax, offset boot_pdpt",
    "or eax, 3",
    "mov [boot_pml4], eax",
    "lgdt [boot_gdt_pointer]",
    "mov eax, {cr4}",
    "mov cr4, eax",
    "mov eax, offset boot_pml4",
    "mov cr3, eax",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, {efer}",
    "wrmsr",
    "mov eax, {cr0}",
    "mov cr0, eax",
    "push 8",
    "mov eax, offset entry64",
    "push eax",
    "retf",
    ".code64",
    "entry64:",
    "mov ax, 16",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "xor eax, eax",
    "mov fs, ax",
    "mov gs, ax",
    "lea rsp, [boot_stack + {stack}]",
    "xor ebp, ebp",
    "mov edi, edi",
    "mov esi, esi",
    "call {start}",
    "ud2",
    ".section .rodata.gdt, \"a\", @progbits",
    ".align 8",
    ".global boot_gdt_pointer",
    "boot_gdt:",
    ".quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "boot_gdt_pointer:",
    ".short 23",
    ".quad boot_gdt",
    ".section .bss.boot, \"aw\", @nobits",
    ".align 4096",
    ".global boot_pml4",
    "boot_pml4: .skip 4096",
    "boot_pdpt: .skip 4096",
    "boot_stack: .skip {stack}",
    ".text",
    cr0 = const CR0,
    cr4 = const CR4,
    efer = const EFER,
    stack = const STACK,
    start = sym crate::start,
);
