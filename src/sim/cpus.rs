//! Which thread stands for which CPU of a simulated machine.

use crate::CpuId;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::vec::Vec;

/// What a thread is that stands for no CPU: there were no more.
pub(super) const NO_CPU: CpuId = CpuId::new(u32::MAX);

/// Numbers machines from 1 on.
static MACHINES: AtomicU64 = AtomicU64::new(1);

std::thread_local! {
    /// The machine that this thread used last, and the CPU that it stands for there.
    static CURRENT: Cell<(u64, CpuId)> = const { Cell::new((0, NO_CPU)) };
    /// What this thread stands for in calls of `on_cpu`, the innermost last.
    static STANDS: RefCell<Vec<(u64, CpuId)>> = const { RefCell::new(Vec::new()) };
    /// The CPUs that this thread took of its own accord; given back when it ends.
    static CLAIMS: RefCell<Vec<Claim>> = const { RefCell::new(Vec::new()) };
}

/// The CPUs of one machine.
///
/// # Invariants
///
/// A CPU is at most one thread's, and only that thread is told its number.
#[derive(Clone, Debug)]
pub(super) struct Cpus {
    machine: u64,
    owners: Arc<Mutex<Vec<Option<ThreadId>>>>,
}

impl Cpus {
    pub(super) fn new(nr_cpus: u32) -> Self {
        let owners = Arc::new(Mutex::new(std::vec![None; nr_cpus as usize]));
        Self { machine: MACHINES.fetch_add(1, Ordering::Relaxed), owners }
    }

    /// The CPU that the running thread stands for: at its first call the lowest that is free, which
    /// it then keeps; [`NO_CPU`] if none is.
    #[inline]
    pub(super) fn current(&self) -> CpuId {
        let (machine, cpu) = CURRENT.get();
        if machine == self.machine { cpu } else { self.find_current() }
    }

    #[cold]
    fn find_current(&self) -> CpuId {
        let innermost = STANDS.try_with(|stands| {
            let stands = stands.borrow();
            let here = stands.iter().rev().find(|(machine, _)| *machine == self.machine);
            here.map(|(_, cpu)| *cpu).filter(|cpu| self.is_mine(*cpu))
        });
        if let Ok(Some(cpu)) = innermost {
            CURRENT.set((self.machine, cpu));
            return cpu;
        }
        let known = CLAIMS.try_with(|claims| {
            let mut claims = claims.borrow_mut();
            claims.retain(|claim| Arc::strong_count(&claim.cpus.owners) > 1);
            let mine = claims.iter().find(|claim| claim.cpus.machine == self.machine);
            mine.map(|claim| claim.cpu).or_else(|| {
                let claim = self.claim_lowest()?;
                let cpu = claim.cpu;
                claims.push(claim);
                Some(cpu)
            })
        });
        let cpu = known.ok().flatten().unwrap_or(NO_CPU);
        if cpu != NO_CPU {
            CURRENT.set((self.machine, cpu));
        }
        cpu
    }

    fn owners(&self) -> MutexGuard<'_, Vec<Option<ThreadId>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_mine(&self, cpu: CpuId) -> bool {
        let owner = self.owners().get(cpu.index()).copied().flatten();
        owner == Some(thread::current().id())
    }

    /// Whether another thread may stand for this CPU now; whoever does so later passes a full memory
    /// barrier first, and sees what the caller wrote before it asked.
    ///
    /// Never waits: a handler of signals may ask while the code under it looks at the owners.
    pub(super) fn is_elsewhere(&self, cpu: CpuId) -> bool {
        let owners = match self.owners.try_lock() {
            Ok(owners) => owners,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return true,
        };
        let owner = owners.get(cpu.index()).copied().flatten();
        owner.is_some_and(|owner| owner != thread::current().id())
    }

    fn claim_lowest(&self) -> Option<Claim> {
        let mut owners = self.owners();
        let free = owners.iter().position(Option::is_none)?;
        owners[free] = Some(thread::current().id());
        fence(Ordering::SeqCst);
        Some(Claim { cpus: self.clone(), cpu: CpuId::new(u32::try_from(free).ok()?) })
    }

    /// Takes a CPU for the running thread; `Ok(None)` if it has it already.
    fn claim(&self, cpu: CpuId) -> Result<Option<Claim>, &'static str> {
        let mut owners = self.owners();
        let me = thread::current().id();
        match owners.get_mut(cpu.index()) {
            Some(owner) if *owner == Some(me) => Ok(None),
            Some(owner @ None) => {
                *owner = Some(me);
                fence(Ordering::SeqCst);
                Ok(Some(Claim { cpus: self.clone(), cpu }))
            }
            Some(Some(_)) => Err("is another thread's now"),
            None => Err("does not exist"),
        }
    }

    /// The thread stands for this CPU until the value is dropped.
    ///
    /// # Panics
    ///
    /// If the CPU is another thread's, or there is no such CPU.
    pub(super) fn stand_for(&self, cpu: CpuId) -> StandsFor {
        match self.claim(cpu) {
            Ok(claim) => {
                STANDS.with_borrow_mut(|stands| stands.push((self.machine, cpu)));
                CURRENT.set((self.machine, cpu));
                StandsFor { _claim: claim }
            }
            Err(why) => panic!("CPU {cpu} {why}"),
        }
    }

    /// The running thread gives up its CPU, if it has taken one of its own accord, until the value
    /// is dropped: it waits for threads that need all.
    pub(super) fn lend(&self) -> Lent {
        let claim = CLAIMS.with_borrow_mut(|claims| {
            let mine = claims.iter().position(|claim| claim.cpus.machine == self.machine)?;
            Some(claims.swap_remove(mine))
        });
        let cpu = claim.map(|claim| claim.cpu);
        Lent { cpus: self.clone(), cpu, before: CURRENT.replace((0, NO_CPU)) }
    }
}

