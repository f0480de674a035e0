//! What is in the frames: one word for each stands for its contents.

use page_alloc::{Pages, PfnRange};
use std::ops::Range;

/// A block that somebody has, and the word that he wrote to each of its frames.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) pages: Pages,
    word: u64,
}

impl Block {
    pub(crate) fn frames(&self) -> u64 {
        self.pages.order().nr_pages()
    }
}

/// The memory of the machine.
#[derive(Debug)]
pub(crate) struct Memory {
    words: Vec<u64>,
    written: u64,
    /// Blocks in which their owners did not find what they wrote.
    spoiled: u64,
}

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { words: vec![0; index(bytes >> 12)], written: 0, spoiled: 0 }
    }

    /// The owner of a block writes to it.
    pub(crate) fn write(&mut self, pages: Pages) -> Block {
        self.written += 1;
        self.words[indices(pages.range())].fill(self.written);
        Block { pages, word: self.written }
    }

    /// Copies what is in a block to another one of the same size.
    pub(crate) fn copy(&mut self, from: PfnRange, to: PfnRange) {
        self.words.copy_within(indices(from), index(to.start.get()));
    }

    /// The owner of a block reads it a last time.
    pub(crate) fn give_up(&mut self, block: Block) -> Pages {
        let found = &self.words[indices(block.pages.range())];
        self.spoiled += u64::from(found.iter().any(|word| *word != block.word));
        block.pages
    }

    pub(crate) fn spoiled(&self) -> u64 {
        self.spoiled
    }
}

fn indices(frames: PfnRange) -> Range<usize> {
    index(frames.start.get())..index(frames.end.get())
}

/// A frame's place. A number that is too large for the host is beyond the end in any case.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
