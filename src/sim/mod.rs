//! The simulator: a machine on the host, for testing policies and measuring.
//!
//! A [`Sim`] is booted from a memory map of any size, perhaps that of a real machine ([`MapFile`]):
//! the allocator's tables are real memory, the frames are address space that costs nothing until it
//! is written to. Its CPUs are the host's threads ([`Sim::on_cpu`]), its kernel a script
//! ([`SimKernel`]), and what happens is counted ([`SimTrace`]).
//!
//! ```
//! use page_alloc::sim::{Sim, SimConfig};
//! use page_alloc::{Gfp, Order};
//!
//! let sim = Sim::boot(SimConfig::flat(64 << 20))?; // 64 MiB
//! let pages = sim.alloc_pages(Gfp::KERNEL, Order::O4)?;
//! assert_eq!(pages.order().nr_pages(), 16);
//! sim.free_pages(pages)?;
//! assert_eq!(sim.verify(), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[expect(unsafe_code, reason = "a call of the host")]
mod barrier;
mod config;
mod cpus;
mod kernel;
#[expect(unsafe_code, reason = "lends host memory as physical memory")]
mod machine;
mod map_file;
#[expect(unsafe_code, reason = "gives the host its memory back")]
mod space;
mod trace;

pub use config::{Contents, SimConfig, Tables};
pub use kernel::SimKernel;
pub use machine::{Sim, SimError, SimPlatform};
pub use map_file::{MapError, MapFile};
pub use trace::SimTrace;
