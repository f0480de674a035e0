//! Watermarks and lowmem reserves against `watermarks*.txt`.

use page_alloc::zone::watermark::setup::{
    LOWMEM_RESERVE_RATIO, WATERMARK_SCALE_FACTOR, WatermarkSetup, Watermarks, ZoneSize,
    lowmem_pages, lowmem_reserve, min_free_kbytes, nr_free_zone_pages, totalreserve_pages,
};
use page_alloc::{MAX_NR_ZONES, NodeId, ZoneType};

const PAGE_SHIFT: u32 = 12;

/// Compares every `out` line of one file; gives their number.
pub(crate) fn run(name: &str, text: &str) -> Result<u64, String> {
    let mut compared = 0;
    let mut case = Case::default();
    let mut expected = Vec::new().into_iter();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: String| format!("{name}:{}: {error}", number + 1);
        if line.starts_with("case ") {
            complete(&mut expected).map_err(at)?;
            case = Case::default();
        } else if let Some(input) = line.strip_prefix("in ") {
            case.read(input).map_err(at)?;
        } else if line.starts_with("out ") {
            if let Some(ready) = case.take_ready() {
                expected = ready.outputs().map_err(at)?.into_iter();
            }
            same(expected.next(), line).map_err(at)?;
            compared += 1;
        } else {
            return Err(at(format!("unknown line: {line}")));
        }
    }
    complete(&mut expected).map_err(|error| format!("{name}: at the end: {error}"))?;
    Ok(compared)
}

fn same(found: Option<String>, expected: &str) -> Result<(), String> {
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(format!("expected `{expected}`, found `{found}`")),
        None => Err(format!("one line too many: {expected}")),
    }
}

fn complete(rest: &mut impl Iterator<Item = String>) -> Result<(), String> {
    rest.next().map_or(Ok(()), |line| Err(format!("the case before lacks a line: {line}")))
}

/// The settings that are written in step 2.
struct Written {
    min_free_kbytes: Option<u64>,
    scale: u32,
    /// In the order of the zones in the file.
    ratio: Vec<u32>,
}

#[derive(Default)]
struct Case {
    nodes: usize,
    zones: Vec<ZoneSize>,
    step2: Option<Written>,
    /// `Some(None)`: the step is there, and no value set by the user.
    step3: Option<Option<u64>>,
    answered: bool,
}

impl Case {
    fn read(&mut self, input: &str) -> Result<(), String> {
        let words: Vec<&str> = input.split(' ').collect();
        match words[..] {
            [nodes] => self.nodes = number(value(nodes, "nodes=")?)?,
            ["zone", node, zone, present, managed] => self.zones.push(ZoneSize {
                node: NodeId::new(number(node)?).ok_or("no such node")?,
                zone: zone_type(zone)?,
                present: number(value(present, "present=")?)?,
                managed: number(value(managed, "managed=")?)?,
            }),
            ["step2", min, scale, ratio] => {
                let ratio: Result<_, _> = value(ratio, "ratio=")?.split(',').map(number).collect();
                let scale = number(value(scale, "scale=")?)?;
                let min_free_kbytes = unless_minus_one(value(min, "min_free_kbytes=")?)?;
                self.step2 = Some(Written { min_free_kbytes, scale, ratio: ratio? });
            }
            ["step3", user] => {
                self.step3 = Some(unless_minus_one(value(user, "user_min_free_kbytes=")?)?);
            }
            _ => return Err(format!("unknown line: in {input}")),
        }
        Ok(())
    }

    /// The case when its first `out` line is met.
    fn take_ready(&mut self) -> Option<&Self> {
        let first = !self.answered;
        self.answered = true;
        first.then_some(self)
    }

    /// The zone types that every node has, in the order of the file.
    fn types(&self) -> Result<Vec<ZoneType>, String> {
        let node0 = self.zones.iter().filter(|zone| zone.node == NodeId::ZERO);
        let types: Vec<ZoneType> = node0.map(|zone| zone.zone).collect();
        let all = (0..self.nodes).flat_map(|node| types.iter().map(move |zone| (node, *zone)));
        if !all.eq(self.zones.iter().map(|zone| (zone.node.index(), zone.zone))) {
            return Err("nodes with different zones, or not in order".into());
        }
        Ok(types)
    }

    /// The `out` lines of the three steps as this crate has them.
    fn outputs(&self) -> Result<Vec<String>, String> {
        let step2 = self.step2.as_ref().ok_or("no step2")?;
        let step3 = self.step3.ok_or("no step3")?;
        let mut machine = Machine::new(self.zones.clone(), self.types()?);
        machine.boot(None);
        let mut lines = machine.report(1);
        machine.write(step2)?;
        lines.append(&mut machine.report(2));
        machine.boot(step3);
        lines.append(&mut machine.report(3));
        Ok(lines)
    }
}

/// A machine's zones and settings, and what follows from them.
struct Machine {
    zones: Vec<ZoneSize>,
    types: Vec<ZoneType>,
    min_free_kbytes: u64,
    scale: u32,
    ratio: [u32; MAX_NR_ZONES],
    marks: Vec<Watermarks>,
    reserves: Vec<[u64; MAX_NR_ZONES]>,
}

