//! Direct reclaim, its passes and its bounds, with a kernel whose reclaim follows a script.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "reclaim/bounds.rs"]
mod bounds;
#[path = "reclaim/costly.rs"]
mod costly;
#[path = "reclaim/kernel.rs"]
mod kernel;
#[path = "reclaim/large.rs"]
mod large;
#[path = "reclaim/passes.rs"]
mod passes;
#[path = "reclaim/recursion.rs"]
mod recursion;
#[path = "reclaim/revival.rs"]
mod revival;
#[path = "allocator/three_nodes.rs"]
mod three_nodes;
#[path = "reclaim/throttle.rs"]
mod throttle;
