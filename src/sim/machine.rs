//! A simulated machine: host memory lent as physical memory, threads as CPUs.

use super::cpus::Cpus;
use super::space::Space;
use super::{Contents, SimConfig, SimKernel, SimTrace, Tables, barrier};
use crate::alloc::PageAllocator;
use crate::boot::{BootReport, InitError, Survey, metadata_bytes};
use crate::platform::{IrqFlags, PcpExclusion, PinFlags, Platform};
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use crate::{CpuId, PhysAddr};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{Ordering, compiler_fence, fence};
use std::thread;

std::thread_local! {
    /// How often interrupts were turned off on this thread and not yet on again.
    static IRQS_OFF: Cell<usize> = const { Cell::new(0) };
}

/// The port of a simulated machine.
///
/// All of its address space, from 0 to the end of its memory, is reserved in the host's; pages of
/// it become real when they are written to.
#[derive(Debug)]
pub struct SimPlatform {
    memory: Space,
    contents: Contents,
    cpus: Cpus,
    exclusion: PcpExclusion,
}

impl SimPlatform {
    fn new(bytes: u64, config: &SimConfig) -> Result<Self, SimError> {
        let bytes = usize::try_from(bytes).map_err(|_| SimError::TooLarge(bytes))?;
        let exclusion = match config.exclusion {
            PcpExclusion::Busy if !barrier::register() => PcpExclusion::Swap,
            other => other,
        };
        let memory = Space::reserve(bytes)?;
        let cpus = Cpus::new(u32::try_from(config.cpus.len().max(1)).unwrap_or(u32::MAX));
        Ok(Self { memory, contents: config.contents, cpus, exclusion })
    }

    #[inline(never)]
    fn refuse_other_threads(&self) {
        let cpu = self.cpus.current();
        assert!(cpu == CpuId::BOOT, "a machine without exclusion is used by one thread only");
    }

    /// Whether the running thread has interrupts off.
    #[must_use]
    pub fn irqs_off(&self) -> bool {
        IRQS_OFF.get() > 0
    }
}

// SAFETY: a CPU is one thread's at a time, and no other thread is told its number (invariant of
// `Cpus`), so a thread can't leave its CPU, and nothing else runs there but handlers of signals,
// which end before the thread goes on. Without exclusion, every thread but the one that stands for
// the boot CPU panics. The barrier is passed by all threads, and was registered, or `Busy` is not
// said; none is asked for when the caller stands for that CPU or nobody does, as whoever comes to
// stand for it passes one. Handlers of signals must look at `irqs_off` before they use the
// allocator: whoever installs one (unsafe code) answers for that. The whole address space of the
// machine is one mapping, so pointers into it are valid, contiguous and distinct.
unsafe impl Platform for SimPlatform {
    #[inline]
    fn irq_save(&self) -> IrqFlags {
        let before = IrqFlags(IRQS_OFF.replace(IRQS_OFF.get() + 1));
        compiler_fence(Ordering::SeqCst);
        before
    }

    #[inline]
    unsafe fn irq_restore(&self, flags: IrqFlags) {
        compiler_fence(Ordering::SeqCst);
        IRQS_OFF.set(flags.0);
    }

    #[inline]
    fn phys_to_virt(&self, address: PhysAddr) -> *mut u8 {
        match usize::try_from(address.get()) {
            Ok(offset) if offset < self.memory.len() => self.memory.start().wrapping_add(offset),
            _ => std::ptr::null_mut(),
        }
    }

    #[inline]
    fn cpu_id(&self) -> CpuId {
        self.cpus.current()
    }

    #[inline]
    fn pin(&self) -> PinFlags {
        if self.exclusion == PcpExclusion::SingleCpu {
            self.refuse_other_threads();
        }
        PinFlags(0)
    }

    #[inline]
    unsafe fn unpin(&self, _flags: PinFlags) {}

    #[inline]
    fn pcp_exclusion(&self) -> PcpExclusion {
        self.exclusion
    }

    /// The host need not be asked for a CPU that no other thread stands for.
    fn barrier_on(&self, cpu: CpuId) {
        fence(Ordering::SeqCst);
        if self.cpus.is_elsewhere(cpu) {
            barrier::barrier();
        }
        fence(Ordering::SeqCst);
    }

