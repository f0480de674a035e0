//! Answers that no kernel should give.

use crate::kernel::{Machine, State};
use crate::random::Random;
use page_alloc::sim::{Sim, SimConfig};
use page_alloc::{Gfp, Migrated, Movability, Pages, Pfn};
use std::cell::OnceCell;

/// What a lying kernel does.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    /// Says that it moved the block, and did not.
    SaysDone,
    /// Moves it, and says that it is busy.
    SaysBusy,
    /// Moves it, and says that it can't be moved.
    SaysUnmovable,
    /// Gives somebody else's block back, and keeps the target.
    GivesAnother,
    /// Keeps the target too, beside the allocator.
    SharesTarget,
    /// Allocates a block, and gives that one back.
    GivesNew,
    /// Makes single frames of the target, and gives one of these back.
    SplitsTarget,
    /// Gives back a block of another machine.
    GivesForeign,
    /// Writes all over the target's descriptor.
    ScribblesOnTarget,
    /// Moves it after all.
    Moves,
}

const LIES: [Lie; 10] = [
    Lie::SaysDone,
    Lie::SaysBusy,
    Lie::SaysUnmovable,
    Lie::GivesAnother,
    Lie::SharesTarget,
    Lie::GivesNew,
    Lie::SplitsTarget,
    Lie::GivesForeign,
    Lie::ScribblesOnTarget,
    Lie::Moves,
];

/// Requests in the middle of a move must not lead back to it.
const GFP: Gfp = Gfp::NOWAIT;

thread_local! {
    /// A machine of which the allocator under test knows nothing.
    static ELSEWHERE: OnceCell<Sim> = const { OnceCell::new() };
}

fn foreign() -> Pages {
    ELSEWHERE.with(|elsewhere| {
        let sim = elsewhere.get_or_init(|| Sim::boot(SimConfig::flat(64 << 20)).expect("boots"));
        sim.alloc_page(Gfp::KERNEL).expect("few of them are told")
    })
}

impl Lie {
    pub fn pick(random: &mut Random) -> Self {
        LIES[random.below(LIES.len())]
    }

    pub fn tell(
        self,
        machine: &Machine,
        state: &mut State,
        from: Pfn,
        target: &mut Pages,
    ) -> Migrated {
        match self {
            Self::SaysDone => {}
            Self::SaysBusy => {
                state.relocate(from, target);
                return Migrated::Busy;
            }
            Self::SaysUnmovable => {
                state.relocate(from, target);
                return Migrated::Unmovable;
            }
            Self::GivesAnother => {
                let victim = *state.owners.keys().next().expect("somebody has something");
                let given = state.owners.remove(&victim).expect("the first").pages;
                let kept = std::mem::replace(target, given);
                state.own(kept, false);
            }
            Self::SharesTarget => {
                let shared = machine.get_page(target).expect("a token");
                state.own(shared, false);
            }
            Self::GivesNew => {
                if let Ok(new) = machine.alloc_page(GFP) {
                    let kept = std::mem::replace(target, new);
                    state.own(kept, false);
                }
            }
            Self::SplitsTarget => split(machine, state, target),
            Self::GivesForeign => {
                let kept = std::mem::replace(target, foreign());
                state.own(kept, false);
            }
            Self::ScribblesOnTarget => {
                machine.set_private(target, u64::MAX).expect("a token");
                machine.set_movable(target, Movability::Pinned).expect("a token");
                return Migrated::Busy;
            }
            Self::Moves => state.relocate(from, target),
        }
        Migrated::Done
    }
}

fn split(machine: &Machine, state: &mut State, target: &mut Pages) {
    let Ok(spare) = machine.alloc_page(GFP) else { return };
    let whole = std::mem::replace(target, spare);
    let mut frames = machine.split_page(whole).expect("nobody else has it");
    let first = frames.next().expect("a frame at least");
    let spare = std::mem::replace(target, first);
    state.own(spare, false);
    frames.for_each(|frame| state.own(frame, false));
}
