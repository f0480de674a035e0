//! Booting: from a memory map to an allocator that serves, by size of machine. One operation is one
//! largest block; the place of the tables is in the host's memory already.
//!
//! Tables that fit into the host's memory are dirty, and in large pages, as a kernel has its memory.
//! Larger ones are in small pages, of which a boot touches a quarter: only these are in memory.

use super::floor;
use crate::harness::maps;
use crate::harness::ours::NAME;
use crate::harness::recorder::Recorder;
use memmap2::{Advice, MmapMut, MmapOptions};
use page_alloc::boot::{BootInfo, Survey, metadata_bytes};
use page_alloc::sim::SimConfig;
use page_alloc::{IrqFlags, NoReclaim, NoTrace, Order, PageAllocator, PhysAddr, Platform};
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

const GROUP: &str = "boot";

/// What the tables hold before boot.
const DIRT: u8 = 0xa5;

/// A machine of which only the tables are in memory.
struct TablesOnly {
    first: PhysAddr,
    memory: *mut u8,
}

// SAFETY: one CPU, no interrupts. Of the machine's memory the allocator reaches its tables alone,
// which are contiguous from `first` on, and so is the host's memory for them.
unsafe impl Platform for TablesOnly {
    fn irq_save(&self) -> IrqFlags {
        IrqFlags(0)
    }

    unsafe fn irq_restore(&self, _: IrqFlags) {}

    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        let offset = usize::try_from(address.get() - self.first.get()).expect("64 bits");
        self.memory.wrapping_add(offset)
    }
}

pub(crate) fn run(recorder: &mut Recorder) -> Result<(), Box<dyn Error>> {
    let flat = |name, bytes| (name, SimConfig::flat(bytes));
    let machines = [
        flat("64 MiB", 64 << 20),
        flat("1 GiB", 1 << 30),
        flat("16 GiB", 16 << 30),
        flat("64 GiB", 64 << 30),
        flat("256 GiB", 256 << 30),
        ("755 GiB, 2 nodes", maps::read("server-2node-755g.map")?),
        ("900 GiB, 4 nodes", maps::read("cloud-4node-900g.map")?),
        flat("4 TiB", 4 << 40),
        // As large as a machine can be.
        flat("16 TiB - 8 MiB", (16 << 40) - (8 << 20)),
    ];
    let mut memory = None;
    for (name, machine) in &machines {
        machine.with_boot_info(|info| boots(recorder, &mut memory, name, info))?;
    }
    Ok(())
}

fn boots(
    recorder: &mut Recorder,
    memory: &mut Option<MmapMut>,
    name: &str,
    info: &BootInfo<'_>,
) -> Result<(), Box<dyn Error>> {
    if !recorder.asks_for((GROUP, name, NAME)) {
        return Ok(());
    }
    let bytes = metadata_bytes(info, TablesOnly::PAGE_SHIFT)?;
    // What is too small goes back to the host before it is asked how much it has.
    *memory = memory.take().filter(|memory| memory.len() >= bytes);
    let pages = match available() {
        room if room > bytes + bytes / 2 => Pages::Large,
        // Nothing to be done in a moment.
        room if room > bytes / 4 + bytes / 16 && recorder.is_full() => Pages::Touched,
        _ => {
            println!("{GROUP}/{name}: left out, the host has no room for tables of {bytes} bytes");
            return Ok(());
        }
    };
    let survey = Survey::new(info, TablesOnly::PAGE_SHIFT)?;
    let place = survey.place_metadata(bytes.div_ceil(1 << TablesOnly::PAGE_SHIFT) as u64)?;
    let first = place.start.start_address(TablesOnly::PAGE_SHIFT);
    let frames: u64 = survey.runs().map(|run| run.range.len()).sum();
    let blocks = frames.div_ceil(Order::MAX.nr_pages());
    if matches!(pages, Pages::Large) {
        let tables = tables(memory, bytes, pages);
        recorder.case(
            (GROUP, name, floor::NAME),
            blocks,
            move || Ok(tables),
            |tables, times| {
                let start = Instant::now();
                (0..times).for_each(|_| write_to_each(&mut tables[..bytes]));
                Ok(start.elapsed())
            },
        );
    }
    let setup = || {
        let memory = tables(memory, bytes, pages).as_mut_ptr();
        if matches!(pages, Pages::Touched) {
            boot(info, first, memory);
        }
        Ok(memory)
    };
    recorder.case((GROUP, name, NAME), blocks, setup, |memory, times| {
        Ok((0..times).map(|_| boot(info, first, *memory)).sum())
    });
    Ok(())
}

/// Writes a word of sixteen bytes into the descriptors of each largest block, which have a page of the
/// processor's or more: what the way to memory costs a boot at least.
fn write_to_each(tables: &mut [u8]) {
    for place in tables.chunks_mut(16 << Order::MAX.get()) {
        if let Some(word) = black_box(place).first_chunk_mut::<16>() {
            *word = [DIRT; 16];
        }
    }
}

fn boot(info: &BootInfo<'_>, first: PhysAddr, memory: *mut u8) -> Duration {
    let start = Instant::now();
    let allocator = PageAllocator::with_hooks(TablesOnly { first, memory }, NoReclaim, NoTrace);
    // SAFETY: the platform reaches the tables, the allocator is gone before the next one is made,
    // and nothing is ever allocated.
    let report = unsafe { allocator.init(info) };
    let time = start.elapsed();
    report.expect("a legal machine");
    time
}

/// The pages of the host that the tables are in.
#[derive(Clone, Copy)]
enum Pages {
    /// All of them, large ones.
    Large,
    /// Small ones, those that a boot touches.
    Touched,
}

/// Memory for so many bytes of tables: what there is, which is large enough if it is there.
fn tables(memory: &mut Option<MmapMut>, bytes: usize, pages: Pages) -> &mut MmapMut {
    memory.get_or_insert_with(|| match pages {
        Pages::Large => dirty(bytes),
        Pages::Touched => touched(bytes),
    })
}

fn dirty(bytes: usize) -> MmapMut {
    let mut map = MmapMut::map_anon(bytes).expect("memory");
    // A kernel maps its memory in large pages. Where the host has none the bench still runs.
    let _advised = map.advise(Advice::HugePage);
    map.fill(DIRT);
    map
}

/// Memory that becomes the host's when it is touched: by a boot that is not measured.
fn touched(bytes: usize) -> MmapMut {
    let map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon().expect("addresses");
    map.advise(Advice::NoHugePage).expect("small pages");
    map
}

/// The bytes of memory that the host has to spare.
fn available() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.map_or(usize::MAX, |kib| kib << 10)
}
