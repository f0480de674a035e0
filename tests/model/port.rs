//! The port of a zone under test: what a recording, or a comparison of two zones, asks of it.
//!
//! Frames, orders and migratetypes are bare numbers here, and flags are the letters of the
//! recordings, so that the naive model shares no word with the crate that it judges.

/// A range of frames: the first, and one past the last.
pub type Span = (u64, u64);

/// Number of migratetypes.
pub const TYPES: usize = 6;
/// Number of orders.
pub const ORDERS: usize = 11;
/// The letters of the migratetypes, in the order of their numbers.
pub const LETTERS: &str = "UMRHCI";
/// Frames of a pageblock.
pub const PAGEBLOCK: u64 = 512;

/// What one zone is made of.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub span: Span,
    pub present: Vec<Span>,
    pub reserved: Vec<Span>,
    pub cma: Vec<Span>,
    /// min, low, high
    pub marks: [u64; 3],
    pub boost_factor: u64,
    pub mobility_disabled: bool,
    /// Whether it is a MOVABLE zone: whatever is allocated in it counts as movable.
    pub all_movable: bool,
}

/// The counters of a zone, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub free: u64,
    pub cma: u64,
    pub boost: u64,
    pub hatomic: u64,
}

/// A look at the state of a zone.
pub trait ZoneView {
    fn counters(&self) -> Counters;
    /// Calls `visit` with order, list and first frame of every free block: by order, then list,
    /// then from head to tail.
    fn for_each_free(&self, visit: &mut dyn FnMut(u32, u8, u64));
    /// The migratetype of the pageblock that holds `pfn`.
    fn pageblock_type(&self, pfn: u64) -> u8;
    /// The zone's own opinion of its state.
    fn verify(&self) -> Result<(), String>;
}

/// One zone alone.
///
/// Blocks are named by first frame and order, and only allocated ones are given back, split or
/// marked.
pub trait ZoneUnderTest: ZoneView {
    fn rmqueue(&mut self, order: u32, migratetype: u8, flags: &str) -> Option<u64>;
    /// Whether the "boosted, wake kswapd" mark was set; it is cleared.
    fn take_boosted(&mut self) -> bool;
    fn reserve_highatomic(&mut self, pfn: u64, order: u32);
    fn set_movable(&mut self, pfn: u64, order: u32);
    fn free(&mut self, pfn: u64, order: u32);
    /// Makes single frames of a block, each movable or each not.
    fn split(&mut self, pfn: u64, order: u32, movable: bool);
    fn unreserve_highatomic(&mut self, migratetype: u8, force: bool) -> bool;
    fn reset_boost(&mut self);
    /// Whether the pageblock could be isolated.
    fn isolate(&mut self, pfn: u64, migratetype: u8) -> bool;
    fn unisolate(&mut self, pfn: u64, migratetype: u8);
}

/// Something that can set up a zone and lend it for some work.
pub trait Boot {
    fn boot<R>(setup: &Setup, work: impl FnOnce(&mut dyn ZoneUnderTest) -> R) -> R;
}

/// The zone types that recordings of machines know, by number.
pub const KINDS: [&str; 4] = ["DMA", "DMA32", "NORMAL", "MOVABLE"];

/// A zone by its node and the number of its type.
pub type ZoneId = (u32, usize);

/// One zone of a machine.
#[derive(Clone, Debug, Default)]
pub struct ZoneSetup {
    pub id: ZoneId,
    pub zone: Setup,
    pub lowmem_reserve: [u64; KINDS.len()],
}

/// A machine of several nodes and zones.
#[derive(Clone, Debug, Default)]
pub struct MachineSetup {
    /// Nodes online, with memory or without.
    pub nodes: usize,
    /// Present frames: node and range.
    pub memory: Vec<(u32, Span)>,
    /// The distance row of each node.
    pub distances: Vec<Vec<u64>>,
    /// The populated zones, by node, then type.
    pub zones: Vec<ZoneSetup>,
    /// The zonelist of each node.
    pub fallback: Vec<Vec<ZoneId>>,
    /// One past the last frame of DMA and of DMA32, perhaps in a hole; `None`: where the zones end.
    pub borders: Option<[u64; 2]>,
}

/// One attempt to allocate from the zonelist of a node.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name of the composite flag; `|__GFP_THISNODE` may follow.
    pub gfp: &'a str,
    pub order: u32,
    pub node: u32,
    /// A bit for each node that will do; `None`: all.
    pub mask: Option<u64>,
    /// Letters; the first is m, l or h for the watermark to keep.
    pub flags: &'a str,
}

/// What came of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub pfn: Option<u64>,
    /// The zones whose "boosted" mark was consumed.
    pub wakes: Vec<ZoneId>,
}

/// A machine: several zones under zonelists.
pub trait MachineUnderTest {
    fn attempt(&mut self, attempt: Attempt<'_>) -> Outcome;
    fn set_movable(&mut self, pfn: u64, order: u32);
    fn free(&mut self, pfn: u64, order: u32);
    fn reset_boost(&mut self, zone: ZoneId);
    /// Shows the zone at this place among the populated ones.
    fn look(&self, index: usize, look: &mut dyn FnMut(&dyn ZoneView));
}

/// Something that can set up a machine and lend it for some work.
pub trait BootMachine {
    fn boot<R>(setup: &MachineSetup, work: impl FnOnce(&mut dyn MachineUnderTest) -> R) -> R;
}
