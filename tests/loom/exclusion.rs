//! The lock of a CPU's lists: its own CPU, drainers on other CPUs, and the swap in its place.

use crate::cpu_lock::{CpuLock, Gate, Holding};
use crate::lead::Lead;
use crate::shim::{AtomicU32, Ordering, fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// The CPU.
const CPU: u32 = 3;

/// The limit of its lock.
const LIMIT: u32 = 5;

/// Leads to a place that says yes, or to one that says no; nobody looks at more than the place.
struct Door {
    seen: Lead<u8>,
    yes: *mut u8,
}

impl Door {
    fn new() -> Self {
        let yes = std::ptr::dangling_mut();
        Self { seen: Lead::new(yes), yes }
    }
}

impl Gate for Door {
    type Asked = ();

    fn passes(&self, (): ()) -> bool {
        self.seen.get() == self.yes
    }

    fn shut(&self) {
        self.seen.set(std::ptr::null_mut());
    }

    fn open(&self) {
        self.seen.set(self.yes);
    }
}

/// What belongs to a CPU, with its lock.
struct Lists {
    lock: CpuLock,
    gate: Door,
    /// Loom fails the test when two use it at once, or one after the other without the second seeing
    /// what the first did.
    used: UnsafeCell<()>,
    /// Equal, but while they are changed; each use adds 1.
    words: [AtomicU32; 2],
}

// SAFETY: loom runs one thread at a time, and watches over `used` itself.
unsafe impl Sync for Lists {}
// SAFETY: likewise; the gate's pointer is only compared.
unsafe impl Send for Lists {}

impl Lists {
    fn new() -> Arc<Self> {
        let words = [AtomicU32::new(0), AtomicU32::new(0)];
        let lock = CpuLock::new(CPU);
        lock.set_limit(LIMIT);
        Arc::new(Self { lock, gate: Door::new(), used: UnsafeCell::new(()), words })
    }

    /// The words, which must be equal.
    fn uses(&self) -> u32 {
        let [first, second] = [0, 1].map(|word| self.words[word].load(Ordering::Relaxed));
        assert_eq!(first, second);
        first
    }

    /// What is done with the lock held, by plain loads and stores.
    fn use_them(&self) {
        self.used.with_mut(|_| {
            let uses = self.uses();
            self.words[0].store(uses + 1, Ordering::Relaxed);
            self.words[1].store(uses + 1, Ordering::Relaxed);
        });
    }

    /// A round on the CPU itself; 1 if the lists were to be had. An interrupt in the midst of it
    /// does not get them.
    fn own(&self) -> u32 {
        let Some(holding) = self.lock.try_own(CPU) else { return 0 };
        self.use_as(holding)
    }

    /// The same, if there is room.
    fn own_below(&self, amount: u32) -> u32 {
        let Some((holding, _)) = self.lock.try_own_below(CPU, || amount) else { return 0 };
        self.use_as(holding)
    }

    /// The same, past the gate.
    fn own_past(&self) -> u32 {
        let Some(holding) = self.lock.take_own(CPU) else { return 0 };
        if self.gate.passes(()) {
            return self.use_as(holding);
        }
        self.lock.release(holding);
        0
    }

    fn use_as(&self, holding: Holding) -> u32 {
        assert!(self.lock.try_own(CPU).is_none() && self.lock.try_own_below(CPU, || 0).is_none());
        assert!(self.lock.take_own(CPU).is_none());
        self.use_them();
        self.lock.release(holding);
        1
    }

    /// A drain by another CPU that waits so many times; 1 if the lists were to be had.
    fn drain(&self, waits: u32) -> u32 {
        if !self.try_remote(waits) {
            return 0;
        }
        self.use_them();
        self.lock.release_remote(&self.gate);
        1
    }

    fn try_remote(&self, mut waits: u32) -> bool {
        self.lock.try_remote(&self.gate, barrier, || {
            let more = waits > 0;
            waits = waits.saturating_sub(1);
            thread::yield_now();
            more
        })
    }

    /// A round on any CPU, by the swap.
    fn swap(&self) -> u32 {
        let Some(holding) = self.lock.try_swap() else { return 0 };
        self.use_them();
        self.lock.release(holding);
        1
    }
}

/// What the drainer's barrier guarantees, in the terms of the memory model.
///
/// In the code only the drainer passes a barrier of the processor, and makes the owner pass one at
/// some point of its program, which neither of them chooses. If that point comes before the owner
/// sets `busy`, the owner's later look at `request` sees what the drainer wrote before. If it comes
/// after that, the drainer's later look at `busy` sees it set. So, wherever the point is, never do
/// both miss the other's store: that is just what two full fences forbid, one on each side between
/// the store and the load, and all that is relied on. The compiler's fence on the owner's side
/// ([`light_barrier`](crate::shim::light_barrier)) keeps its store and load in this order in the
/// program; without it there would be no "between".
fn barrier() {
    fence(Ordering::SeqCst);
}

/// Runs `other` on a thread beside `here`; gives the sum of what both give.
fn beside(
    lists: &Arc<Lists>,
    other: impl FnOnce(&Lists) -> u32 + 'static,
    here: impl FnOnce(&Lists) -> u32,
) -> u32 {
    let theirs = Arc::clone(lists);
    let thread = thread::spawn(move || other(&theirs));
    here(lists) + thread.join().unwrap()
}

/// After all is over: every use is counted, and the lock is free for its CPU and for drainers.
///
/// Not to be asked after a swap that found the lock taken raced with its release: there loom allows
/// more than the memory model does. It lets the release come between what the swap read and what it
/// wrote, and the lock stay taken (loom's issue 254).
fn check_free(lists: &Lists, uses: u32) {
    assert_eq!(lists.uses(), uses);
    assert_eq!(lists.own() + lists.drain(0) + lists.own() + lists.own_past(), 4);
}

/// The CPU takes and releases its lists again and again while another drains them.
#[test]
fn an_owner_and_a_drainer() {
    loom::model(|| {
        let lists = Lists::new();
        let uses =
            beside(&lists, |lists| lists.drain(1), |lists| lists.own() + lists.own() + lists.own());
        check_free(&lists, uses);
    });
}

/// The same, where the CPU looks at its gate and not at the limit, now and then or always.
#[test]
fn an_owner_with_a_gate_and_a_drainer() {
    loom::model(|| {
        let lists = Lists::new();
        let uses = beside(
            &lists,
            |lists| lists.drain(1),
            |lists| lists.own_past() + lists.own() + lists.own_past(),
        );
        check_free(&lists, uses);
    });
}

/// The same with two drainers: what the first has opened again the second shuts.
#[test]
fn an_owner_with_a_gate_and_two_drainers() {
    loom::model(|| {
        let lists = Lists::new();
        let second = Arc::clone(&lists);
        let thread = thread::spawn(move || second.drain(0));
        let uses = beside(&lists, |lists| lists.drain(1), Lists::own_past);
        let uses = uses + thread.join().unwrap();
        match uses {
            3 => check_free(&lists, uses),
            _ => assert_eq!(lists.uses(), uses),
        }
    });
}

/// A drainer that comes back, beside a CPU that looks at its gate.
#[test]
fn an_owner_with_a_gate_and_a_drainer_that_returns() {
    loom::model(|| {
        let lists = Lists::new();
        let uses = beside(
            &lists,
            |lists| lists.drain(1) + lists.drain(0),
            |lists| lists.own_past() + lists.own_past(),
        );
        check_free(&lists, uses);
    });
}

/// One drain after the other, each of which sees what the owner did between.
#[test]
fn an_owner_and_a_drainer_that_returns() {
    loom::model(|| {
        let lists = Lists::new();
        let uses = beside(
            &lists,
            |lists| lists.drain(1) + lists.drain(0),
            |lists| lists.own() + lists.own(),
        );
        check_free(&lists, uses);
    });
}

/// Two drainers at once, beside the CPU itself: one is turned away, or comes later.
#[test]
fn an_owner_and_two_drainers() {
    loom::model(|| {
        let lists = Lists::new();
        let second = Arc::clone(&lists);
        let thread = thread::spawn(move || second.drain(0));
        let uses = beside(&lists, |lists| lists.drain(1), Lists::own);
        let uses = uses + thread.join().unwrap();
        match uses {
            3 => check_free(&lists, uses),
            _ => assert_eq!(lists.uses(), uses),
        }
    });
}

/// A drainer that waits long enough gets the lists.
#[test]
fn a_patient_drainer_is_served() {
    loom::model(|| {
        let lists = Lists::new();
        let drained = Arc::clone(&lists);
        let thread = thread::spawn(move || drained.drain(u32::MAX));
        let owned = lists.own();
        let drained = thread.join().unwrap();
        assert_eq!(drained, 1);
        check_free(&lists, owned + drained);
    });
}

/// A drainer that gives up leaves nothing behind: the owner, who had the lists all the time, takes
/// them again.
#[test]
fn a_request_that_is_not_served_is_withdrawn() {
    loom::model(|| {
        let lists = Lists::new();
        let holding = lists.lock.try_own(CPU).expect("nobody has it");
        let uses = beside(
            &lists,
            |lists| lists.drain(1),
            |lists| {
                lists.use_them();
                1
            },
        );
        assert_eq!(uses, 1);
        lists.lock.release(holding);
        check_free(&lists, uses);
    });
}

/// Where there is room, or no more of it, the owner and a drainer keep out of each other's way; another
/// CPU never gets what is not its own.
#[test]
fn an_owner_with_a_limit_and_a_drainer() {
    loom::model(|| {
        let lists = Lists::new();
        assert_eq!(lists.lock.owner(), CPU);
        assert!(lists.lock.try_own(CPU + 1).is_none());
        assert!(lists.lock.has_room(LIMIT - 1) && !lists.lock.has_room(LIMIT));
        let uses = beside(
            &lists,
            |lists| lists.drain(1),
            |lists| {
                assert_eq!(lists.own_below(LIMIT), 0);
                lists.own_below(LIMIT - 1) + lists.own_below(0)
            },
        );
        check_free(&lists, uses);
        assert_eq!(lists.own_below(LIMIT - 1), 1);
    });
}

/// Who sets the limit while a drainer asks neither hides that it asks, nor is undone when it gives the
/// lists back.
#[test]
fn a_limit_set_while_a_drainer_asks() {
    loom::model(|| {
        let lists = Lists::new();
        let setting = Arc::clone(&lists);
        let thread = thread::spawn(move || setting.lock.set_limit(LIMIT + 1));
        let uses = beside(&lists, |lists| lists.drain(1), |lists| lists.own_below(0));
        thread.join().unwrap();
        assert_eq!(lists.lock.limit(), LIMIT + 1);
        check_free(&lists, uses);
        assert_eq!(lists.own_below(LIMIT) + lists.own_below(LIMIT + 1), 1);
    });
}

/// While a drainer has the lists, the owner and a second drainer are turned away.
#[test]
fn a_drainer_keeps_all_others_out() {
    loom::model(|| {
        let lists = Lists::new();
        assert!(lists.try_remote(0));
        let uses = beside(
            &lists,
            |lists| lists.own() + lists.own_past() + lists.drain(1),
            |lists| {
                lists.use_them();
                1
            },
        );
        assert_eq!(uses, 1);
        lists.lock.release_remote(&lists.gate);
        check_free(&lists, uses);
    });
}

/// Two CPUs by the swap, several rounds each.
#[test]
fn two_cpus_by_the_swap() {
    loom::model(|| {
        let lists = Lists::new();
        let rounds = |lists: &Lists| lists.swap() + lists.swap() + lists.swap();
        let uses = beside(&lists, rounds, rounds);
        assert!(uses > 0);
        assert_eq!(lists.uses(), uses);
    });
}

/// Three CPUs by the swap.
#[test]
fn three_cpus_by_the_swap() {
    loom::model(|| {
        let lists = Lists::new();
        let third = Arc::clone(&lists);
        let thread = thread::spawn(move || third.swap());
        let uses = beside(&lists, Lists::swap, |lists| lists.swap() + lists.swap());
        let uses = uses + thread.join().unwrap();
        assert_eq!(lists.uses(), uses);
    });
}

/// Who finds the lists taken by the swap leaves them to who has them, who can give them back.
#[test]
fn a_swap_that_fails_changes_nothing() {
    loom::model(|| {
        let lists = Lists::new();
        let holding = lists.lock.try_swap().expect("nobody has it");
        assert!(lists.lock.try_swap().is_none());
        let others = beside(&lists, Lists::swap, |lists| {
            lists.use_them();
            0
        });
        assert_eq!(others, 0);
        lists.lock.release(holding);
        assert_eq!(lists.swap() + lists.swap(), 2);
        assert_eq!(lists.uses(), 3);
    });
}
