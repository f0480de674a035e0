//! The kernel's heap: whole blocks of frames.

use crate::frames::{FRAMES, Machine};
use crate::hooks::Kernel;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use page_alloc::integrations::{DirectMap, PageHeap};
use page_alloc::{Gfp, PhysAddr};

#[global_allocator]
static HEAP: PageHeap<'static, Machine, Kernel> = PageHeap::new(&FRAMES, Gfp::KERNEL);

impl DirectMap for Machine {
    fn virt_to_phys(&self, address: *mut u8) -> PhysAddr {
        PhysAddr::new(address.addr() as u64)
    }
}

/// Uses collections as any program does.
pub(crate) fn check() {
    let squares: Vec<u64> = (0..20_000).map(|number| number * number).collect();
    assert_eq!(squares[19_999], 19_999 * 19_999);
    let roots: BTreeMap<u64, u64> = squares
        .iter()
        .step_by(500)
        .zip((0..).step_by(500))
        .map(|(square, root)| (*square, root))
        .collect();
    assert_eq!(roots.get(&squares[7500]), Some(&7500));
    assert_eq!(roots.len(), 40);
}
