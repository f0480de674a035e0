//! A block is allocated and freed, again and again, by one thread.

use crate::harness::adaptor::Group;
use crate::harness::least::Least;
use crate::harness::least_zone::LeastZone;
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use crate::workloads::pair::{fresh, warm};
use page_alloc::Order;

const GROUP: Group = Group::new("pairs");

pub(crate) fn run(recorder: &mut Recorder) {
    for order in [Order::O0, Order::O3, Order::O4, Order::O9, Order::O10] {
        if order == Order::ZERO {
            fresh::<Least>(recorder, GROUP, order);
        }
        // Where nothing is split or merged that code is slower than this crate, so no floor.
        if order == Order::O4 {
            fresh::<LeastZone>(recorder, GROUP, order);
        }
        for_each_allocator!(fresh(recorder, GROUP, order));
        for_each_allocator!(warm(recorder, GROUP, order));
    }
}
