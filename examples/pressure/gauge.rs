//! The free frames of a zone against its watermarks, as time goes on.

use page_alloc::report::ZoneRef;
use page_alloc::zone::watermark::ZoneView;
use page_alloc::{Platform, WatermarkLevel, ZoneType};

/// From below the min watermark to far above the high one.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What the bars mean.
pub(crate) const LEGEND: &str =
    "▁ below min, ▂ below low, ▃ below high, ▄ below 2 x high, ▅ 8 x, ▆ 32 x, ▇ 128 x, █ above";

/// The bar for so many free frames.
pub(crate) fn bar(free: u64, [min, low, high]: [u64; 3]) -> usize {
    let ends = [min, low, high, 2 * high, 8 * high, 32 * high, 128 * high];
    ends.iter().take_while(|end| free >= **end).count()
}

/// How often each watermark was crossed: min, low, high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crossings {
    pub(crate) down: [u64; 3],
    pub(crate) up: [u64; 3],
}

impl Crossings {
    /// From one bar to another.
    pub(crate) fn add(&mut self, before: usize, after: usize) {
        for level in 0..3 {
            self.down[level] += u64::from(before > level && after <= level);
            self.up[level] += u64::from(before <= level && after > level);
        }
    }

    /// What was crossed, if anything was.
    pub(crate) fn line(&self) -> Option<String> {
        let names = WatermarkLevel::ALL.map(|level| format!("{level:?}").to_lowercase());
        let part = |word: &str, counts: [u64; 3]| {
            let crossed = names.iter().zip(counts).filter(|(_, count)| *count > 0);
            let texts: Vec<_> = crossed.map(|(name, count)| format!("{name} {count}x")).collect();
            (!texts.is_empty()).then(|| format!("{word} {}", texts.join(", ")))
        };
        let parts = [part("fell below", self.down), part("rose above", self.up)];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// One zone.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    pub(crate) zone: ZoneType,
    /// Frames of the zone, and its watermarks at the beginning.
    pub(crate) managed: u64,
    pub(crate) marks: [u64; 3],
    now: usize,
    /// The lowest bar of each step.
    lowest: Vec<usize>,
    crossings: Crossings,
}

impl Gauge {
    pub(crate) fn new<P: Platform>(zone: ZoneRef<'_, P>) -> Self {
        let (free, marks) = look(zone);
        let now = bar(free, marks);
        let (zone_type, managed) = (zone.zone_type(), zone.managed_pages());
        let crossings = Crossings::default();
        Self { zone: zone_type, managed, marks, now, lowest: Vec::new(), crossings }
    }

    /// Another step begins.
    pub(crate) fn step(&mut self) {
        self.lowest.push(self.now);
    }

    /// Looks at the zone.
    pub(crate) fn look<P: Platform>(&mut self, zone: ZoneRef<'_, P>) {
        let (free, marks) = look(zone);
        let now = bar(free, marks);
        self.crossings.add(self.now, now);
        self.now = now;
        if let Some(lowest) = self.lowest.last_mut() {
            *lowest = now.min(*lowest);
        }
    }

    /// What was crossed since the last call.
    pub(crate) fn take_crossings(&mut self) -> Crossings {
        std::mem::take(&mut self.crossings)
    }

    /// A bar for each stretch of so many steps, its lowest.
    pub(crate) fn sparkline(&self, stretch: usize) -> String {
        let stretches = self.lowest.chunks(stretch.max(1));
        stretches.filter_map(|bars| bars.iter().min()).map(|bar| BARS[*bar]).collect()
    }
}

/// The free frames and the watermarks, with their boost.
fn look<P: Platform>(zone: ZoneRef<'_, P>) -> (u64, [u64; 3]) {
    let it = zone.snapshot();
    let mark = |level| it.watermark(level) + it.watermark_boost;
    (it.free_pages, WatermarkLevel::ALL.map(mark))
}
