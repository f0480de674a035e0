//! What the boot loader tells: the memory map, and where the ACPI tables are.

use crate::physical::{self, at};
use arrayvec::ArrayVec;
use page_alloc::PhysAddr;
use page_alloc::boot::{MemoryKind, MemoryRegion, Reservation};

/// Entries of a memory map.
const MOST_REGIONS: usize = 256;

/// The magic number of a PVH loader's information.
const PVH: u32 = 0x336e_c578;

/// What was told, copied out of the loader's memory.
#[derive(Debug)]
pub(crate) struct Boot {
    pub(crate) map: ArrayVec<MemoryRegion, MOST_REGIONS>,
    /// Where the root of the ACPI tables is.
    pub(crate) rsdp: u64,
    /// The loader's own structures.
    pub(crate) used: ArrayVec<Reservation, 4>,
}

/// What a PVH loader leaves.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    map: u64,
    map_entries: u32,
    reserved: u32,
}

/// An entry of its memory map.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct MapEntry {
    base: u64,
    length: u64,
    kind: u32,
    reserved: u32,
}

impl Boot {
    /// Reads what the loader of a kernel left at that address.
    pub(crate) fn read(info: u32) -> Self {
        // SAFETY: this is where the loader says that its information is.
        let start: StartInfo = unsafe { at(info.into()) };
        assert_eq!(start.magic, PVH, "the loader is none of those that this kernel knows");
        let mut boot = Self { map: ArrayVec::new(), rsdp: start.rsdp, used: ArrayVec::new() };
        let bytes = size_of::<MapEntry>() as u64;
        for number in 0..u64::from(start.map_entries) {
            // SAFETY: the map has so many entries there.
            let entry: MapEntry = unsafe { at(start.map + number * bytes) };
            let kind = MemoryKind::from_e820(entry.kind);
            boot.map.push(MemoryRegion::new(PhysAddr::new(entry.base), entry.length, kind));
        }
        let entries = bytes * u64::from(start.map_entries);
        boot.use_of("boot information", info.into(), size_of::<StartInfo>() as u64);
        boot.use_of("memory map", start.map, entries);
        boot
    }

    fn use_of(&mut self, name: &'static str, base: u64, bytes: u64) {
        self.used.push(Reservation::new(name, PhysAddr::new(base), bytes));
    }
}

/// Where the kernel's own image lies.
pub(crate) fn image() -> Reservation {
    let (start, end) = physical::image();
    Reservation::new("kernel", PhysAddr::new(start), end - start)
}
