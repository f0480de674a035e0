//! The per-CPU lists, seen through the public interface: that they decide as they should, and that
//! nothing but speed depends on the way that a request takes through them.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "pcp/adaptive.rs"]
mod adaptive;
#[path = "pcp/bulk.rs"]
mod bulk;
#[path = "pcp/cpus.rs"]
mod cpus;
#[path = "pcp/drains.rs"]
mod drains;
#[path = "pcp/falls.rs"]
mod falls;
#[path = "pcp/limits.rs"]
mod limits;
#[path = "pcp/linux.rs"]
mod linux;
#[path = "pcp/machine.rs"]
mod machine;
#[path = "pcp/marks.rs"]
mod marks;
#[path = "pcp/moves.rs"]
mod moves;
#[path = "pcp/quick.rs"]
mod quick;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "allocator/raw.rs"]
mod raw;
#[path = "pcp/skipped.rs"]
mod skipped;
#[path = "pcp/step.rs"]
mod step;
#[path = "pcp/told.rs"]
mod told;
#[path = "pcp/view.rs"]
mod view;
#[path = "pcp/whole_blocks.rs"]
mod whole_blocks;
#[path = "pcp/wrong_frees.rs"]
mod wrong_frees;
#[path = "pcp/zone.rs"]
mod zone;
