//! A page cache: blocks with contents that can be read again from elsewhere, so that they may be thrown
//! away, and that can be moved meanwhile.

use crate::frames::FRAMES;
use crate::physical;
use crate::zones;
use arrayvec::ArrayVec;
use core::mem::replace;
use core::sync::atomic::{AtomicU64, Ordering};
use page_alloc::{Gfp, Migrated, NodeId, Order, Pages, Pfn, PhysAddr, ZoneType};
use spin::mutex::SpinMutex;

/// Places for blocks.
const PLACES: usize = 1 << 18;

/// Zones and nodes that are counted apart.
const ZONES: usize = 32;
const NODES: usize = 64;

/// Blocks that are thrown away at once.
const CLUSTER: usize = 32;

/// Words of a frame that are written and looked at, and how far apart they are.
const WORDS: usize = 8;
const APART: usize = 64;

/// What is in the cache: the place of a block is its number among blocks of its size.
struct Cache {
    blocks: [Option<Pages>; PLACES],
    /// What was written to each block.
    seeds: [u32; PLACES],
    /// Where in each node the search for blocks to throw away goes on.
    hands: [usize; NODES],
    order: Order,
    next_seed: u32,
}

static CACHE: SpinMutex<Cache> = SpinMutex::new(Cache {
    blocks: [const { None }; PLACES],
    seeds: [0; PLACES],
    hands: [0; NODES],
    order: Order::ZERO,
    next_seed: 1,
});

/// Cached frames of each zone.
static CACHED: [AtomicU64; ZONES] = [const { AtomicU64::new(0) }; ZONES];

/// Blocks that were moved, with their contents.
pub(crate) static MOVED: AtomicU64 = AtomicU64::new(0);

/// What was thrown away, and how many blocks were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evicted {
    pub(crate) frames: u64,
    pub(crate) scanned: u64,
}

/// Sets the size of blocks: the smallest with which all memory has places.
pub(crate) fn init() {
    let end = zones::all().iter().map(|zone| zone.span.end.get()).max().expect("memory");
    let order = Order::ALL.into_iter().find(|order| end >> order.get() < PLACES as u64);
    CACHE.lock().order = order.expect("less than a terabyte");
}

/// The size of blocks.
pub(crate) fn order() -> Order {
    CACHE.lock().order
}

/// Reads a block into the cache. False: there was no memory.
pub(crate) fn read(gfp: Gfp) -> bool {
    let Ok(pages) = FRAMES.alloc_pages(gfp, order()) else { return false };
    let mut cache = CACHE.lock();
    let seed = cache.next_seed;
    cache.next_seed = seed.wrapping_add(1);
    write(&pages, seed);
    cache.put(pages, seed);
    true
}

/// The frames of a zone that could be thrown away.
pub(crate) fn frames(node: NodeId, kind: ZoneType) -> u64 {
    let place = zones::all().iter().position(|zone| (zone.node, zone.kind) == (node, kind));
    place.map_or(0, |place| CACHED[place].load(Ordering::Relaxed))
}

/// Those of a node.
fn frames_on(node: NodeId) -> u64 {
    let zones = zones::all().iter().zip(&CACHED).filter(|(zone, _)| zone.node == node);
    zones.map(|(_, cached)| cached.load(Ordering::Relaxed)).sum()
}

/// Throws blocks of a node away, those first that it comes upon first; at most so many frames.
pub(crate) fn evict(node: NodeId, frames: u64) -> Evicted {
    let mut evicted = Evicted::default();
    let mut round_trips = 0;
    while evicted.frames < frames && round_trips < 2 && frames_on(node) > 0 {
        let mut cluster: ArrayVec<(Pages, u32), CLUSTER> = ArrayVec::new();
        let wrapped = CACHE.lock().take_some(node, &mut cluster, &mut evicted.scanned);
        round_trips += u32::from(wrapped);
        for (pages, seed) in cluster {
            evicted.frames += pages.order().nr_pages();
            check(&pages, seed);
            FRAMES.free_pages(pages).expect("an allocated block");
        }
    }
    evicted
}

