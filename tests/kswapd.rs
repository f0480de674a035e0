//! kswapd and throttling, with a kernel whose reclaim follows a script.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "kswapd/cache.rs"]
mod cache;
#[path = "kswapd/passes.rs"]
mod passes;
#[path = "kswapd/rounds.rs"]
mod rounds;
#[path = "kswapd/throttling.rs"]
mod throttling;
