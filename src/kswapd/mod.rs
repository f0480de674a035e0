//! kswapd: a node's memory is freed ahead of need, until one of the zones that would do is above its high
//! watermark.
//!
//! The crate has no threads. A kernel's thread for a node does this:
//!
//! ```
//! # use page_alloc::sim::{Sim, SimConfig};
//! use page_alloc::kswapd::KswapdNext;
//! use page_alloc::{NodeId, Platform, Reclaim, Trace, PageAllocator};
//!
//! fn kswapd<P: Platform, R: Reclaim, T: Trace>(frames: &PageAllocator<P, R, T>, node: NodeId) {
//!     loop {
//!         let report = frames.kswapd_balance(node).expect("a node");
//!         if report.next == KswapdNext::Nap {
//!             // Sleep for a tenth of a second, or until woken; then:
//!             if frames.kswapd_may_sleep(node) {
//!                 break; // sleep until woken
//!             }
//!         }
//!     }
//! }
//! # let sim = Sim::boot(SimConfig::flat(64 << 20))?;
//! # kswapd(&sim, NodeId::ZERO);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The kernel's [`Reclaim::wake_kswapd`](crate::Reclaim::wake_kswapd) hook passes what it is told on
//! to [`wakeup_kswapd`](crate::PageAllocator::wakeup_kswapd), which notes what is wanted and says
//! whether the thread has to be woken.
//!
//! One call of `kswapd_balance` is one round of Linux's `balance_pgdat`: passes of
//! [`Reclaim::shrink_node`](crate::Reclaim::shrink_node) of growing urgency until one zone that would
//! do is above its high watermark, with a block of the order that is wanted. When twice the frames of
//! such a block were freed, single frames are enough: the rest is compaction's; for large blocks the
//! node is shrunk until compaction has room, in one pass. A zone whose
//! watermarks are boosted gets as many frames freed as the boost, without writing or swapping.

mod balance;
mod pass;
mod report;
mod throttle;
mod wake;

pub(crate) use balance::Balancer;
pub use report::{KswapdNext, KswapdReport, MAX_RECLAIM_RETRIES, Wakeup};
