//! Zone types, migratetypes and attempt flags against `gfp*.txt`.

use bitflags::Flags;
use page_alloc::alloc::flags::{
    alloc_flags_nofragment, current_gfp_context, first_attempt_flags, gfp_pfmemalloc_flags,
    gfp_to_alloc_flags, reserve_flags,
};
use page_alloc::node::topology::{NodeLoads, Topology, zonelist};
use page_alloc::{
    AllocFlags, Context, Gfp, MigrateType, NodeId, NodeMask, Order, ZoneLayout, ZoneType,
};
use std::fmt::Debug;

/// The machine of the `alloc` lines: node 0 has all zones, node 1 has NORMAL.
const NR_ONLINE_NODES: u32 = 2;

fn populated(node: NodeId, zone: ZoneType) -> bool {
    zone == ZoneType::Normal || node == NodeId::ZERO && zone != ZoneType::HighMem
}

/// Compares every line of one file; gives the number of lines.
pub(crate) fn run(name: &str, text: &str) -> Result<u64, String> {
    let mut compared = 0;
    for (number, line) in text.lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            check(line).map_err(|error| format!("{name}:{}: {error}: {line}", number + 1))?;
            compared += 1;
        }
    }
    Ok(compared)
}

fn check(line: &str) -> Result<(), String> {
    let (question, expected) = line.split_once(" = ").ok_or("no ` = `")?;
    let words: Vec<&str> = question.split(' ').collect();
    match words[..] {
        ["zone64", flags] => same("zone", expected, &zone_and_type(flags, &ZoneLayout::X86_64)?),
        ["zone32", flags] => same("zone", expected, &zone_and_type(flags, &ZoneLayout::X86_32)?),
        ["composite", name] => same("flags", &gfp(expected)?, &gfp(name)?),
        ["alloc", base, modifiers, order, context] => {
            check_alloc(modified(gfp(base)?, modifiers)?, order, self::context(context)?, expected)
        }
        _ => Err("unknown line".into()),
    }
}

fn same<T: PartialEq + Debug + ?Sized>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}

/// Flags by Linux's names; what is read is also printed and read back.
fn gfp(text: &str) -> Result<Gfp, String> {
    let flags = Gfp::parse(text).map_err(|error| error.to_string())?;
    same("printed and read back", &Ok(flags), &Gfp::parse(&flags.to_string()))?;
    Ok(flags)
}

/// Applies `+__GFP_A-__GFP_B`; `-` alone changes nothing.
fn modified(base: Gfp, modifiers: &str) -> Result<Gfp, String> {
    let mut flags = base;
    let mut rest = if modifiers == "-" { "" } else { modifiers };
    while let Some(sign) = rest.chars().next() {
        let name = &rest[sign.len_utf8()..];
        let end = name.find(['+', '-']).unwrap_or(name.len());
        let flag = gfp(&name[..end])?;
        match sign {
            '+' => flags |= flag,
            '-' => flags -= flag,
            _ => return Err(format!("`{rest}` begins with neither + nor -")),
        }
        rest = &name[end..];
    }
    Ok(flags)
}

/// `hardirq`, `rt-task`, `oom-victim+PF_MEMALLOC` and the like.
fn context(text: &str) -> Result<Context, String> {
    text.split(['+', '-']).try_fold(Context::TASK, |context, word| {
        Ok(context
            | match word {
                "task" | "victim" | "disabled" => Context::TASK,
                "softirq" => Context::SOFTIRQ,
                "bh" => Context::BH_DISABLED,
                "hardirq" => Context::HARDIRQ,
                "nmi" => Context::NMI,
                "rt" => Context::RT_TASK,
                "oom" => Context::OOM_VICTIM,
                "PF_MEMALLOC" => Context::MEMALLOC,
                "PF_MEMALLOC_NOIO" => Context::MEMALLOC_NOIO,
                "PF_MEMALLOC_NOFS" => Context::MEMALLOC_NOFS,
                "PF_MEMALLOC_PIN" => Context::MEMALLOC_PIN,
                _ => return Err(format!("no context `{word}`")),
            })
    })
}

