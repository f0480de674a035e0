//! The history of a machine under pressure, and what is printed of it.

use crate::gauge::{Crossings, Gauge, LEGEND};
use crate::kernel::{Switch, Switches};
use crate::options::Options;
use crate::system::System;
use crate::tally::Tally;
use crate::workload::stages;
use page_alloc::sim::{SimConfig, SimError};
use page_alloc::{PhysAddr, ZoneLayout, ZoneType};
use std::fmt;

/// The timeline has a group of lines for so many steps, of a millisecond each.
const STRETCH: u64 = 100;

/// The sparklines have so many bars at most.
const MOST_BARS: usize = 100;

/// Processes at the beginning.
const PROCESSES: usize = 8;

/// A line or a few of the timeline.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    /// The phase that has just begun.
    pub(crate) phase: Option<&'static str>,
    /// When it ended, in milliseconds.
    pub(crate) end: u64,
    pub(crate) crossings: Vec<(ZoneType, Crossings)>,
    pub(crate) tally: Tally,
}

/// A history.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    pub(crate) gauges: Vec<Gauge>,
    pub(crate) stretches: Vec<Stretch>,
    /// What is wrong with the machine after all was given back.
    pub(crate) fault: Option<String>,
}

/// Half of the memory is NORMAL, the rest DMA32, but for the lowest 16 MiB.
fn config(mib: u64) -> SimConfig {
    let mut config = SimConfig::flat(mib << 20);
    let [dma, dma32] = [16, mib / 2].map(|mib| Some(PhysAddr::new(mib << 20)));
    config.zones = ZoneLayout::new(dma, dma32, None);
    config
}

impl Simulation {
    pub(crate) fn run(options: &Options) -> Result<Self, SimError> {
        let all = Switches { grouping: Switch::On, compaction: Switch::On, eviction: Switch::On };
        let chances = (options.seed, options.fail_chance);
        let mut system = System::boot(&config(options.mib), all, chances)?;
        let zones = system.machine().zones().filter(|zone| zone.managed_pages() > 0);
        let gauges = zones.map(Gauge::new).collect();
        let mut this = Self { gauges, stretches: Vec::new(), fault: None };
        system.kernel().processes().start_up_to(PROCESSES);
        this.play(&mut system, options.steps);
        this.fault = system.shut_down().err();
        Ok(this)
    }

    fn play(&mut self, system: &mut System, steps: u64) {
        for stage in stages(steps) {
            let mut phase = Some(stage.phase.name);
            for step in stage.start..stage.end {
                self.gauges.iter_mut().for_each(Gauge::step);
                (0..stage.ends(step)).for_each(|_| system.end_process());
                stage.run(step, system, |system| self.look(system));
                system.run_threads(step);
                self.look(system);
                if (step + 1).is_multiple_of(STRETCH) || step + 1 == stage.end {
                    self.end_stretch(system, phase.take(), step + 1);
                }
            }
        }
    }

    fn look(&mut self, system: &System) {
        let zones = system.machine().zones().filter(|zone| zone.managed_pages() > 0);
        self.gauges.iter_mut().zip(zones).for_each(|(gauge, zone)| gauge.look(zone));
    }

    fn end_stretch(&mut self, system: &System, phase: Option<&'static str>, end: u64) {
        let crossings = self.gauges.iter_mut().rev();
        let crossings = crossings.map(|gauge| (gauge.zone, gauge.take_crossings())).collect();
        let tally = std::mem::take(&mut *system.kernel().tally());
        self.stretches.push(Stretch { phase, end, crossings, tally });
    }

    /// All stretches together.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.stretches.iter().for_each(|stretch| total += &stretch.tally);
        total
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = self.phase {
            writeln!(f, "  -- {phase}")?;
        }
        let zones = self.crossings.iter();
        let zones =
            zones.filter_map(|(zone, crossings)| Some((zone.to_string(), crossings.line()?)));
        let others = self.tally.lines().into_iter().map(|(name, line)| (name.to_owned(), line));
        zones.chain(others).try_for_each(|(name, line)| {
            writeln!(f, "  {}.{:03} s  {name:<9}  {line}", self.end / 1000, self.end % 1000)
        })
    }
}

/// The timeline, then a sparkline for each zone.
impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "timeline")?;
        self.stretches.iter().try_for_each(|stretch| stretch.fmt(f))?;
        writeln!(f, "  -- in all")?;
        let lines = self.total().lines();
        lines.iter().try_for_each(|(name, line)| writeln!(f, "           {name:<9}  {line}"))?;
        let steps = self.stretches.last().map_or(0, |stretch| stretch.end);
        let width = usize::try_from(steps).unwrap_or(usize::MAX).div_ceil(MOST_BARS).max(1);
        writeln!(f, "\nfree frames, the least of each {width} ms\n  {LEGEND}")?;
        self.gauges.iter().rev().try_for_each(|gauge| {
            let Gauge { zone, managed, marks: [min, low, high], .. } = gauge;
            writeln!(f, "  {zone}: {managed} frames; min {min}, low {low}, high {high}")?;
            writeln!(f, "  {}", gauge.sparkline(width))
        })
    }
}
