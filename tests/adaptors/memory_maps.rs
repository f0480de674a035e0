//! Memory maps of boot loaders, in the types of their crates.
#![expect(unsafe_code, reason = "reads boot information at its address")]

use bootloader_api::info::{MemoryRegion as LoaderRegion, MemoryRegionKind};
use limine::memory_map::{Entry, EntryType};
use multiboot2::{BootInformation, BootInformationHeader};
use page_alloc::PhysAddr;
use page_alloc::boot::{BootInfo, MemoryKind, MemoryRegion, RunState, Survey};
use page_alloc::integrations::{multiboot2 as adaptor, uefi_raw as uefi};
use uefi_raw::table::boot::{MemoryAttribute, MemoryDescriptor, MemoryType};

const SEABIOS: &str = include_str!("../data/maps/firmware/seabios-grub-mb2-1g-2n.map");
const OVMF: &str = include_str!("../data/maps/firmware/ovmf-grub-mb2-1g-2n.map");

/// The entries of a recorded map: first byte, length, number of the kind.
fn recorded(map: &str) -> Vec<(u64, u64, u32)> {
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).expect("hex");
    let entry = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (start, end) = (number(words[1]), number(words[2]));
        (start, end - start, words[3].parse().expect("a kind"))
    };
    map.lines().filter(|line| line.starts_with("entry ")).map(entry).collect()
}

/// Boot information as GRUB lays it out, in words of 8 bytes: a memory map, a module, the end.
fn boot_information(entries: &[(u64, u64, u32)]) -> Vec<u64> {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let size = |bytes: usize| u32::try_from(bytes).expect("small");
    let mut words = vec![0, pair(6, size(16 + 24 * entries.len())), pair(24, 0)];
    for (base, length, kind) in entries {
        words.extend([*base, *length, u64::from(*kind)]);
    }
    words.extend([pair(3, 16 + 7), pair(0x20_0000, 0x21_2345)]);
    words.push(u64::from_le_bytes(*b"initrd\0\0"));
    words.push(pair(0, 8));
    words[0] = pair(size(8 * words.len()), 0);
    words
}