impl Machine {
    fn new(zones: Vec<ZoneSize>, types: Vec<ZoneType>) -> Self {
        Self {
            min_free_kbytes: 0,
            scale: WATERMARK_SCALE_FACTOR,
            ratio: LOWMEM_RESERVE_RATIO,
            marks: vec![Watermarks::default(); zones.len()],
            reserves: vec![[0; MAX_NR_ZONES]; zones.len()],
            zones,
            types,
        }
    }

    /// The boot calculation, perhaps with a value set by the user in force.
    fn boot(&mut self, user: Option<u64>) {
        self.min_free_kbytes = min_free_kbytes(self.nr_free_buffer_pages(), PAGE_SHIFT, user);
        self.calculate();
    }

    /// Settings are written.
    fn write(&mut self, written: &Written) -> Result<(), String> {
        if written.ratio.len() != self.types.len() {
            return Err("one ratio for each zone type wanted".into());
        }
        self.min_free_kbytes = written.min_free_kbytes.unwrap_or(self.min_free_kbytes);
        self.scale = written.scale;
        for (zone, ratio) in self.types.iter().zip(&written.ratio) {
            self.ratio[zone.index()] = *ratio;
        }
        self.calculate();
        Ok(())
    }

    fn calculate(&mut self) {
        let has_high = |zone: &ZoneSize| zone.zone == ZoneType::HighMem && zone.managed > 0;
        let high = self.zones.iter().any(has_high);
        let movable_zone = if high { ZoneType::HighMem } else { ZoneType::Normal };
        let lowmem = lowmem_pages(self.zones.iter().copied(), movable_zone);
        let setup = WatermarkSetup::new(self.min_free_kbytes, PAGE_SHIFT, self.scale, lowmem);
        let marks = |zone: &ZoneSize| setup.watermarks(zone.managed, zone.class(movable_zone));
        self.marks = self.zones.iter().map(marks).collect();
        self.reserves = self.zones.iter().map(|zone| self.lowmem_reserve(zone)).collect();
    }

    fn lowmem_reserve(&self, zone: &ZoneSize) -> [u64; MAX_NR_ZONES] {
        let same_node = || self.zones.iter().filter(|other| other.node == zone.node);
        lowmem_reserve(zone.zone, self.ratio[zone.zone.index()], |wanted| {
            same_node().find(|other| other.zone == wanted).map_or(0, |other| other.managed)
        })
    }

    fn nr_free_buffer_pages(&self) -> u64 {
        let zones = self.zones.iter().zip(&self.marks);
        let usable = zones.filter(|(zone, _)| zone.zone <= ZoneType::Normal);
        nr_free_zone_pages(usable.map(|(zone, marks)| (zone.managed, marks.high)))
    }

    fn totalreserve(&self, wanted: impl Fn(&ZoneSize) -> bool) -> u64 {
        let reserve = |index: usize| {
            let (zone, high) = (self.zones[index], self.marks[index].high);
            totalreserve_pages(zone.managed, high, &self.reserves[index])
        };
        (0..self.zones.len()).filter(|index| wanted(&self.zones[*index])).map(reserve).sum()
    }

    fn report(&self, step: u32) -> Vec<String> {
        let mut lines = vec![format!(
            "out step{step} min_free_kbytes={} nr_free_buffer_pages={} totalreserve={}",
            self.min_free_kbytes,
            self.nr_free_buffer_pages(),
            self.totalreserve(|_| true)
        )];
        for (index, zone) in self.zones.iter().enumerate() {
            lines.push(self.report_zone(step, index));
            if self.zones.get(index + 1).is_none_or(|next| next.node != zone.node) {
                let total = self.totalreserve(|other| other.node == zone.node);
                lines.push(format!("out step{step} node {} totalreserve={total}", zone.node));
            }
        }
        lines
    }

    fn report_zone(&self, step: u32, index: usize) -> String {
        let (zone, marks, reserve) = (self.zones[index], self.marks[index], self.reserves[index]);
        let columns: Vec<String> =
            self.types.iter().map(|higher| reserve[higher.index()].to_string()).collect();
        format!(
            "out step{step} zone {} {} min={} low={} high={} promo={} lowmem_reserve={}",
            zone.node,
            zone.zone.to_string().to_uppercase(),
            marks.min,
            marks.low,
            marks.high,
            marks.promo,
            columns.join(",")
        )
    }
}

fn zone_type(name: &str) -> Result<ZoneType, String> {
    let known = ZoneType::ALL.into_iter().find(|zone| zone.to_string().to_uppercase() == name);
    known.ok_or_else(|| format!("no zone `{name}`"))
}

fn value<'a>(word: &'a str, key: &str) -> Result<&'a str, String> {
    word.strip_prefix(key).ok_or_else(|| format!("`{key}` wanted, not `{word}`"))
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("not a number, or too large: `{word}`"))
}

fn unless_minus_one(word: &str) -> Result<Option<u64>, String> {
    if word == "-1" { Ok(None) } else { number(word).map(Some) }
}
