//! The whole allocator, through its public interface, against oracles that share no code with it.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "allocator/accounting.rs"]
mod accounting;
#[path = "allocator/bulk.rs"]
mod bulk;
#[path = "allocator/dice.rs"]
mod dice;
#[path = "allocator/duel.rs"]
mod duel;
#[path = "allocator/dump.rs"]
mod dump;
#[path = "allocator/exhaustive.rs"]
mod exhaustive;
#[path = "allocator/histories.rs"]
mod histories;
#[path = "allocator/lies.rs"]
mod lies;
#[path = "allocator/lies_moves.rs"]
mod lies_moves;
#[path = "allocator/lies_nested.rs"]
mod lies_nested;
#[path = "allocator/meddler.rs"]
mod meddler;
#[allow(dead_code, reason = "shared with other tests")]
mod model;
#[path = "allocator/mover.rs"]
mod mover;
#[path = "allocator/panics.rs"]
mod panics;
#[path = "allocator/placement.rs"]
mod placement;
#[path = "allocator/plan.rs"]
mod plan;
#[path = "allocator/pressure.rs"]
mod pressure;
#[path = "allocator/raw.rs"]
mod raw;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/raw_zone.rs"]
mod raw_zone;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/recording.rs"]
mod recording;
#[path = "allocator/refusals.rs"]
mod refusals;
#[path = "allocator/reserves.rs"]
mod reserves;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "golden_kinds/sim_machine.rs"]
mod sim_machine;
#[path = "allocator/threads.rs"]
mod threads;
#[path = "allocator/three_nodes.rs"]
mod three_nodes;
#[path = "allocator/wrong_frees.rs"]
mod wrong_frees;

use model::port;
