//! Many single frames are allocated, then all are freed, by one thread.

use crate::harness::adaptor::Group;
use crate::harness::free_order::FreeOrder;
use crate::harness::least::Least;
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use crate::workloads::batch::batches;

const GROUP: Group = Group::new("batches");

pub(crate) fn run(recorder: &mut Recorder) {
    for blocks in [64, 512, 4096, 65536] {
        for order in FreeOrder::ALL {
            batches::<Least>(recorder, GROUP, blocks, order);
            for_each_allocator!(batches(recorder, GROUP, blocks, order));
        }
    }
}
