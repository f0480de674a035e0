//! A ring that one thread fills and another empties, for what is allocated here and freed there.

use super::failure::Failure;
use super::gate::wait;
use std::cell::UnsafeCell;
use std::iter;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SLOTS: usize = 1024;

/// Much longer than a step of the other thread, if that runs.
const SPINS: u32 = 10_000;

/// In cache lines of its own.
#[repr(align(128))]
struct Alone<T>(T);

/// A ring of [`SLOTS`] places.
pub(crate) struct Ring<T> {
    slots: Box<[UnsafeCell<Option<T>>]>,
    /// How many values were put in.
    sent: Alone<AtomicUsize>,
    /// How many were taken out: at most `SLOTS` fewer.
    received: Alone<AtomicUsize>,
    /// One of the two threads has ended.
    closed: AtomicBool,
}

// SAFETY: a slot is the receiver's from when it has seen, with acquire, that the sender has counted
// the slot, with release, until it counts the slot itself in the same way, and the sender's at all
// other times. There is one of each: `split` makes them, and borrows the ring as long as they live.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        let slots = iter::repeat_with(|| UnsafeCell::new(None)).take(SLOTS).collect();
        let [sent, received] = [(); 2].map(|()| Alone(AtomicUsize::new(0)));
        Self { slots, sent, received, closed: AtomicBool::new(false) }
    }

    /// The two ends of the ring.
    pub(crate) fn split(&mut self) -> (Sender<'_, T>, Receiver<'_, T>) {
        *self.closed.get_mut() = false;
        let (sent, received) = (*self.sent.0.get_mut(), *self.received.0.get_mut());
        let ring = &*self;
        (Sender { ring, sent, received }, Receiver { ring, sent, received })
    }

    fn slot(&self, number: usize) -> *mut Option<T> {
        self.slots[number % SLOTS].get()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The end of the ring where values are put in.
pub(crate) struct Sender<'a, T> {
    ring: &'a Ring<T>,
    sent: usize,
    /// As last seen.
    received: usize,
}

impl<T> Sender<'_, T> {
    /// Puts a value in, as soon as there is room.
    #[inline]
    pub(crate) fn send(&mut self, value: T) -> Result<(), Failure> {
        if self.sent - self.received == SLOTS {
            wait(SPINS, || {
                self.received = self.ring.received.0.load(Ordering::Acquire);
                self.sent - self.received < SLOTS || self.ring.is_closed()
            });
            if self.sent - self.received == SLOTS {
                return Err(Failure::NoMemory);
            }
        }
        // SAFETY: fewer than `SLOTS` values are in the ring, so the slot is the sender's.
        unsafe { *self.ring.slot(self.sent) = Some(value) };
        self.sent += 1;
        self.ring.sent.0.store(self.sent, Ordering::Release);
        Ok(())
    }
}

impl<T> Drop for Sender<'_, T> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

/// The end of the ring where values are taken out.
pub(crate) struct Receiver<'a, T> {
    ring: &'a Ring<T>,
    /// As last seen.
    sent: usize,
    received: usize,
}

impl<T> Receiver<'_, T> {
    /// The next value, as soon as there is one; a failure if there will be none.
    #[inline]
    pub(crate) fn receive(&mut self) -> Result<T, Failure> {
        if self.sent == self.received {
            wait(SPINS, || {
                // Before the count, so that what was sent before the end is seen.
                let closed = self.ring.is_closed();
                self.sent = self.ring.sent.0.load(Ordering::Acquire);
                self.sent != self.received || closed
            });
        }
        if self.sent == self.received {
            return Err(Failure::NoMemory);
        }
        // SAFETY: the sender has counted the slot, so it is the receiver's.
        let value = unsafe { (*self.ring.slot(self.received)).take() };
        self.received += 1;
        self.ring.received.0.store(self.received, Ordering::Release);
        value.ok_or(Failure::NoMemory)
    }
}

impl<T> Drop for Receiver<'_, T> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}
