//! The floors: what the parts cost that no allocator can do without.

use crate::harness::failure::Timed;
use crate::harness::recorder::Recorder;
use intrusive_collections::{LinkedList, LinkedListLink, intrusive_adapter};
use spin::mutex::SpinMutex;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub(crate) const GROUP: &str = "floor";
pub(crate) const LIST: &str = "list pop + push";
const LOCK: &str = "spin lock + unlock";
const SWAP: &str = "atomic swap";
/// What the summary calls a floor.
pub(crate) const NAME: &str = "floor";

#[derive(Default)]
struct Node {
    link: LinkedListLink,
}

intrusive_adapter!(NodeAdapter = &'static Node: Node { link => LinkedListLink });

pub(crate) fn run(recorder: &mut Recorder) {
    recorder.always(
        (GROUP, LIST, NAME),
        1,
        || Ok(list_of_64()),
        |list, times| {
            timed(times, || {
                if let Some(node) = list.pop_front() {
                    list.push_front(black_box(node));
                }
            })
        },
    );
    recorder.always(
        (GROUP, LOCK, NAME),
        1,
        || Ok(SpinMutex::<_>::new(0_u64)),
        |lock, times| timed(times, || *black_box(&*lock).lock() += 1),
    );
    recorder.always(
        (GROUP, SWAP, NAME),
        1,
        || Ok(AtomicUsize::new(0)),
        |word, times| {
            timed(times, || {
                black_box(word.swap(1, Ordering::Acquire));
            })
        },
    );
}

fn list_of_64() -> LinkedList<NodeAdapter> {
    let nodes: &'static [Node] = Vec::leak((0..64).map(|_| Node::default()).collect());
    let mut list = LinkedList::new(NodeAdapter::new());
    nodes.iter().for_each(|node| list.push_back(node));
    list
}

fn timed(times: u64, mut work: impl FnMut()) -> Timed {
    let start = Instant::now();
    (0..times).for_each(|_| work());
    Ok(start.elapsed())
}
