//! Random numbers for hooks, which have `&self` alone.

use std::cell::Cell;

/// xorshift
#[derive(Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed | 1))
    }

    fn next(&self) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x
    }

    pub fn below(&self, most: u64) -> u64 {
        self.next() % most
    }

    /// A place in a list of that length.
    pub fn place(&self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// True once in so many times.
    pub fn one_in(&self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }
}
