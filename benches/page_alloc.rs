//! What the allocator costs, beside the floors that no allocator gets below, in one run.
//!
//! ```text
//! cargo bench                                   everything, some minutes
//! cargo bench --bench page_alloc -- zone        the groups and cases whose names contain "zone"
//! cargo bench --bench page_alloc -- --smoke     one short round of everything
//! ```
//!
//! At the end stands a table with ratios to the floors of the same run; `bench-summary.json` in the
//! target directory has its rows.
#![allow(missing_docs, reason = "a bench")]

mod groups {
    pub(crate) mod alloc;
    #[expect(unsafe_code, reason = "lends memory to the allocators that it boots")]
    pub(crate) mod boot;
    pub(crate) mod floor;
    pub(crate) mod trace;
    pub(crate) mod zone;
}
mod harness {
    pub(crate) mod adaptor;
    pub(crate) mod free_order;
    pub(crate) mod maps;
    pub(crate) mod recorder;
    pub(crate) mod rng;
    pub(crate) mod summary;
    pub(crate) mod workload;
}

use harness::recorder::{Length, Recorder};
use harness::summary;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let mut recorder = Recorder::new(if smoke { Length::Smoke } else { Length::Full });
    groups::floor::run(&mut recorder);
    groups::zone::run(&mut recorder);
    groups::alloc::run(&mut recorder);
    groups::trace::run(&mut recorder)?;
    groups::boot::run(&mut recorder)?;
    summary::finish(&recorder.into_rows())
}
