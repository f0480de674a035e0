//! The shortest tour: a simulated machine, blocks of it, what a zone looks like meanwhile.
//!
//! ```text
//! cargo run --release --example hello
//! ```

use page_alloc::report::BuddyInfoRow;
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, Order};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    // 64 MiB, one node, one CPU.
    let machine = Sim::boot(SimConfig::flat(64 << 20))?;
    print!("{}", machine.report());
    let at_boot = machine.nr_free_pages();
    print_zones("at boot", &machine);

    // A page table, zeroed and mapped; a DMA buffer of 64 KiB; a huge page for a process.
    let table = machine.get_zeroed_page(Gfp::KERNEL)?;
    let buffer = machine.get_dma_pages(Gfp::KERNEL, Order::O4)?;
    let huge = machine.alloc_pages(Gfp::HIGHUSER_MOVABLE, Order::O9)?;
    println!("\npage table: frame {}", table.pages().pfn());
    println!("DMA buffer: {}", buffer.pages().range());
    println!("huge page: {}", huge.range());
    print_zones("while they are in use", &machine);

    machine.free_pages(table.into_pages())?;
    machine.free_pages(buffer.into_pages())?;
    machine.free_pages(huge)?;
    machine.drain_all_pages(None); // what the CPU keeps at hand
    machine.verify()?;
    assert_eq!(machine.nr_free_pages(), at_boot, "all pages are back");
    println!("\nok");
    Ok(())
}

/// The free blocks of each order, zone by zone, as `/proc/buddyinfo` has them.
fn print_zones(when: &str, machine: &Sim) {
    println!("\nfree blocks by order, {when}");
    for zone in machine.zones().filter(|zone| zone.present_pages() > 0) {
        let (node, nr_free) = (zone.node(), zone.nr_free());
        println!("{}", BuddyInfoRow { node, zone: zone.zone_type(), nr_free });
    }
}
