//! The protocols between CPUs, under every interleaving that the memory model allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --test loom
//! ```
//!
//! The files of the protocols are compiled here once more, with loom's atomics.
#![cfg(loom)]
#![expect(unsafe_code, reason = "values that loom watches over go to other threads")]

#[path = "../src/sync/beside.rs"]
mod beside;
#[path = "loom/change.rs"]
mod change;
#[path = "../src/sync/cpu_lock.rs"]
mod cpu_lock;
#[path = "loom/exclusion.rs"]
mod exclusion;
#[path = "../src/sync/latch.rs"]
mod latch;
#[path = "../src/sync/lead.rs"]
mod lead;
#[path = "../src/sync/refcount.rs"]
mod refcount;

/// Stands for `src/sync/shim.rs`.
mod shim {
    pub(crate) use loom::sync::atomic::{AtomicIsize, AtomicPtr, AtomicU32, Ordering, fence};

    /// Half of what a drainer's barrier guarantees; see `exclusion::barrier`.
    pub(crate) fn light_barrier() {
        fence(Ordering::SeqCst);
    }
}

use latch::Latch;
use loom::sync::Arc;
use loom::thread;
use refcount::RefCount;
use shim::{AtomicU32, Ordering};

/// What one thread writes for others to read, without any order of its own: the words of a frame.
struct Word(AtomicU32);

impl Word {
    fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn write(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Whether the reader sees what was written.
    fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// A block of several holders, each with a word of its own to write to.
struct Block<const HOLDERS: usize> {
    count: RefCount,
    words: [Word; HOLDERS],
}

impl<const HOLDERS: usize> Block<HOLDERS> {
    fn new(references: u32) -> Arc<Self> {
        let count = RefCount::new(0);
        count.init(references);
        Arc::new(Self { count, words: [(); HOLDERS].map(|()| Word::new()) })
    }

    /// Gives a reference back; 1 if it was the last. Who is told so sees what all wrote.
    fn put(&self) -> usize {
        let last = self.count.put_testzero().expect("the caller has a reference");
        if !last {
            return 0;
        }
        assert_eq!(self.count.references(), 0);
        assert!(self.words.iter().all(Word::is_seen));
        1
    }
}

/// Each holder writes and puts, all at once; gives how many were told that they were the last.
fn all_put<const HOLDERS: usize>() -> usize {
    let block = Block::<HOLDERS>::new(u32::try_from(HOLDERS).unwrap());
    let threads: Vec<_> = (1..HOLDERS)
        .map(|holder| {
            let block = Arc::clone(&block);
            thread::spawn(move || {
                block.words[holder].write();
                block.put()
            })
        })
        .collect();
    block.words[0].write();
    let last = block.put();
    last + threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
}

/// Of two holders, exactly one is told that it was the last, and it sees what the other wrote.
#[test]
fn the_last_of_two_sees_all() {
    loom::model(|| assert_eq!(all_put::<2>(), 1));
}

/// Of three holders too.
#[test]
fn the_last_of_three_sees_all() {
    loom::model(|| assert_eq!(all_put::<3>(), 1));
}

/// A holder that takes a second reference and hands it on, while another holder puts.
#[test]
fn a_reference_handed_on_counts() {
    loom::model(|| {
        let block = Block::<3>::new(2);
        let first = Arc::clone(&block);
        let handing_on = thread::spawn(move || {
            assert!(first.count.get());
            let second = Arc::clone(&first);
            let next = thread::spawn(move || {
                second.words[2].write();
                second.put()
            });
            first.words[1].write();
            first.put() + next.join().unwrap()
        });
        block.words[0].write();
        assert_eq!(block.put() + handing_on.join().unwrap(), 1);
    });
}

/// Marks that are set and cleared, and a change of the label, by who comes after who opened the latch, show
/// as much as the open latch did.
///
/// That a mark set while the latch is opened undoes nothing is not asked: there loom allows more than the
/// memory model does (its issue 254, as with the swap of `exclusion`).
#[test]
fn a_changed_label_shows_what_was_written() {
    loom::model(|| {
        let section = Arc::new((Latch::open(7), Word::new()));
        section.0.init_closed(7);
        let reader = Arc::clone(&section);
        let reader = thread::spawn(move || assert!(!reader.0.is_open() || reader.1.is_seen()));
        section.1.write();
        section.0.release();
        let next = Arc::clone(&section);
        let next = thread::spawn(move || {
            assert_eq!(next.0.mark(8), 7);
            next.0.unmark(8);
            next.0.relabel(3, 1);
        });
        next.join().unwrap();
        reader.join().unwrap();
        assert!(section.0.is_open());
        assert_eq!(section.0.label(), 5);
    });
}

/// Who sees a section's latch open sees the descriptors written; two may look at once.
#[test]
fn an_open_latch_shows_what_was_written() {
    loom::model(|| {
        let section = Arc::new((Latch::open(7), Word::new()));
        section.0.init_closed(7);
        let readers = [(); 2].map(|()| {
            let section = Arc::clone(&section);
            thread::spawn(move || assert!(!section.0.is_open() || section.1.is_seen()))
        });
        section.1.write();
        section.0.release();
        for reader in readers {
            reader.join().unwrap();
        }
        assert!(section.0.is_open());
    });
}
