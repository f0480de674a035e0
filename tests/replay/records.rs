//! Traces made of records.

use crate::trace::{Trace, TraceError};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// A record; `tail` belongs to kind 2.
pub(crate) type Raw = (u32, [u8; 4], Option<[u32; 2]>);

pub(crate) fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn records(raw: &[Raw]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, rest, tail) in raw {
        bytes.extend(id.to_le_bytes());
        bytes.extend(rest);
        bytes.extend(tail.iter().flatten().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

pub(crate) fn header(events: usize, gfps: &[&str]) -> Vec<u8> {
    let lines = gfps.iter().enumerate().map(|(index, flags)| format!("gfp {index} {flags}\n"));
    let lines: String = lines.collect();
    format!("page-trace 1\nevents {events}\ncpus 2\n{lines}end\n").into()
}

/// Reads a trace of these records and flags.
pub(crate) fn read_with(raw: &[Raw], gfps: &[&str]) -> Result<Trace, TraceError> {
    Trace::read(&zip(&[header(raw.len(), gfps), records(raw)].concat())[..])
}

pub(crate) fn read(raw: &[Raw]) -> Result<Trace, TraceError> {
    read_with(raw, &["GFP_KERNEL", "GFP_A|GFP_B"])
}

pub(crate) fn alloc(id: u32, order: u8) -> Raw {
    (id, [0, order, 0, 1], None)
}

pub(crate) fn free(id: u32, order: u8) -> Raw {
    (id, [1, order, 1, 0], None)
}

pub(crate) fn part(id: u32, order: u8, offset: u32) -> Raw {
    (id, [2, order, 1, 0], Some([offset, 0]))
}

/// Records that make sense: allocations, and frees of frames that are left.
pub(crate) fn sensible(choices: &[(u8, u16, u8)]) -> Vec<Raw> {
    let mut raw = Vec::new();
    let mut live: Vec<(u32, u8, Vec<bool>)> = Vec::new();
    let mut next = 0;
    for (choice, place, order) in choices {
        if live.is_empty() || choice % 3 == 0 {
            let order = order % 11;
            live.push((next, order, vec![false; 1 << order]));
            raw.push(alloc(next, order));
            next += 1;
            continue;
        }
        let index = usize::from(*place) % live.len();
        let (id, allocated, gone) = &mut live[index];
        let order = order % (*allocated + 1);
        let first = (usize::from(*place) % gone.len()) >> order << order;
        let frames = &mut gone[first..first + (1 << order)];
        if choice % 3 == 1 {
            raw.push(free(*id, *allocated));
            live.remove(index);
        } else if frames.iter().all(|gone| !gone) {
            frames.fill(true);
            raw.push(part(*id, order, u32::try_from(first).unwrap()));
            if gone.iter().all(|gone| *gone) {
                live.remove(index);
            }
        }
    }
    raw
}
