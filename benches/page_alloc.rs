//! What the allocator costs, beside the floors that no allocator gets below and beside the page
//! allocators that the registry has, in one run.
//!
//! ```text
//! cargo bench                                       everything, about seven minutes
//! cargo bench --bench page_alloc -- pairs "bulk 64" the cases whose names contain one of these
//! cargo bench --bench page_alloc -- --smoke         one short round of everything
//! ```
//!
//! # How to read and add to the benches
//!
//! The name of a case is `group/case/implementation`. `page_alloc` is this crate, `floor` is what the
//! parts cost that every allocator needs; all others are crates, listed in `peers/list.rs`, which
//! says also which are left out and why.
//!
//! | group | what one operation is |
//! |---|---|
//! | `floor` | a list's pop and push; lock and unlock; an atomic swap |
//! | `zone` | as in the groups below, but of the zone alone: `RawZone`, without a lock |
//! | `pairs` | a block allocated and freed; `fresh`: nothing else is allocated; `warm`: its buddy is; its rows `floor` are what our descriptors, tokens and lists cost at least (`harness/least.rs`), and where a block is split and merged, a plain zone by buddies (`harness/least_zone.rs`) |
//! | `batches` | the same in batches of single frames, freed in three orders |
//! | `bulk` | one page of many that are asked for, or given back, in one call |
//! | `threads` | pairs and batches of two threads, each a CPU, at once: the time of one thread; its rows `floor` share nothing |
//! | `ring` | a frame that one thread allocates and another frees; its rows `floor` are the ring alone, and the ring with a descriptor that both write to |
//! | `fragmented` | a pair where every other frame is taken; one step of a machine that is 90 % full |
//! | `pressure` | what the case's name says: a request that fails, a frame moved, a frame of the machine |
//! | `trace` | an event of a recorded trace |
//! | `boot` | a largest block of a machine that boots; its row `floor` writes to one descriptor of each |
//!
//! At the end stands a table. Its ratios are of medians: `x list` is to the list floor, `x peer` is
//! to the best peer of the case. A row with few samples is of something slow; cases that an
//! implementation could not do are named below the table. `bench-summary.json` in the target
//! directory has the rows: an array of objects with `group`, `case`, `implementation`, `ns_min` and
//! `ns_median`. The run fails if a case of this crate could not be done.
//!
//! Two threads keep to two CPUs of the host, and runs in which they did not work at once are repeated.
//! No case is given more than some seconds: what takes longer is run less often, or left out.
//!
//! The machines have 4 GiB and one CPU, with threads two, unless the group says otherwise. The
//! floors are measured in every run, whatever the filter. Compare rows of one run only.
//!
//! A further peer: a file in `peers/` with an implementation of `SharedAllocator`, a line in
//! `peers/list.rs`, a module below, and a dev-dependency. A further workload: a generic function over
//! `SharedAllocator` (or `FrameAllocator`, if one thread is enough), which calls `Recorder::case`; a
//! group calls it with `for_each_allocator!`.
#![allow(missing_docs, reason = "a bench")]

mod groups {
    pub(crate) mod batches;
    #[expect(unsafe_code, reason = "lends memory to the allocators that it boots")]
    pub(crate) mod boot;
    pub(crate) mod bulk;
    pub(crate) mod floor;
    pub(crate) mod fragmented;
    pub(crate) mod pairs;
    pub(crate) mod pressure;
    pub(crate) mod ring;
    pub(crate) mod threads;
    pub(crate) mod trace;
    pub(crate) mod zone;
}
mod harness {
    pub(crate) mod adaptor;
    #[expect(unsafe_code, reason = "asks the host")]
    pub(crate) mod affinity;
    pub(crate) mod arguments;
    pub(crate) mod failure;
    pub(crate) mod free_order;
    pub(crate) mod gate;
    pub(crate) mod least;
    pub(crate) mod least_frame;
    pub(crate) mod least_zone;
    pub(crate) mod length;
    pub(crate) mod maps;
    pub(crate) mod mover;
    #[expect(unsafe_code, reason = "boots")]
    pub(crate) mod ours;
    #[expect(unsafe_code, reason = "signs the contract of a port")]
    pub(crate) mod port;
    pub(crate) mod recorder;
    #[expect(unsafe_code, reason = "two threads share its slots")]
    pub(crate) mod ring;
    pub(crate) mod rng;
    pub(crate) mod summary;
    pub(crate) mod table;
}
mod peers {
    pub(crate) mod bitmap;
    #[expect(unsafe_code, reason = "lends it memory")]
    pub(crate) mod buddy_slab;
    pub(crate) mod buddy_system;
    #[expect(unsafe_code, reason = "lends it memory; its frees are unsafe")]
    pub(crate) mod depot;
    #[expect(unsafe_code, reason = "its frees are unsafe")]
    pub(crate) mod free_list;
    pub(crate) mod list;
    pub(crate) mod memory;
}
mod workloads {
    pub(crate) mod batch;
    pub(crate) mod checkerboard;
    pub(crate) mod churn;
    pub(crate) mod pair;
}

use harness::arguments::Arguments;
use harness::recorder::Recorder;
use harness::summary;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut recorder = Recorder::new(Arguments::read()?);
    groups::floor::run(&mut recorder);
    groups::zone::run(&mut recorder);
    groups::pairs::run(&mut recorder);
    groups::batches::run(&mut recorder);
    groups::bulk::run(&mut recorder);
    groups::threads::run(&mut recorder);
    groups::ring::run(&mut recorder);
    groups::fragmented::run(&mut recorder);
    groups::pressure::run(&mut recorder);
    groups::trace::run(&mut recorder)?;
    groups::boot::run(&mut recorder)?;
    summary::finish(&recorder.into_report())
}
