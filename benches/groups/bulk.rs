//! Many single frames are asked for in one call, and given back in one.

use crate::harness::adaptor::{Group, SharedAllocator};
use crate::harness::failure::{Failure, Timed};
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use std::iter;
use std::time::{Duration, Instant};

const GROUP: Group = Group::new("bulk");

/// What of a round is timed.
#[derive(Clone, Copy)]
enum Part {
    Alloc,
    Free,
    Both,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::Free => "free",
            Self::Both => "alloc + free",
        }
    }

    /// What of the two times counts.
    fn of(self, alloc: Duration, free: Duration) -> Duration {
        match self {
            Self::Alloc => alloc,
            Self::Free => free,
            Self::Both => alloc + free,
        }
    }
}

pub(crate) fn run(recorder: &mut Recorder) {
    for pages in [64, 512] {
        for part in [Part::Alloc, Part::Free, Part::Both] {
            for_each_allocator!(bulk(recorder, pages, part));
        }
    }
}

/// Rounds of so many pages; one operation is one page.
fn bulk<A: SharedAllocator>(recorder: &mut Recorder, pages: u32, part: Part) {
    let case = format!("bulk {pages}, {}", part.name());
    let setup = || {
        let places: Vec<_> = iter::repeat_with(|| None).take(pages as usize).collect();
        Ok((A::boot(GROUP.frames, 1), places))
    };
    let ops = u64::from(pages);
    recorder.case((GROUP.name, &case, A::NAME), ops, setup, |(allocator, places), times| {
        (0..times).map(|_| round(allocator, places, part)).sum()
    });
}

fn round<A: SharedAllocator>(allocator: &A, places: &mut [Option<A::Block>], part: Part) -> Timed {
    let start = Instant::now();
    let served = allocator.alloc_bulk(places);
    let middle = Instant::now();
    allocator.free_bulk(places);
    let time = part.of(middle - start, middle.elapsed());
    if served == places.len() { Ok(time) } else { Err(Failure::NoMemory) }
}
