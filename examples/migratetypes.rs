//! Why a request says whether its block can be moved: the same load twice, once with the types told
//! apart and once not, and the huge pages that can be had when the movable part is gone.
//!
//! ```text
//! cargo run --release --example migratetypes
//! ```

use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, Order, Pages};
use std::error::Error;
use std::iter;

/// One frame in so many is the kernel's own, and stays.
const KERNEL_SHARE: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let apart = huge_pages("movable memory asked for as MOVABLE", Gfp::HIGHUSER_MOVABLE)?;
    let mixed = huge_pages("movable memory asked for as the kernel's own", Gfp::KERNEL)?;
    println!("huge pages when the movable memory is freed: {apart} with types, {mixed} without");
    assert!(apart > 3 * mixed);
    println!("\nok");
    Ok(())
}

/// Fills three quarters of a machine of 512 MiB, frees what is called movable, and asks for huge pages
/// until there are no more.
fn huge_pages(what: &str, movable: Gfp) -> Result<usize, Box<dyn Error>> {
    let machine = Sim::boot(SimConfig::flat(512 << 20))?;
    let at_boot = machine.nr_free_pages();
    let (mut kernel, mut user): (Vec<Pages>, Vec<Pages>) = (Vec::new(), Vec::new());
    for number in 0..96 << 10 {
        match number % KERNEL_SHARE {
            0 => kernel.push(machine.alloc_page(Gfp::KERNEL)?),
            _ => user.push(machine.alloc_page(movable)?),
        }
    }
    println!("== {what}, as in /proc/pagetypeinfo ==\n\n{}", machine.pagetypeinfo());
    for page in user {
        machine.free_pages(page)?;
    }
    machine.drain_all_pages(None); // what the CPU keeps at hand
    // Without NORETRY a request that finds no huge page would try hard to make one.
    let gfp = Gfp::HIGHUSER_MOVABLE | Gfp::NORETRY | Gfp::NOWARN;
    let huge: Vec<_> = iter::from_fn(|| machine.alloc_pages(gfp, Order::O9).ok()).collect();
    let count = huge.len();
    for block in kernel.into_iter().chain(huge) {
        machine.free_pages(block)?;
    }
    machine.drain_all_pages(None);
    machine.verify()?;
    assert_eq!(machine.nr_free_pages(), at_boot, "all pages are back");
    Ok(count)
}
