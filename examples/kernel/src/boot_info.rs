//! What the boot loader tells: the memory map, and where the ACPI tables are.

use crate::physical::{self, at};
use arrayvec::{ArrayString, ArrayVec};
use core::ptr;
use multiboot2::BootInformation;
use page_alloc::PhysAddr;
use page_alloc::boot::{MemoryKind, MemoryRegion, Reservation};

/// Entries of a memory map.
const MOST_REGIONS: usize = 256;

/// Letters of a command line.
const LINE: usize = 256;

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
    command_line: ArrayString<{ 4 * LINE }>,
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
    /// Reads what the loader of a kernel left at that address; `magic` is what it left beside.
    pub(crate) fn read(magic: u32, info: u32) -> Self {
        let empty = Self {
            map: ArrayVec::new(),
            rsdp: 0,
            used: ArrayVec::new(),
            command_line: ArrayString::new(),
        };
        match magic {
            multiboot2::MAGIC => empty.with_multiboot2(info),
            _ => empty.with_pvh(info),
        }
    }

    fn with_pvh(mut self, info: u32) -> Self {
        // SAFETY: this is where the loader says that its information is.
        let start: StartInfo = unsafe { at(info.into()) };
        assert_eq!(start.magic, PVH, "the loader is none of those that this kernel knows");
        self.rsdp = start.rsdp;
        let bytes = size_of::<MapEntry>() as u64;
        for number in 0..u64::from(start.map_entries) {
            // SAFETY: the map has so many entries there.
            let entry: MapEntry = unsafe { at(start.map + number * bytes) };
            self.add(entry.base, entry.length, entry.kind);
        }
        if start.command_line != 0 {
            // SAFETY: the loader says that it is there, up to a byte of zero.
            let letters = (start.command_line..).map(|address| unsafe { at::<u8>(address) });
            letters.take(LINE).take_while(|byte| *byte != 0).for_each(|byte| self.say(byte.into()));
        }
        let entries = bytes * u64::from(start.map_entries);
        self.use_of("boot information", info.into(), size_of::<StartInfo>() as u64);
        self.use_of("memory map", start.map, entries);
        self
    }

    fn with_multiboot2(mut self, info: u32) -> Self {
        let start = physical::pointer(info.into()).cast_const().cast();
        // SAFETY: this is where the loader says that its information is; nobody changes it.
        let loaded = unsafe { BootInformation::load(start) }.expect("information by multiboot2");
        let map = loaded.memory_map_tag().expect("a memory map");
        for area in map.memory_areas() {
            self.add(area.start_address(), area.size(), u32::from(area.typ()));
        }
        // The tags have copies of the root of the tables, after two words of their own.
        let new = loaded.rsdp_v2_tag().map(|tag| ptr::from_ref(tag).cast::<u8>());
        let old = loaded.rsdp_v1_tag().map(|tag| ptr::from_ref(tag).cast::<u8>());
        let root = new.or(old).expect("the root of the ACPI tables");
        self.rsdp = root.expose_provenance() as u64 + 8;
        if let Some(tag) = loaded.command_line_tag() {
            tag.cmdline()
                .unwrap_or_default()
                .chars()
                .take(LINE)
                .for_each(|letter| self.say(letter));
        }
        self.use_of("boot information", info.into(), loaded.total_size() as u64);
        self
    }

    fn add(&mut self, base: u64, length: u64, kind: u32) {
        let kind = MemoryKind::from_e820(kind);
        self.map.push(MemoryRegion::new(PhysAddr::new(base), length, kind));
    }

    fn use_of(&mut self, name: &'static str, base: u64, bytes: u64) {
        self.used.push(Reservation::new(name, PhysAddr::new(base), bytes));
    }

    /// A letter more of the command line.
    fn say(&mut self, letter: char) {
        self.command_line.push(letter);
    }

    /// The value of a word `name=value` of the command line.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let pairs = self.command_line.split_whitespace().filter_map(|word| word.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }
}

/// Where the kernel's own image lies.
pub(crate) fn image() -> Reservation {
    let (start, end) = physical::image();
    Reservation::new("kernel", PhysAddr::new(start), end - start)
}
