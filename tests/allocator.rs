//! The whole allocator, through its public interface, against oracles that share no code with it.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "allocator/duel.rs"]
mod duel;
#[path = "allocator/exhaustive.rs"]
mod exhaustive;
#[path = "allocator/histories.rs"]
mod histories;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "allocator/plan.rs"]
mod plan;
#[path = "allocator/raw.rs"]
mod raw;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/raw_zone.rs"]
mod raw_zone;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/sim_machine.rs"]
mod sim_machine;

use model::port;
