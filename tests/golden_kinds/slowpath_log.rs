//! The steps of a request, written as recordings write them.

use crate::port::{KINDS, Span};
use page_alloc::{
    AllocFlags, AllocStep, Attempted, Gfp, KswapdWake, NodeId, NodeMask, Shortage, Trace, ZoneType,
};
use std::cell::RefCell;
use std::rc::Rc;

/// The steps so far.
#[derive(Debug)]
pub struct Log {
    /// The flags asked with.
    pub asked: Gfp,
    pub steps: Vec<String>,
    /// Those of the attempt that has not ended yet: recordings show them below it.
    inner: Vec<String>,
    /// The zones, by the frames that they span.
    zones: Rc<[(String, Span)]>,
}

impl Log {
    pub fn new(asked: Gfp, zones: Rc<[(String, Span)]>) -> Self {
        Self { asked, steps: Vec::new(), inner: Vec::new(), zones }
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.inner.clear();
    }

    /// A frame and its zone.
    pub fn frame(&self, pfn: u64) -> String {
        let zone = self.zones.iter().find(|(_, (start, end))| (start..end).contains(&&pfn));
        format!("{pfn} {}", zone.map_or("no zone", |(name, _)| name))
    }

    pub fn step(&mut self, text: &str) {
        self.steps.push(format!("s {text}"));
    }

    /// A question during an attempt.
    pub fn inner(&mut self, text: &str) {
        self.inner.push(format!("s + {text}"));
    }

    /// What became of the flags asked with.
    pub fn gfp(&self, gfp: Gfp) -> String {
        if gfp.is_empty() {
            return "0".into();
        }
        let names = |flags: Gfp, sign: &str| -> String {
            let named = NAMES.iter().filter(|(_, flag)| flags.contains(*flag));
            named.map(|(name, _)| format!("{sign}{name}")).collect()
        };
        let difference = names(self.asked - gfp, "-") + &names(gfp - self.asked, "+");
        if difference.is_empty() { "=".into() } else { difference }
    }

    /// Waking kswapd. Without flags it is because of a boost, and belongs to the attempt.
    pub fn wake(&mut self, wake: KswapdWake) {
        let KswapdWake { node, zone, order, highest, gfp } = wake;
        let id = zone_name(node, zone);
        let text = format!("wake {id} order={order} hz={} gfp{}", kind(highest), self.gfp(gfp));
        if gfp.is_empty() { self.inner(&text) } else { self.step(&text) }
    }

    fn attempt(&mut self, event: Attempted) {
        let Attempted { gfp, flags, highest, nodemask, preferred, found, .. } = event;
        let found = found.map_or("-".into(), |pfn| self.frame(pfn.get()));
        let preferred = preferred.map_or("-".into(), |(node, zone)| zone_name(node, zone));
        self.steps.push(format!(
            "s try {} hz={} mask={} pref={preferred} gfp{} -> {found}",
            letters(flags),
            kind(highest),
            mask(nodemask),
            self.gfp(gfp),
        ));
        self.steps.append(&mut self.inner);
    }

    /// `order=O gfpD mask=M`
    pub fn shortage(&self, shortage: &Shortage) -> String {
        let Shortage { order, gfp, nodemask, .. } = *shortage;
        format!("order={order} gfp{} mask={}", self.gfp(gfp), mask(nodemask))
    }
}

/// The flags that change on the way.
const NAMES: [(&str, Gfp); 6] = [
    ("ATOMIC", Gfp::ATOMIC_CONTEXT),
    ("IO", Gfp::IO),
    ("FS", Gfp::FS),
    ("MOVABLE", Gfp::MOVABLE),
    ("DIRECT_RECLAIM", Gfp::DIRECT_RECLAIM),
    ("HARDWALL", Gfp::HARDWALL),
];

/// The name of a zone type in recordings.
pub fn kind(zone: ZoneType) -> &'static str {
    match zone {
        ZoneType::Dma => KINDS[0],
        ZoneType::Dma32 => KINDS[1],
        ZoneType::Normal => KINDS[2],
        ZoneType::HighMem => "HIGHMEM",
        ZoneType::Movable => KINDS[3],
    }
}

pub fn zone_name(node: NodeId, zone: ZoneType) -> String {
    format!("{node}:{}", kind(zone))
}

pub fn mask(nodes: Option<NodeMask>) -> String {
    let Some(nodes) = nodes else { return "-".into() };
    let names: Vec<String> = nodes.iter().map(|node| node.to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(",") }
}

/// The flags of an attempt; the first letter is the watermark.
pub fn letters(flags: AllocFlags) -> String {
    let level = match () {
        () if flags.contains(AllocFlags::WMARK_HIGH) => 'h',
        () if flags.contains(AllocFlags::WMARK_LOW) => 'l',
        () => 'm',
    };
    let others = [
        ('X', AllocFlags::NO_WATERMARKS),
        ('C', AllocFlags::CMA),
        ('K', AllocFlags::KSWAPD),
        ('N', AllocFlags::NOFRAGMENT),
        ('H', AllocFlags::HIGHATOMIC),
        ('B', AllocFlags::NON_BLOCK),
        ('G', AllocFlags::MIN_RESERVE),
        ('O', AllocFlags::OOM),
        ('S', AllocFlags::CPUSET),
    ];
    let others = others.iter().filter(|(_, flag)| flags.contains(*flag));
    std::iter::once(level).chain(others.map(|(letter, _)| *letter)).collect()
}

/// Writes down what the allocator does by itself.
#[derive(Clone, Debug)]
pub struct Watcher(pub Rc<RefCell<Log>>);

impl Trace for Watcher {
    fn alloc_step(&self, step: AllocStep) {
        let mut log = self.0.borrow_mut();
        match step {
            AllocStep::Attempt(event) => log.attempt(event),
            AllocStep::Unreserve { last_too, moved } => {
                log.step(&format!("unreserve force={} -> {}", u8::from(last_too), u8::from(moved)));
            }
            AllocStep::Drain => log.step("drain"),
            AllocStep::CompactionWorked { node, zone, order } => {
                let id = zone_name(node, zone);
                log.step(&format!("defer_reset {id} order={order} success=1"));
            }
            _ => log.step("unknown"),
        }
    }
}
