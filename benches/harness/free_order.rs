//! The order in which a batch is freed.

use super::rng::Rng;

/// In which order the blocks of a batch are freed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FreeOrder {
    /// The youngest first.
    Lifo,
    /// The oldest first.
    Fifo,
    Random,
}

impl FreeOrder {
    pub(crate) const ALL: [Self; 3] = [Self::Lifo, Self::Fifo, Self::Random];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lifo => "lifo",
            Self::Fifo => "fifo",
            Self::Random => "random",
        }
    }

    /// The places of a batch in the order in which they are freed.
    pub(crate) fn places(self, blocks: usize) -> Vec<usize> {
        let mut places: Vec<_> = (0..blocks).collect();
        match self {
            Self::Lifo => places.reverse(),
            Self::Fifo => {}
            Self::Random => Rng::new().shuffle(&mut places),
        }
        places
    }
}
