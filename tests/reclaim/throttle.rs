//! Tasks that wait for kswapd before they free memory.

use crate::kernel::{boot_full, passes};
use crate::three_nodes::node;
use page_alloc::{Context, Gfp, NodeMask, Order};

/// Where half of what is kept for those who free memory is used up, a task is to wait: on the first
/// node that will do, once for each reclaim.
#[test]
fn a_task_waits_for_kswapd() {
    let machine = boot_full();
    let request = |gfp, from, mask: Option<NodeMask>| {
        assert!(machine.alloc_pages_nodemask(gfp, Order::O0, node(from), mask).is_err());
        std::mem::take(&mut machine.reclaim().state().throttled)
    };
    assert_eq!(request(Gfp::KERNEL, 0, None), [], "kswapd could free nothing");
    machine.reclaim().state().reclaimable = 1;
    assert_eq!(request(Gfp::KERNEL, 0, None), [(node(0), Gfp::KERNEL)]);
    assert_eq!(request(Gfp::NOFS, 2, None), [(node(2), Gfp::NOFS)]);
    let first = Some(NodeMask::from_bits(0b010));
    assert_eq!(request(Gfp::KERNEL, 0, first), [(node(1), Gfp::KERNEL)]);
    machine.reclaim().free_where(500, |_| true);
    machine.drain_all_pages(None);
    machine.reclaim().state().throttled.clear();
    machine.reclaim().finish();
}

/// A task that is killed while it waits frees nothing; what it is told is no failure, so that nobody is
/// killed for its sake.
#[test]
fn a_task_that_is_killed_meanwhile_frees_nothing() {
    let machine = boot_full();
    machine.reclaim().state().reclaimable = 1;
    machine.reclaim().state().fate = Context::FATAL_SIGNAL;
    let gfp = Gfp::KERNEL | Gfp::NORETRY;
    assert!(machine.alloc_page(gfp).is_err());
    assert_eq!(machine.reclaim().state().throttled.len(), 1);
    assert_eq!(passes(machine), []);
    // From then on it does not wait, and frees memory.
    assert!(machine.alloc_page(gfp).is_err());
    assert_eq!(machine.reclaim().state().throttled.len(), 1);
    assert_eq!(passes(machine).len(), 39);
    machine.reclaim().finish();
}
