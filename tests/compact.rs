//! Compaction, with a model of a kernel that knows who has which block and what is in it: large
//! blocks are made, contents go with their owners, and no answer of the kernel loses a frame.
#![allow(missing_docs, unreachable_pub, reason = "a test")]

#[path = "compact/asked.rs"]
mod asked;
#[path = "compact/awkward.rs"]
mod awkward;
#[path = "compact/background.rs"]
mod background;
#[path = "compact/churned.rs"]
mod churned;
#[path = "compact/daemon.rs"]
mod daemon;
#[path = "compact/direct.rs"]
mod direct;
#[path = "compact/events.rs"]
mod events;
#[path = "compact/holes.rs"]
mod holes;
#[path = "compact/kernel.rs"]
mod kernel;
#[path = "compact/liar.rs"]
mod liar;
#[path = "compact/moves.rs"]
mod moves;
#[path = "compact/put_off.rs"]
mod put_off;
#[path = "churn/random.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod random;
#[path = "compact/scores.rs"]
mod scores;
#[path = "compact/searched.rs"]
mod searched;
#[path = "compact/strides.rs"]
mod strides;
#[path = "compact/threads.rs"]
mod threads;