/// A CPU that is the running thread's.
#[derive(Debug)]
struct Claim {
    cpus: Cpus,
    cpu: CpuId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The thread may go on, in what ends its other variables: it is this CPU no more.
        if CURRENT.get() == (self.cpus.machine, self.cpu) {
            CURRENT.set((0, NO_CPU));
        }
        if let Some(owner) = self.cpus.owners().get_mut(self.cpu.index()) {
            *owner = None;
        }
    }
}

/// Made by [`Cpus::stand_for`]. The thread is what it was before when this is dropped, after a panic
/// too.
#[derive(Debug)]
pub(super) struct StandsFor {
    _claim: Option<Claim>,
}

impl Drop for StandsFor {
    fn drop(&mut self) {
        let _ended = STANDS.try_with(|stands| stands.borrow_mut().pop());
        // What it is now is found out anew: it may have been lent meanwhile.
        CURRENT.set((0, NO_CPU));
    }
}

/// Made by [`Cpus::lend`]. The thread has its CPU back when this is dropped, if nobody else took it.
#[derive(Debug)]
pub(super) struct Lent {
    cpus: Cpus,
    cpu: Option<CpuId>,
    before: (u64, CpuId),
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(cpu) = self.cpu else { return };
        if let Ok(Some(claim)) = self.cpus.claim(cpu) {
            CLAIMS.with_borrow_mut(|claims| claims.push(claim));
            CURRENT.set(self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// A CPU that was lent, and that another thread took, is not taken for the thread's own again.
    #[test]
    fn a_cpu_that_was_lent_may_be_gone() {
        let cpus = Cpus::new(2);
        assert_eq!(cpus.current(), CpuId::BOOT);
        let stands = cpus.stand_for(CpuId::new(1));
        let lent = cpus.lend();
        let (has, wait) = channel();
        let (end, ended) = channel::<()>();
        thread::scope(|scope| {
            let cpus = &cpus;
            scope.spawn(move || {
                let _here = cpus.stand_for(CpuId::BOOT);
                has.send(()).unwrap();
                let _hung_up = ended.recv();
            });
            wait.recv().unwrap();
            drop(lent);
            drop(stands);
            assert_eq!(cpus.current(), CpuId::new(1));
            drop(end);
        });
    }

    /// Inside a call for one machine, another machine may be used: the thread stands for a CPU of
    /// each.
    #[test]
    fn two_machines_in_turn() {
        let [one, other] = [4, 4].map(Cpus::new);
        let _outer = one.stand_for(CpuId::new(3));
        {
            let _inner = other.stand_for(CpuId::new(2));
            assert_eq!([one.current(), other.current()], [CpuId::new(3), CpuId::new(2)]);
        }
        assert_eq!([one.current(), other.current()], [CpuId::new(3), CpuId::BOOT]);
    }

    /// A barrier is wanted for the CPUs of other threads alone, and for all while that can't be told.
    #[test]
    fn whose_cpu_is_elsewhere() {
        let cpus = Cpus::new(3);
        assert_eq!(cpus.current(), CpuId::BOOT);
        let _also_mine = cpus.stand_for(CpuId::new(1));
        let elsewhere = || [0, 1, 2].map(|cpu| cpus.is_elsewhere(CpuId::new(cpu)));
        assert_eq!(elsewhere(), [false; 3]);
        let other = |f: &(dyn Fn() + Sync)| thread::scope(|scope| scope.spawn(f).join().unwrap());
        other(&|| {
            assert_eq!(cpus.current(), CpuId::new(2));
            assert_eq!(
                [0, 1, 2].map(|cpu| cpus.is_elsewhere(CpuId::new(cpu))),
                [true, true, false]
            );
        });
        let _looked_at = cpus.owners();
        assert_eq!(elsewhere(), [true; 3]);
    }

    /// A thread whose claims are gone, as at its end, is told no number of a CPU that it had.
    #[test]
    fn a_claim_that_ends_is_forgotten() {
        let cpus = Cpus::new(1);
        assert_eq!(cpus.current(), CpuId::BOOT);
        CLAIMS.with_borrow_mut(Vec::clear);
        assert_eq!(CURRENT.get().1, NO_CPU);
    }
}
