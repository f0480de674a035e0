//! Small machines of which most is in use, here and there.

use crate::harness::adaptor::Group;
use crate::harness::recorder::Recorder;
use crate::peers::list::for_each_allocator;
use crate::workloads::checkerboard::checkerboard;
use crate::workloads::churn::churn;

const GROUP: Group = Group::small("fragmented");

pub(crate) fn run(recorder: &mut Recorder) {
    for_each_allocator!(checkerboard(recorder, GROUP));
    for_each_allocator!(churn(recorder, GROUP));
}
