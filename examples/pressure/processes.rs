//! Processes: who has memory that can't be moved, and huge pages.

use crate::memory::Block;
use crate::random::Random;

/// A process, and all blocks that it has.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: u32,
    pub(crate) blocks: Vec<Block>,
    /// The frames of all of them.
    pub(crate) frames: u64,
}

/// All processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    running: Vec<Process>,
    started: u32,
}

impl Processes {
    /// Starts processes until there are so many.
    pub(crate) fn start_up_to(&mut self, most: usize) {
        while self.running.len() < most {
            self.started += 1;
            self.running.push(Process { number: self.started, blocks: Vec::new(), frames: 0 });
        }
    }

    /// Gives a block to some process; the one that was started first has most of it, as it leaks.
    pub(crate) fn give(&mut self, block: Block, random: &mut Random) {
        self.start_up_to(1);
        let len = self.running.len();
        let index = if random.happens(0.5) { 0 } else { random.index(len) };
        self.running[index].frames += block.frames();
        self.running[index].blocks.push(block);
    }

    /// Takes some block of some process.
    pub(crate) fn take_any(&mut self, random: &mut Random) -> Option<Block> {
        self.running.retain(|process| !process.blocks.is_empty());
        let index = random.index(self.running.len());
        let process = self.running.get_mut(index)?;
        let at = random.index(process.blocks.len());
        let block = process.blocks.swap_remove(at);
        process.frames -= block.frames();
        Some(block)
    }

    /// The process that was started first ends.
    pub(crate) fn end_first(&mut self) -> Option<Process> {
        (!self.running.is_empty()).then(|| self.running.remove(0))
    }

    /// Takes the process that has most, if any has something.
    pub(crate) fn take_largest(&mut self) -> Option<Process> {
        let (index, largest) = self.running.iter().enumerate().max_by_key(|(_, it)| it.frames)?;
        (largest.frames > 0).then(|| self.running.remove(index))
    }

    pub(crate) fn frames(&self) -> u64 {
        self.running.iter().map(|process| process.frames).sum()
    }
}
