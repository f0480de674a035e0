//! Two places for one thing: it is made anew in the one that nobody looks at.

use super::shim::{AtomicU32, Ordering};

/// Which of two places is in use.
///
/// The protocol: one at a time writes what is new to the [`other`](Self::other) place and then has it
/// [take over](Self::turn). Who asks for the place in use sees all that was written there before it took
/// over, and nothing of what comes later, unless it goes on looking while the place is written to again,
/// after the next turn.
#[derive(Debug)]
pub(crate) struct Beside(AtomicU32);

impl Beside {
    /// The first one.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// How often another place came into use.
    #[inline]
    pub(crate) fn turns(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// The place in use after so many turns.
    #[inline]
    pub(crate) fn place(turns: u32) -> usize {
        turns as usize % 2
    }

    /// The place in use.
    #[inline]
    pub(crate) fn current(&self) -> usize {
        Self::place(self.turns())
    }

    /// The place where something new may be written, by the only one who does so now.
    pub(crate) fn other(&self) -> usize {
        (self.0.load(Ordering::Relaxed) as usize + 1) % 2
    }

    /// What was written there is in use from now on.
    pub(crate) fn turn(&self) {
        let turns = self.0.load(Ordering::Relaxed);
        self.0.store(turns.wrapping_add(1), Ordering::Release);
    }
}