/// The maps that GRUB handed to a kernel on `SeaBIOS` and on OVMF, kinds that no standard knows among them:
/// every entry as it was; the module and the information are reserved.
#[test]
fn the_maps_of_grub_are_read_whole() {
    for map in [SEABIOS, OVMF] {
        let entries = recorded(map);
        assert!(entries.len() > 8);
        let words = boot_information(&entries);
        let header = words.as_ptr().cast::<BootInformationHeader>();
        // SAFETY: the words are boot information, aligned to 8 bytes.
        let information = unsafe { BootInformation::load(header) }.expect("boot information");
        let tag = information.memory_map_tag().expect("a map");
        let found: Vec<MemoryRegion> = tag.memory_areas().iter().copied().map(From::from).collect();
        let expected = entries.iter().map(|(base, length, kind)| {
            MemoryRegion::new(PhysAddr::new(*base), *length, MemoryKind::from_e820(*kind))
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
        let taken: Vec<_> = adaptor::reservations(&information, PhysAddr::new(0x19_c000)).collect();
        let texts: Vec<_> = taken.iter().map(ToString::to_string).collect();
        let size = 8 * words.len();
        let itself = format!("boot information 0x19c000 + {size:#x}");
        assert_eq!(texts, [&*itself, "module 0x200000 + 0x12345"]);
        let info = BootInfo::new(&found).reservations(&taken);
        let survey = Survey::new(&info, 12).expect("a machine");
        assert!(survey.frames().end.get() <= 0x4_0000, "1 GiB");
    }
}

/// Each type of UEFI has its kind; memory that is not cached, or has a purpose, is none.
#[test]
fn every_type_of_uefi_has_its_kind() {
    use MemoryKind::{
        AcpiNvs, AcpiReclaimable, BootloaderReclaimable, Persistent, Reserved, Unknown, Unusable,
        Usable,
    };
    let kinds = [
        (MemoryType::RESERVED, Reserved),
        (MemoryType::LOADER_CODE, BootloaderReclaimable),
        (MemoryType::LOADER_DATA, BootloaderReclaimable),
        (MemoryType::BOOT_SERVICES_CODE, BootloaderReclaimable),
        (MemoryType::BOOT_SERVICES_DATA, BootloaderReclaimable),
        (MemoryType::RUNTIME_SERVICES_CODE, Reserved),
        (MemoryType::RUNTIME_SERVICES_DATA, Reserved),
        (MemoryType::CONVENTIONAL, Usable),
        (MemoryType::UNUSABLE, Unusable),
        (MemoryType::ACPI_RECLAIM, AcpiReclaimable),
        (MemoryType::ACPI_NON_VOLATILE, AcpiNvs),
        (MemoryType::MMIO, Reserved),
        (MemoryType::MMIO_PORT_SPACE, Reserved),
        (MemoryType::PAL_CODE, Reserved),
        (MemoryType::PERSISTENT_MEMORY, Persistent),
        (MemoryType::UNACCEPTED, Unknown(15)),
        (MemoryType::custom(0x8000_0000), Unknown(0x8000_0000)),
    ];
    for (ty, kind) in kinds {
        let region = |att| MemoryRegion::from(MemoryDescriptor { ty, att, ..Default::default() });
        assert_eq!(region(MemoryAttribute::WRITE_BACK).kind, kind, "{ty:?}");
        let ours = matches!(kind, Usable | BootloaderReclaimable);
        let otherwise = if ours { Reserved } else { kind };
        assert_eq!(region(MemoryAttribute::WRITE_COMBINE).kind, otherwise, "{ty:?}");
        let special = MemoryAttribute::WRITE_BACK | MemoryAttribute::SPECIAL_PURPOSE;
        assert_eq!(region(special).kind, otherwise, "{ty:?}");
    }
    let endless =
        MemoryDescriptor { phys_start: 0x1000, page_count: u64::MAX, ..Default::default() };
    assert_eq!(MemoryRegion::from(endless).length, u64::MAX, "dropped as one that wraps");
}

/// A map as firmware writes it has entries longer than their fields; bytes that are no whole entry are
/// none, and entries too short for the fields no map.
#[test]
fn raw_maps_of_uefi_are_read_by_their_stride() {
    let mut map = Vec::new();
    for (ty, start, pages) in [(7_u32, 0x10_0000_u64, 0x700_u64), (4, 0x80_0000, 0x100)] {
        map.extend(u64::from(ty).to_le_bytes());
        map.extend(start.to_le_bytes());
        map.extend(0_u64.to_le_bytes());
        map.extend(pages.to_le_bytes());
        map.extend(0xf_u64.to_le_bytes());
        map.extend([0xee; 8]);
    }
    let texts = |map: &[u8], size| -> Option<Vec<String>> {
        Some(uefi::regions(map, size)?.map(|region| region.to_string()).collect())
    };
    let both = ["usable 0x100000 + 0x700000", "boot loader 0x800000 + 0x100000"];
    assert_eq!(texts(&map, 48).expect("whole entries"), both);
    assert_eq!(texts(&map[..95], 48).expect("whole entries"), both[..1]);
    assert_eq!((texts(&map, 0), texts(&map, 39)), (None, None));
}

/// Each kind of `limine` and of `bootloader_api`: what is free, what is kept for now, and what is no
/// memory.
#[test]
fn every_kind_of_boot_loaders_has_its_state() {
    let free = Some(RunState::Free);
    let kept = Some(RunState::Reclaimable);
    let limine = [
        (EntryType::USABLE, free),
        (EntryType::RESERVED, None),
        (EntryType::ACPI_RECLAIMABLE, kept),
        (EntryType::ACPI_NVS, None),
        (EntryType::BAD_MEMORY, None),
        (EntryType::BOOTLOADER_RECLAIMABLE, kept),
        (EntryType::EXECUTABLE_AND_MODULES, None),
        (EntryType::FRAMEBUFFER, None),
    ];
    for (entry_type, state) in limine {
        let region = MemoryRegion::from(Entry { base: 0x1000, length: 0x2000, entry_type });
        assert_eq!(region.kind.state(), state, "{region}");
        assert_eq!((region.base, region.length), (PhysAddr::new(0x1000), 0x2000));
    }
    let loader = [
        (MemoryRegionKind::Usable, free),
        (MemoryRegionKind::Bootloader, kept),
        (MemoryRegionKind::UnknownUefi(10), None),
        (MemoryRegionKind::UnknownUefi(9), kept),
        (MemoryRegionKind::UnknownBios(2), None),
        (MemoryRegionKind::UnknownBios(99), None),
    ];
    for (kind, state) in loader {
        let region = MemoryRegion::from(LoaderRegion { start: 0x1000, end: 0x3000, kind });
        assert_eq!(region.kind.state(), state, "{region}");
        assert_eq!((region.base, region.length), (PhysAddr::new(0x1000), 0x2000));
    }
    let reversed = LoaderRegion { start: 2, end: 1, kind: MemoryRegionKind::Usable };
    assert_eq!(MemoryRegion::from(reversed).length, 0);
}