/// `NORMAL UNMOVABLE`, with BAD for what is illegal.
fn zone_and_type(flags: &str, layout: &ZoneLayout) -> Result<String, String> {
    let flags = gfp(flags)?;
    let zone = flags.zone_type(layout).map_or("BAD".into(), |zone| upper(&zone));
    let migratetype = flags.migratetype().map_or("BAD".into(), |migratetype| upper(&migratetype));
    Ok(format!("{zone} {migratetype}"))
}

fn upper(name: &impl ToString) -> String {
    name.to_string().to_uppercase()
}

fn check_alloc(asked: Gfp, order: &str, context: Context, expected: &str) -> Result<(), String> {
    let columns: Vec<&str> = expected.split(" | ").collect();
    let [scoped, first, target, slow, reserves, going_on] = columns[..] else {
        return Err("six columns wanted".into());
    };
    let order = order.parse().ok().and_then(Order::new).ok_or("no such order")?;
    let gfp = current_gfp_context(asked, context);
    same("gfp", &self::gfp(scoped)?, &gfp)?;

    let highest = gfp.zone_type(&ZoneLayout::X86_64).map_err(|error| error.to_string())?;
    let migratetype = gfp.migratetype().map_err(|error| error.to_string())?;
    let nodes = [NodeId::ZERO, NodeId::new(1).ok_or("two nodes")?];
    let [on0, on1] = nodes.map(|node| preferred(node, gfp, highest));
    let names = [name(on0), name(on1)].join(" ");
    let found = format!("{} {} {names}", upper(&highest), upper(&migratetype));
    same("zone, type, preferred zones", target, &found)?;

    same("first attempt", &flags(first)?, &first_flags(gfp, migratetype, on0))?;
    let slow_flags = gfp_to_alloc_flags(gfp, order, migratetype, context);
    same("slow path", &flags(slow)?, &slow_flags)?;
    let opened = gfp_pfmemalloc_flags(gfp, context);
    same("reserves", &flags(reserves)?, &opened)?;
    same("slow path with reserves", &flags(going_on)?, &with_cma(opened, migratetype))
}

/// The reserves with the CMA bit; the column has no KSWAPD, and nothing when there are no reserves.
fn with_cma(reserves: AllocFlags, migratetype: MigrateType) -> AllocFlags {
    if reserves.is_empty() {
        return reserves;
    }
    reserve_flags(reserves, AllocFlags::KSWAPD, migratetype) - AllocFlags::KSWAPD
}

/// Where the walk starts for a request that prefers `node`.
fn preferred(node: NodeId, gfp: Gfp, highest: ZoneType) -> Option<(NodeId, ZoneType)> {
    let topology = Topology {
        memory: NodeMask::from_bits(0b11),
        cpus: NodeMask::from_bits(0b11),
        distance: |from, to| if from == to { 10 } else { 20 },
    };
    let nodes: Vec<NodeId> = if gfp.contains(Gfp::THISNODE) {
        vec![node]
    } else {
        topology.node_order(node, &mut NodeLoads::new()).collect()
    };
    zonelist(nodes, populated).find(|(_, zone)| *zone <= highest)
}

fn name(preferred: Option<(NodeId, ZoneType)>) -> String {
    preferred.map_or("none".into(), |(node, zone)| format!("{node}:{}", upper(&zone)))
}

fn first_flags(
    gfp: Gfp,
    migratetype: MigrateType,
    preferred: Option<(NodeId, ZoneType)>,
) -> AllocFlags {
    let dma32 = preferred.map_or(0, |(node, _)| u64::from(populated(node, ZoneType::Dma32)));
    let zone = preferred.map(|(_, zone)| zone);
    let nofragment = alloc_flags_nofragment(zone, NR_ONLINE_NODES, Some(dma32));
    first_attempt_flags(gfp, migratetype, nofragment)
}

/// Attempt flags by Linux's names.
fn flags(text: &str) -> Result<AllocFlags, String> {
    text.split('|').try_fold(AllocFlags::empty(), |flags, name| {
        let known = match name {
            "0" | "ALLOC_WMARK_MIN" => Some(AllocFlags::empty()),
            _ => name.strip_prefix("ALLOC_").and_then(<AllocFlags as Flags>::from_name),
        };
        known.map(|flag| flags | flag).ok_or_else(|| format!("no flag `{name}`"))
    })
}
