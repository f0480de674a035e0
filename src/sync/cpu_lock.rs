//! A lock that its CPU takes without a locked instruction.

use super::shim::{AtomicIsize, AtomicU32, Ordering, light_barrier};

/// Who may use what belongs to one CPU.
///
/// The protocol of [`try_own`](Self::try_own): the CPU marks the lock as taken and then looks at the
/// limit; a remote drainer makes the limit negative, makes the CPU pass a memory barrier, and then looks
/// whether the lock is taken. Of the two, at least one sees the other: the CPU goes elsewhere, the
/// drainer waits. What runs on the CPU meanwhile (an interrupt) finds the lock taken and goes elsewhere
/// too; one that comes before it is marked is over before the CPU goes on.
///
/// The protocol of [`try_swap`](Self::try_swap): whoever swaps the mark in for something else has it.
///
/// One lock is used by one of the two protocols only.
///
/// The limit is a number that anybody may set, for [`try_own_below`](Self::try_own_below): so one look
/// tells its CPU whether there is room, and whether a drainer asks. A [`Gate`] does the same for who
/// looks at something else ([`take_own`](Self::take_own)): the drainer shuts it before the barrier.
#[derive(Debug)]
pub(crate) struct CpuLock {
    /// While nobody has it, the number of its CPU; no CPU has the number [`TAKEN`].
    holder: AtomicU32,
    /// That number.
    owner: u32,
    /// The limit, with [`ASKED`] while a drainer asks for the lock or has it.
    limit: AtomicIsize,
}

const TAKEN: u32 = u32::MAX;

/// Makes any limit negative.
const ASKED: isize = isize::MIN;

/// What a CPU looks at in place of the limit. Only the drainer that asks for the lock shuts and opens it.
///
/// What belongs to the CPU is as safe as this keeps its word: while it is shut, nobody passes.
pub(crate) trait Gate {
    /// What a CPU asks for.
    type Asked;

    /// Whether who asks for that passes.
    fn passes(&self, asked: Self::Asked) -> bool;

    /// From now on nobody passes.
    fn shut(&self);

    /// It says again what it said. Who passes then sees all that was written before.
    fn open(&self);
}

/// Of who took the lock on its CPU, or by the swap: what it says when it is given back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding(u32);

impl CpuLock {
    /// Nobody has it; the limit is 0.
    pub(crate) fn new(owner: u32) -> Self {
        Self { holder: AtomicU32::new(owner), owner, limit: AtomicIsize::new(0) }
    }

    /// Takes it on its own CPU, which has that number, from which the caller can't be moved and where
    /// nothing else goes on but interrupts. `None`: somebody has it, or asks for it, or it is another
    /// CPU's.
    #[inline]
    pub(crate) fn try_own(&self, cpu: u32) -> Option<Holding> {
        let (holding, ()) = self.try_own_if(cpu, |limit| (limit >= 0).then_some(()))?;
        Some(holding)
    }

    /// As [`try_own`](Self::try_own), if the amount then is below the limit; with the amount.
    #[inline(always)]
    pub(crate) fn try_own_below(
        &self,
        cpu: u32,
        amount: impl FnOnce() -> u32,
    ) -> Option<(Holding, u32)> {
        self.try_own_if(cpu, |limit| {
            let amount = amount();
            is_below(amount, limit).then_some(amount)
        })
    }

    /// `may` says no to a negative limit.
    #[inline(always)]
    fn try_own_if<A>(
        &self,
        cpu: u32,
        may: impl FnOnce(isize) -> Option<A>,
    ) -> Option<(Holding, A)> {
        let holding = self.take_own(cpu)?;
        match may(self.limit.load(Ordering::Acquire)) {
            Some(answer) => Some((holding, answer)),
            None => {
                core::hint::cold_path();
                self.release(holding);
                None
            }
        }
    }

    /// As [`try_own`](Self::try_own), whoever asks for it. It is the caller's only once the caller has
    /// looked at its gate and found it open; else it is to be given back at once.
    #[inline(always)]
    pub(crate) fn take_own(&self, cpu: u32) -> Option<Holding> {
        (self.holder.load(Ordering::Relaxed) == cpu).then(|| self.take(cpu))
    }

    /// As [`try_own`](Self::try_own), where there is no other CPU.
    #[inline]
    pub(crate) fn try_own_alone(&self) -> Option<Holding> {
        match self.holder.load(Ordering::Relaxed) {
            TAKEN => None,
            free => Some(self.take(free)),
        }
    }

    #[inline(always)]
    fn take(&self, free: u32) -> Holding {
        self.holder.store(TAKEN, Ordering::Relaxed);
        light_barrier();
        Holding(free)
    }

    /// Takes it, on any CPU. `None`: somebody has it.
    #[inline]
    pub(crate) fn try_swap(&self) -> Option<Holding> {
        match self.holder.swap(TAKEN, Ordering::Acquire) {
            TAKEN => None,
            free => Some(Holding(free)),
        }
    }

    /// Gives it back, whichever of the above took it.
    #[inline]
    pub(crate) fn release(&self, Holding(free): Holding) {
        self.holder.store(free, Ordering::Release);
    }

    /// The number of its CPU.
    #[inline]
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// Whether an amount is below the limit, for who has the lock.
    #[inline]
    pub(crate) fn has_room(&self, amount: u32) -> bool {
        is_below(amount, self.limit.load(Ordering::Relaxed))
    }

    /// The limit, whether or not a drainer asks for the lock.
    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        let limit = self.limit.load(Ordering::Relaxed) & !ASKED;
        u32::try_from(limit).unwrap_or(u32::MAX)
    }

    /// Sets the limit, as far as a number has room in a signed word.
    pub(crate) fn set_limit(&self, limit: u32) {
        let limit = isize::try_from(limit).unwrap_or(isize::MAX);
        let with_asked = |word: isize| Some(word & ASKED | limit);
        // Never refused: the closure has an answer for each word.
        let _before = self.limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_asked);
    }

    /// Takes it on another CPU than its own. `barrier` makes its own CPU pass a full memory barrier,
    /// `wait` is called while that CPU has it, until it says to give up. False: given up, or
    /// another drainer asks for it.
    pub(crate) fn try_remote(
        &self,
        gate: &impl Gate,
        barrier: impl FnOnce(),
        mut wait: impl FnMut() -> bool,
    ) -> bool {
        if self.limit.fetch_or(ASKED, Ordering::Acquire) < 0 {
            return false;
        }
        gate.shut();
        barrier();
        while self.holder.load(Ordering::Acquire) == TAKEN {
            if !wait() {
                self.release_remote(gate);
                return false;
            }
        }
        true
    }

    /// Gives back what [`try_remote`](Self::try_remote) took. The gate before the limit: then the next
    /// drainer may shut it.
    pub(crate) fn release_remote(&self, gate: &impl Gate) {
        gate.open();
        self.limit.fetch_and(!ASKED, Ordering::Release);
    }
}

/// No amount is below a negative limit.
#[inline(always)]
fn is_below(amount: u32, limit: isize) -> bool {
    isize::try_from(amount).is_ok_and(|amount| amount < limit)
}