    fn relax(&self) {
        thread::yield_now();
    }

    unsafe fn clear_pages(&self, start: PhysAddr, bytes: usize) {
        if self.contents == Contents::Kept {
            // SAFETY: the caller owns the frames, which lie in the mapping.
            unsafe { self.phys_to_virt(start).write_bytes(0, bytes) }
        }
    }
}

/// Why a machine can't be simulated.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimError {
    /// The allocator refused the machine.
    Init(InitError),
    /// The host can't address so many bytes.
    TooLarge(u64),
    /// The host did not reserve so many bytes of address space.
    Host(usize, io::Error),
}

impl From<InitError> for SimError {
    fn from(error: InitError) -> Self {
        Self::Init(error)
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(error) => fmt::Display::fmt(error, f),
            Self::TooLarge(bytes) => write!(f, "{bytes} bytes of address space are too many"),
            Self::Host(bytes, error) => write!(f, "{bytes} bytes of address space: {error}"),
        }
    }
}

impl std::error::Error for SimError {}

/// What is to be done with a machine's allocator, and its tables if they lie apart.
type GiveUp<R, T> = fn(&PageAllocator<SimPlatform, R, T>, Option<&Space>);

/// A booted machine. It can be used as its [`PageAllocator`].
///
/// When it is dropped while blocks are allocated, no later machine gets the addresses of its tables, so that
/// all refuse its tokens ([`FreeError::Foreign`](crate::FreeError::Foreign)).
#[derive(Debug)]
pub struct Sim<R = SimKernel, T = SimTrace> {
    allocator: PageAllocator<SimPlatform, R, T>,
    report: BootReport,
    nr_cpus: u32,
    /// What is done in the end.
    give_up: GiveUp<R, T>,
    /// The memory of tables that lie apart. Declared after the allocator, so dropped after it.
    tables: Option<Space>,
}

impl Sim {
    /// Boots a machine with a scripted kernel and counting trace points.
    ///
    /// # Errors
    ///
    /// Why it can't be simulated.
    #[expect(clippy::needless_pass_by_value, reason = "made in the call, as a rule")]
    pub fn boot(config: SimConfig) -> Result<Self, SimError> {
        Self::boot_with(&config, SimKernel::default(), SimTrace::default())
    }
}

impl<R: Reclaim, T: Trace> Sim<R, T> {
    /// Boots a machine with this kernel and these trace points.
    ///
    /// # Errors
    ///
    /// Why it can't be simulated.
    pub fn boot_with(config: &SimConfig, reclaim: R, trace: T) -> Result<Self, SimError> {
        let nr_cpus = u32::try_from(config.cpus.len().max(1)).unwrap_or(u32::MAX);
        let end = config.with_boot_info(end_of_memory)?;
        let platform = SimPlatform::new(end, config)?;
        let allocator = PageAllocator::with_hooks(platform, reclaim, trace);
        let (report, tables) = match config.tables {
            Tables::Carved => (init_carved(&allocator, config)?, None),
            Tables::Apart => init_apart(&allocator, config)?,
        };
        Ok(Self { allocator, report, nr_cpus, give_up, tables })
    }

    /// What booting did.
    pub const fn report(&self) -> &BootReport {
        &self.report
    }

    /// The number of CPUs.
    pub const fn nr_cpus(&self) -> u32 {
        self.nr_cpus
    }

    /// Runs `f` on a CPU: in it, this thread stands for that CPU.
    ///
    /// A thread that uses the machine otherwise stands for the lowest CPU that is free, until it
    /// ends; when there are no more, for none: then it goes without per-CPU lists.
    ///
    /// # Panics
    ///
    /// If another thread stands for that CPU now, or there is no such CPU.
    pub fn on_cpu<A>(&self, cpu: CpuId, f: impl FnOnce() -> A) -> A {
        let _back = self.allocator.platform().cpus.stand_for(cpu);
        f()
    }

