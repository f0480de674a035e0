//! Every history up to some length, from a small set of requests.

use crate::model::pair::{Pair, Step};
use crate::model::port::{Boot, Setup};

const fn allocate(order: u32, migratetype: u8, flags: &'static str, movable: bool) -> Step {
    Step::Allocate { order, migratetype, flags, movable }
}

/// Requests of all mobilities, which steal from each other.
pub const MOBILITY: [Step; 6] = [
    allocate(0, 0, "", false),
    allocate(0, 1, "K", true),
    allocate(1, 2, "K", false),
    allocate(2, 1, "N", true),
    allocate(3, 0, "K", false),
    allocate(2, 2, "", false),
];

/// Requests that make, use and give back high-atomic reserves.
pub const RESERVES: [Step; 6] = [
    allocate(0, 0, "B", false),
    allocate(1, 0, "H", false),
    allocate(3, 1, "", true),
    allocate(2, 0, "KH", false),
    Step::Unreserve { migratetype: 0, force: true },
    Step::Unreserve { migratetype: 1, force: false },
];

/// Compares the zones after every history of up to `length` steps out of `requests` and frees of
/// what they hold. Returns the number of histories.
pub fn compare_all<B: Boot>(setup: &Setup, requests: &[Step], length: usize) -> u64 {
    let mut history = Vec::with_capacity(length);
    let mut nr_histories = 0;
    let nr_held = run::<B>(setup, &history);
    extend::<B>(setup, requests, length, nr_held, &mut history, &mut nr_histories);
    nr_histories
}

fn extend<B: Boot>(
    setup: &Setup,
    requests: &[Step],
    length: usize,
    nr_held: usize,
    history: &mut Vec<Step>,
    nr_histories: &mut u64,
) {
    if history.len() == length {
        return;
    }
    let frees = (0..nr_held).map(|pick| Step::Free { pick });
    for step in requests.iter().copied().chain(frees) {
        history.push(step);
        *nr_histories += 1;
        let nr_held = run::<B>(setup, history);
        extend::<B>(setup, requests, length, nr_held, history, nr_histories);
        history.pop();
    }
}

/// Goes through one history from boot and compares its end; its beginnings are histories of their
/// own. Returns the number of blocks held at the end.
fn run<B: Boot>(setup: &Setup, history: &[Step]) -> usize {
    B::boot(setup, |zone| {
        let mut pair = Pair::new(setup, zone);
        let done = history.iter().try_for_each(|&step| pair.apply(step));
        if let Err(error) = done.and_then(|()| pair.compare()) {
            panic!("{setup:?}\n{history:?}\n{error}");
        }
        pair.nr_held()
    })
}
