//! Compaction while others allocate and free.

use crate::kernel::boot;
use page_alloc::{CpuId, NodeId, Order};

/// One CPU compacts again and again, the other replaces blocks: everybody finds what he wrote.
#[test]
fn others_allocate_and_free_meanwhile() {
    let machine = boot(64 << 20, 300);
    let kernel = machine.reclaim();
    let managed = machine.report().managed_pages;
    kernel.state().is_alone = false;
    machine.run(|cpu| {
        let mut random = crate::random::Random::new(u64::from(cpu.get()) + 1);
        for round in 0..60_000 {
            if cpu == CpuId::BOOT && round % 400 == 0 {
                machine.compact_node(NodeId::ZERO).unwrap();
            }
            let order = if random.below(10) == 0 { Order::O3 } else { Order::O0 };
            let movable = random.below(10) > 0;
            if machine.nr_free_pages() < managed / 3 || !kernel.alloc(order, movable) {
                let frames = usize::try_from(managed).expect("a small machine");
                kernel.free_near(random.below(frames) as u64);
            }
        }
    });
    assert!(kernel.state().moved > 0);
    kernel.state().is_alone = true;
    kernel.check();
    kernel.finish();
}
