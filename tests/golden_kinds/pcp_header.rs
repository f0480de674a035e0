//! What recordings with per-CPU lists say of their machine.

use crate::port::MachineSetup;
use crate::recording::{Line, span};
use crate::walk;
use page_alloc::node::pcp::PcpOrders;
use page_alloc::node::pcp::limits::PcpLimits;
use std::iter::Peekable;

/// A machine of one node, whose CPUs have lists.
#[derive(Clone, Debug)]
pub struct PcpSetup {
    pub machine: MachineSetup,
    pub cpus: usize,
    pub orders: PcpOrders,
    /// The limits of each zone.
    pub limits: Vec<PcpLimits>,
}

/// The orders of `thp 0|1`.
fn orders_at(line: Line<'_>, words: &[&str]) -> Result<PcpOrders, String> {
    let large = line.switch_at(words, 1)?;
    Ok(if large { PcpOrders::WithPageblock } else { PcpOrders::Low })
}

impl PcpSetup {
    /// Reads the lines before the first dump.
    pub fn read<'a>(lines: &mut Peekable<impl Iterator<Item = Line<'a>>>) -> Result<Self, String> {
        let machine = MachineSetup { nodes: 1, ..MachineSetup::default() };
        let mut setup = Self { machine, cpus: 0, orders: PcpOrders::Low, limits: Vec::new() };
        let mut cma = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.text.starts_with("Z ")) {
            let words = line.words();
            match words[0] {
                "cpus" => setup.cpus = line.number_at(&words, 1)?,
                "thp" => setup.orders = orders_at(line, &words)?,
                "mem" => {
                    setup.machine.memory.push((line.number_at(&words, 1)?, span(line, words[2])?));
                }
                "cma" => cma.push(span(line, words[1])?),
                "zone" => setup.add_zone(line, &words)?,
                _ => return Err(line.error("no word of the header")),
            }
        }
        for area in cma {
            let zone = setup.zone_of(area.0);
            setup.machine.zones[zone].zone.cma.push(area);
        }
        Ok(setup)
    }

    /// A zone line: as in recordings of walks, then `batch B high H`.
    fn add_zone(&mut self, line: Line<'_>, words: &[&str]) -> Result<(), String> {
        self.machine.zones.push(walk::zone(line, words, &self.machine.memory)?);
        let (batch, high) = (line.number_at(words, 13)?, line.number_at(words, 15)?);
        self.limits.push(PcpLimits { batch, high });
        Ok(())
    }

    pub fn has_cma(&self) -> bool {
        self.machine.zones.iter().any(|zone| !zone.zone.cma.is_empty())
    }

    /// The place of the zone of a frame among the populated ones.
    pub fn zone_of(&self, pfn: u64) -> usize {
        let has = |(start, end)| (start..end).contains(&pfn);
        let found = self.machine.zones.iter().position(|zone| has(zone.zone.span));
        found.expect("a frame of a zone")
    }
}