    /// Runs `f` on all CPUs at once, each a thread, and waits for them. The calling thread stands
    /// for none meanwhile.
    ///
    /// # Panics
    ///
    /// When `f` does, or when still another thread stands for a CPU.
    pub fn run(&self, f: impl Fn(CpuId) + Sync)
    where
        R: Sync,
        T: Sync,
    {
        let cpus = &self.allocator.platform().cpus;
        let _lent = cpus.lend();
        thread::scope(|scope| {
            for cpu in (0..self.nr_cpus).map(CpuId::new) {
                let f = &f;
                scope.spawn(move || {
                    let _here = cpus.stand_for(cpu);
                    f(cpu);
                });
            }
        });
    }
}

impl<R, T> Drop for Sim<R, T> {
    fn drop(&mut self) {
        (self.give_up)(&self.allocator, self.tables.as_ref());
    }
}

/// If some frame is neither free nor on a CPU's list, there may be a token for it: then nobody else gets the
/// addresses of the tables.
fn give_up<R: Reclaim, T: Trace>(
    allocator: &PageAllocator<SimPlatform, R, T>,
    tables: Option<&Space>,
) {
    let in_use = allocator.zones().any(|zone| {
        let listed: u64 = zone.pagesets().map(|pageset| u64::from(pageset.count())).sum();
        zone.snapshot().free_pages + listed != zone.managed_pages()
    });
    if in_use {
        tables.unwrap_or(&allocator.platform().memory).keep();
    }
}

impl<R, T> Deref for Sim<R, T> {
    type Target = PageAllocator<SimPlatform, R, T>;

    fn deref(&self) -> &Self::Target {
        &self.allocator
    }
}

/// Boots with the tables in the machine's memory.
fn init_carved<R: Reclaim, T: Trace>(
    allocator: &PageAllocator<SimPlatform, R, T>,
    config: &SimConfig,
) -> Result<BootReport, InitError> {
    config.with_boot_info(|info| {
        if let Some(dirt) = config.dirt {
            soil(allocator.platform(), info, dirt)?;
        }
        // SAFETY: the memory is a mapping that the platform, and so the allocator, owns. No earlier machine
        // had it that left tokens: such a one keeps it (`Drop` of `Sim`).
        unsafe { allocator.init(info) }
    })
}

/// Boots with the tables in memory of their own, which must outlive the allocator.
fn init_apart<R: Reclaim, T: Trace>(
    allocator: &PageAllocator<SimPlatform, R, T>,
    config: &SimConfig,
) -> Result<(BootReport, Option<Space>), SimError> {
    let bytes = config.with_boot_info(|info| metadata_bytes(info, SimPlatform::PAGE_SHIFT))?;
    let mapping = Space::reserve(bytes)?;
    // SAFETY: the mapping has that many bytes, initialised to 0, and nobody else uses it. The only
    // one who is told of its endless life is the allocator, and `Sim` drops that first.
    let tables = unsafe { std::slice::from_raw_parts_mut(mapping.start(), bytes) };
    if let Some(dirt) = config.dirt {
        tables.fill(dirt);
    }
    // SAFETY: as in `init_carved`; the tables are no part of the machine's memory.
    let report = config.with_boot_info(|info| unsafe { allocator.init_in(info, tables) })?;
    Ok((report, Some(mapping)))
}

/// One past the last byte of present memory, and of that which may come.
fn end_of_memory(info: &crate::boot::BootInfo<'_>) -> Result<u64, InitError> {
    let survey = Survey::new(info, SimPlatform::PAGE_SHIFT)?;
    let present = survey.frames().end.start_address(SimPlatform::PAGE_SHIFT).get();
    let ends = info.hotplug.iter().map(|range| range.base.get().saturating_add(range.length));
    Ok(ends.fold(present, u64::max))
}

/// Fills the place where the tables will be.
fn soil(
    platform: &SimPlatform,
    info: &crate::boot::BootInfo<'_>,
    dirt: u8,
) -> Result<(), InitError> {
    let bytes = metadata_bytes(info, SimPlatform::PAGE_SHIFT)?;
    let survey = Survey::new(info, SimPlatform::PAGE_SHIFT)?;
    let place = survey.place_metadata(bytes.div_ceil(1 << SimPlatform::PAGE_SHIFT) as u64)?;
    let start = platform.phys_to_virt(place.start.start_address(SimPlatform::PAGE_SHIFT));
    // SAFETY: the place lies in the mapping, and nobody uses it yet.
    unsafe { start.write_bytes(dirt, bytes) };
    Ok(())
}
