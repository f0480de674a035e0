//! The watermark checks against `watermark_ok*.txt`.

use page_alloc::zone::watermark::{ZoneSnapshot, zone_watermark_fast, zone_watermark_ok};
use page_alloc::{AllocFlags, Gfp, MAX_NR_ZONES, MIGRATE_TYPES, MigrateType, Order, ZoneType};

/// The zone types that the file's indices 0 to 3 mean.
const ZONES: [ZoneType; 4] = [ZoneType::Dma, ZoneType::Dma32, ZoneType::Normal, ZoneType::Movable];

/// Compares every line of one file; gives the number of lines.
pub(crate) fn run(name: &str, text: &str) -> Result<u64, String> {
    let mut compared = 0;
    for (number, line) in text.lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            check(line).map_err(|error| format!("{name}:{}: {error}", number + 1))?;
            compared += 1;
        }
    }
    Ok(compared)
}

/// One line's question.
struct Query {
    zone: ZoneSnapshot,
    order: Order,
    mark: u64,
    highest: ZoneType,
    flags: AllocFlags,
    gfp: Gfp,
}

fn check(line: &str) -> Result<(), String> {
    let (question, expected) = line.split_once(" = ").ok_or("no ` = `")?;
    let q = query(question)?;
    let ok = zone_watermark_ok(&q.zone, q.order, q.mark, q.highest, q.flags);
    let fast = zone_watermark_fast(&q.zone, q.order, q.mark, q.highest, q.flags, q.gfp);
    let found = format!("{} {}", u8::from(ok), u8::from(fast));
    if found == expected {
        Ok(())
    } else {
        Err(format!("expected `{expected}`, found `{found}`: {question}"))
    }
}

fn query(question: &str) -> Result<Query, String> {
    let columns: Vec<&str> = question.split(" | ").collect();
    let [values, nr_free, types] = columns[..] else {
        return Err(format!("three columns wanted: {question}"));
    };
    let words: Vec<&str> = values.split(' ').collect();
    let [order, mark, level, highest, flags, gfp_atomic, values @ ..] = &words[..] else {
        return Err(format!("too few values: {values}"));
    };
    let values: Result<Vec<u64>, _> = values.iter().map(|word| number(word)).collect();
    let [free, hatomic, cma, boost, min, low, high, reserve @ ..] = &values?[..] else {
        return Err(format!("too few values: {question}"));
    };
    let zone = ZoneSnapshot {
        free_pages: *free,
        free_cma_pages: *cma,
        nr_reserved_highatomic: *hatomic,
        watermark: [*min, *low, *high],
        watermark_boost: *boost,
        lowmem_reserve: lowmem_reserve(reserve)?,
        nonempty_orders: nonempty_orders(nr_free, types)?,
    };
    Ok(Query {
        zone,
        order: Order::new(u32::try_from(number(order)?).unwrap_or(u32::MAX))
            .ok_or("no such order")?,
        mark: number(mark)?,
        highest: *ZONES
            .get(usize::try_from(number(highest)?).unwrap_or(9))
            .ok_or("no such zone")?,
        flags: level_flag(level)? | flag_letters(flags)?,
        gfp: atomic_flag(gfp_atomic)?,
    })
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("not a number: `{word}`"))
}

fn lowmem_reserve(values: &[u64]) -> Result<[u64; MAX_NR_ZONES], String> {
    if values.len() != ZONES.len() {
        return Err(format!("four reserves wanted: {values:?}"));
    }
    let mut reserve = [0; MAX_NR_ZONES];
    for (zone, value) in ZONES.into_iter().zip(values) {
        reserve[zone.index()] = *value;
    }
    Ok(reserve)
}

/// The lists that are not empty, from their letters; a count without a letter, or the other way
/// round, is an error of the file.
fn nonempty_orders(nr_free: &str, types: &str) -> Result<[u16; MIGRATE_TYPES], String> {
    let counts: Vec<&str> = nr_free.split(' ').collect();
    let types: Vec<&str> = types.split(' ').collect();
    if counts.len() != Order::ALL.len() || types.len() != Order::ALL.len() {
        return Err(format!("{} orders wanted", Order::ALL.len()));
    }
    let mut nonempty = [0; MIGRATE_TYPES];
    for order in Order::ALL {
        let letters = types[order.index()];
        if (number(counts[order.index()])? == 0) != (letters == "-") {
            return Err(format!("order {order}: blocks without a list, or a list without blocks"));
        }
        for letter in letters.chars().filter(|letter| *letter != '-') {
            let known = MigrateType::ALL.into_iter().find(|known| known.letter() == letter);
            let migratetype = known.ok_or_else(|| format!("no migratetype `{letter}`"))?;
            nonempty[migratetype.index()] |= 1 << order.get();
        }
    }
    Ok(nonempty)
}

fn level_flag(level: &str) -> Result<AllocFlags, String> {
    match level {
        "0" => Ok(AllocFlags::WMARK_MIN),
        "1" => Ok(AllocFlags::WMARK_LOW),
        "2" => Ok(AllocFlags::WMARK_HIGH),
        _ => Err(format!("no watermark `{level}`")),
    }
}

fn flag_letters(letters: &str) -> Result<AllocFlags, String> {
    letters.chars().try_fold(AllocFlags::empty(), |flags, letter| {
        Ok(flags
            | match letter {
                '-' => AllocFlags::empty(),
                'C' => AllocFlags::CMA,
                'K' => AllocFlags::KSWAPD,
                'N' => AllocFlags::NOFRAGMENT,
                'H' => AllocFlags::HIGHATOMIC,
                'B' => AllocFlags::NON_BLOCK,
                'G' => AllocFlags::MIN_RESERVE,
                'O' => AllocFlags::OOM,
                'S' => AllocFlags::CPUSET,
                'X' => AllocFlags::NO_WATERMARKS,
                _ => return Err(format!("no flag `{letter}`")),
            })
    })
}

fn atomic_flag(word: &str) -> Result<Gfp, String> {
    match word {
        "0" => Ok(Gfp::KERNEL),
        "1" => Ok(Gfp::ATOMIC_CONTEXT),
        _ => Err(format!("gfp_atomic is 0 or 1, not `{word}`")),
    }
}
