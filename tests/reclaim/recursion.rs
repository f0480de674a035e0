//! Passes that need memory themselves.

use crate::kernel::{MOST_DEEP, boot_full};
use page_alloc::{Context, Gfp, Order};

const KINDS: [Gfp; 4] = [
    Gfp::KERNEL,
    Gfp::KERNEL.union(Gfp::NOMEMALLOC),
    Gfp::HIGHUSER_MOVABLE.union(Gfp::RETRY_MAYFAIL),
    Gfp::NOFS,
];

/// A pass that says that it frees memory does not come back to itself, whatever it asks for.
#[test]
fn a_pass_that_says_so_does_not_come_back() {
    for gfp in KINDS {
        for order in [Order::O0, Order::O3, Order::O9] {
            let machine = boot_full();
            let kernel = machine.reclaim();
            kernel.state().asks = Some((gfp, order, Context::MEMALLOC));
            assert!(machine.alloc_pages(Gfp::KERNEL | Gfp::NORETRY, Order::O0).is_err());
            let state = kernel.state();
            assert_eq!((state.deepest, state.depth, state.kills), (1, 0, 0), "{gfp} {order}");
            assert_eq!(state.shrinks.len(), 13 * 3, "{gfp} {order}: each node, at each priority");
            drop(state);
            kernel.finish();
        }
    }
}

/// One that does not say so comes back, until it stops by itself; each of its requests ends within its
/// rounds, and no frame is lost.
#[test]
fn a_pass_that_does_not_comes_back_until_it_stops() {
    let machine = boot_full();
    let kernel = machine.reclaim();
    kernel.state().asks = Some((Gfp::KERNEL | Gfp::NORETRY, Order::O0, Context::TASK));
    assert!(machine.alloc_pages(Gfp::KERNEL | Gfp::NORETRY, Order::O0).is_err());
    let state = kernel.state();
    assert_eq!((state.deepest, state.depth, state.kills), (MOST_DEEP, 0, 0));
    let passes: usize = (1..=MOST_DEEP).map(|depth| (13_usize * 3).pow(depth)).sum();
    assert_eq!(state.shrinks.len(), passes);
    drop(state);
    kernel.finish();
}
