//! How full the machine is at each step, and how much of what is allocated can't be moved.

/// Frames of the recorded pool, and the unit of a phase.
pub const FRAMES: usize = 1 << 20;

/// What changes while the sequence runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// 90 % are in use, 30 % of the allocations are not movable.
    Steady,
    /// Between 85 and 97 % are in use.
    Swing,
    /// As steady, but 40 % are not movable in the second third, 20 % otherwise.
    Drift,
    /// As swing, but 60 % are not movable in the second third, 10 % otherwise.
    Shift,
}

impl Pattern {
    /// How many frames are to be in use after that step, of so many.
    pub fn target(self, step: usize, steps: usize) -> usize {
        let swings = matches!(self, Self::Swing | Self::Shift) && step < steps;
        if !swings {
            return FRAMES / 10 * 9;
        }
        let phase = (step % FRAMES) as f64 / FRAMES as f64;
        let height = match phase {
            up if up < 0.25 => 4.0 * up,
            down if down < 0.75 => 2.0 - 4.0 * down,
            up => 4.0 * up - 4.0,
        };
        (FRAMES as f64 * (0.91 + 0.06 * height)) as usize
    }

    /// Of a hundred allocations, how many are not movable; `None` is the time before the first step.
    pub fn unmovable_share(self, step: Option<usize>) -> usize {
        let (mostly, second_third) = match self {
            Self::Steady | Self::Swing => (30, 30),
            Self::Drift => (20, 40),
            Self::Shift => (10, 60),
        };
        if step.is_some_and(|step| step / FRAMES == 1) { second_third } else { mostly }
    }
}