/// Throws away every block of which `goes` says so.
pub(crate) fn evict_where(mut goes: impl FnMut(Pfn) -> bool) {
    for place in 0..PLACES {
        let mut cache = CACHE.lock();
        if cache.blocks[place].as_ref().is_some_and(|pages| goes(pages.pfn())) {
            let taken = cache.take(place);
            drop(cache);
            if let Some((pages, seed)) = taken {
                check(&pages, seed);
                FRAMES.free_pages(pages).expect("an allocated block");
            }
        }
    }
}

/// Moves the block that begins at a frame into `target`, contents and all.
pub(crate) fn migrate(from: Pfn, target: &mut Pages) -> Migrated {
    let mut cache = CACHE.lock();
    let place = cache.place(from);
    let fits = |pages: &Pages| pages.pfn() == from && pages.order() == target.order();
    if !cache.blocks[place].as_ref().is_some_and(fits) {
        return Migrated::Unmovable;
    }
    let Some((pages, seed)) = cache.take(place) else { return Migrated::Unmovable };
    let (source, bytes) = (address(&pages), (pages.order().nr_pages() << 12) as usize);
    // SAFETY: both blocks are this function's alone: the cache is locked.
    unsafe { physical::copy(address(target).get(), source.get(), bytes) };
    let target = replace(target, pages);
    check(&target, seed);
    cache.put(target, seed);
    MOVED.fetch_add(1, Ordering::Relaxed);
    Migrated::Done
}

impl Cache {
    fn place(&self, frame: Pfn) -> usize {
        (frame.get() >> self.order.get()) as usize
    }

    fn put(&mut self, pages: Pages, seed: u32) {
        let (place, frames) = (self.place(pages.pfn()), pages.order().nr_pages());
        CACHED[zones::place_of(pages.pfn())].fetch_add(frames, Ordering::Relaxed);
        self.seeds[place] = seed;
        assert!(self.blocks[place].replace(pages).is_none(), "a block was given out twice");
    }

    fn take(&mut self, place: usize) -> Option<(Pages, u32)> {
        let pages = self.blocks[place].take()?;
        CACHED[zones::place_of(pages.pfn())].fetch_sub(pages.order().nr_pages(), Ordering::Relaxed);
        Some((pages, self.seeds[place]))
    }

    /// Takes some blocks of a node. True: the hand has come to the node's end.
    fn take_some(
        &mut self,
        node: NodeId,
        cluster: &mut ArrayVec<(Pages, u32), CLUSTER>,
        scanned: &mut u64,
    ) -> bool {
        let spans = zones::all().iter().filter(|zone| zone.node == node).map(|zone| zone.span);
        let start = spans.clone().map(|span| self.place(span.start)).min().unwrap_or(0);
        let end = spans.map(|span| self.place(span.end)).max().unwrap_or(0);
        let mut hand = self.hands[node.index()].clamp(start, end);
        while hand < end && !cluster.is_full() {
            let here = self.blocks[hand].as_ref();
            let ours =
                here.is_some_and(|pages| zones::all()[zones::place_of(pages.pfn())].node == node);
            if ours {
                *scanned += 1;
                cluster.extend(self.take(hand));
            }
            hand += 1;
        }
        let wrapped = hand == end;
        self.hands[node.index()] = if wrapped { start } else { hand };
        wrapped
    }
}

fn address(pages: &Pages) -> PhysAddr {
    pages.pfn().start_address(12)
}

/// The words of a block that are looked at, with what belongs there.
fn words(pages: &Pages, seed: u32) -> impl Iterator<Item = (*mut u64, u64)> {
    let start: *mut u64 = physical::pointer(address(pages).get()).cast();
    let words = (0..pages.order().nr_pages() as usize * WORDS).map(|word| word * APART);
    words.map(move |word| {
        let value = (u64::from(seed) << 32 | word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (start.wrapping_add(word), value)
    })
}

fn write(pages: &Pages, seed: u32) {
    for (place, value) in words(pages, seed) {
        // SAFETY: the word is in the block, which is the caller's alone.
        unsafe { place.write_volatile(value) };
    }
}

fn check(pages: &Pages, seed: u32) {
    for (place, value) in words(pages, seed) {
        // SAFETY: the word is in the block, which is the caller's alone.
        let found = unsafe { place.read_volatile() };
        assert_eq!(found, value, "{pages:?}: the contents of {place:?}");
    }
}
