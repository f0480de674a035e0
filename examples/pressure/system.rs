//! The system at work: what processes ask of the kernel.

use crate::cache::State;
use crate::kernel::{Faults, Kernel, Machine, Switch, Switches};
use crate::memory::Block;
use crate::random::Random;
use crate::refusals::Refusal;
use crate::threads::Threads;
use page_alloc::sim::{SimConfig, SimError};
use page_alloc::{Gfp, Movability, Order, PAGEBLOCK_ORDER, Pfn, PfnRange, ZoneType};
use std::collections::VecDeque;
use std::sync::Arc;

/// So many packets wait to be read at most.
const PACKETS: usize = 64;

/// A booted machine with its kernel.
#[derive(Debug)]
pub(crate) struct System {
    machine: Arc<Machine>,
    pub(crate) random: Random,
    threads: Threads,
    /// Those that came in and were not read.
    packets: VecDeque<Block>,
    /// Where each zone lies; a kernel has that in its page flags.
    spans: Vec<(ZoneType, PfnRange)>,
    /// Free frames at boot.
    at_boot: u64,
}

impl System {
    pub(crate) fn boot(
        config: &SimConfig,
        switches: Switches,
        (seed, fail_chance): (u64, f64),
    ) -> Result<Self, SimError> {
        let faults = Faults { chance: fail_chance, random: Random::new(!seed) };
        let machine = Kernel::boot(config, switches, faults)?;
        let spans = machine.zones().map(|zone| (zone.zone_type(), zone.span())).collect();
        let (random, at_boot) = (Random::new(seed), machine.nr_free_pages());
        let (threads, packets) = (Threads::default(), VecDeque::new());
        Ok(Self { machine, random, threads, packets, spans, at_boot })
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        self.machine.reclaim()
    }

    /// Frames that the allocator was given.
    pub(crate) fn managed(&self) -> u64 {
        self.machine.report().managed_pages
    }

    /// Some frame of the machine.
    pub(crate) fn any_frame(&mut self) -> Pfn {
        let end = self.spans.iter().map(|(_, span)| span.end.get()).max();
        Pfn::new(self.random.below(end.unwrap_or(0)))
    }

    /// The flags for memory that can be moved, in a kernel that tells.
    fn movable(&self, gfp: Gfp) -> Gfp {
        match self.kernel().switches().grouping {
            Switch::On => gfp,
            Switch::Off => gfp - Gfp::MOVABLE,
        }
    }

    /// A block for somebody, who writes to it.
    fn request(&self, gfp: Gfp, order: Order) -> Option<Block> {
        let _of_earlier_ones = self.machine.trace().take();
        let pages = self.machine.alloc_pages(gfp, order);
        let kernel = self.kernel();
        let mut tally = kernel.tally();
        tally.asked[order.index()] += 1;
        tally.failed[order.index()] += u64::from(pages.is_err());
        if pages.is_err() && order == PAGEBLOCK_ORDER {
            tally.refused(Refusal::of(&self.machine.trace().take()));
        }
        Some(kernel.memory().write(pages.ok()?))
    }

    /// A part of a file is read into the cache, and sometimes changed at once; whether there was
    /// memory for it.
    pub(crate) fn read(&mut self) -> bool {
        let order = if self.random.happens(0.1) { Order::O2 } else { Order::O0 };
        let state = if self.random.happens(0.2) { State::Dirty } else { State::Clean };
        let Some(block) = self.request(self.movable(Gfp::HIGHUSER_MOVABLE), order) else {
            return false;
        };
        // Without grouping, the flags do not say that it can be moved.
        let _marked = self.machine.set_movable(&block.pages, Movability::Movable);
        let zone = self.zone_of(block.pages.pfn());
        self.kernel().cache().add(block, zone, state);
        true
    }

    fn zone_of(&self, pfn: Pfn) -> ZoneType {
        let found = self.spans.iter().find(|(_, span)| span.contains(pfn));
        found.map_or(ZoneType::Movable, |(zone, _)| *zone)
    }

    /// A process needs memory of the kernel: page tables, stacks, tables of open files.
    pub(crate) fn grow(&mut self) -> bool {
        let order = match self.random.below(20) {
            0..16 => Order::O0,
            16..18 => Order::O1,
            18 => Order::O2,
            _ => Order::O3,
        };
        let block = self.request(Gfp::KERNEL, order);
        self.give(block)
    }

    /// A process would like a huge page.
    pub(crate) fn fault_huge(&mut self) -> bool {
        let block = self.request_huge();
        self.give(block)
    }

    pub(crate) fn request_huge(&self) -> Option<Block> {
        self.request(self.movable(Gfp::TRANSHUGE | Gfp::KSWAPD_RECLAIM), Order::O9)
    }

    /// Gives a block to some process, if there is one.
    fn give(&mut self, block: Option<Block>) -> bool {
        let Some(block) = block else { return false };
        self.machine.reclaim().processes().give(block, &mut self.random);
        true
    }

    /// A packet comes in, for which nobody can wait. The oldest one has been read by now.
    pub(crate) fn receive(&mut self) -> bool {
        let packet = self.request(Gfp::ATOMIC | Gfp::COMP | Gfp::NOWARN, Order::O3);
        let served = packet.is_some();
        self.packets.extend(packet);
        if self.packets.len() > PACKETS {
            self.packets.pop_front().into_iter().for_each(|oldest| self.free(oldest));
        }
        served
    }

    /// Some process gives a block back.
    pub(crate) fn take_unmovable(&mut self) -> Option<Block> {
        self.machine.reclaim().processes().take_any(&mut self.random)
    }

    /// Some block of the cache is given up.
    pub(crate) fn take_cached(&mut self) -> Option<Block> {
        let pfn = self.any_frame();
        self.kernel().cache().take_from(pfn).map(|page| page.block)
    }

    pub(crate) fn free(&self, block: Block) {
        self.kernel().free(&self.machine, block);
    }

    /// The process that runs longest ends.
    pub(crate) fn end_process(&self) {
        let ended = self.kernel().processes().end_first();
        let blocks = ended.into_iter().flat_map(|process| process.blocks);
        blocks.for_each(|block| self.free(block));
    }

    /// The kernel's threads run, if they have to.
    pub(crate) fn run_threads(&mut self, now: u64) {
        self.threads.run(&self.machine, now);
    }

    /// Everybody gives everything back; what is wrong then, if something is.
    pub(crate) fn shut_down(&mut self) -> Result<(), String> {
        let kernel = self.machine.reclaim();
        while let Some(process) = kernel.processes().end_first() {
            process.blocks.into_iter().for_each(|block| self.free(block));
        }
        while let Some(packet) = self.packets.pop_front() {
            self.free(packet);
        }
        while let Some(page) = kernel.cache().take_oldest() {
            self.free(page.block);
        }
        self.machine.drain_all_pages(None);
        self.check()
    }

    /// The allocator's invariants, the contents that owners found, and the number of free frames.
    fn check(&self) -> Result<(), String> {
        self.machine.verify().map_err(|violation| violation.to_string())?;
        match self.kernel().memory().spoiled() {
            0 => {}
            blocks => return Err(format!("{blocks} blocks were overwritten")),
        }
        match self.machine.nr_free_pages() {
            free if free == self.at_boot => Ok(()),
            free => Err(format!("{free} free frames, {} at boot", self.at_boot)),
        }
    }
}
