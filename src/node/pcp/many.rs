//! Many blocks, one after the other, in one hold of a CPU's lists.

use super::{Pcp, PcpIndex, PcpLists};
use crate::memmap::{Frame, FrameLinks, FrameStack, FreeBlock};

/// Takes blocks of a list whose owner has it. What was taken is counted at once, when this is dropped;
/// until then the list is here, so that the compiler can keep its ends in registers.
#[derive(Debug)]
pub(crate) struct Taker<'a> {
    pcp: &'a Pcp,
    lists: &'a mut PcpLists,
    index: PcpIndex,
    links: FrameLinks,
    list: FrameStack,
    taken: u32,
}

impl Pcp {
    /// To take blocks of a list.
    #[inline]
    pub(crate) fn taker<'a>(
        &'a self,
        lists: &'a mut PcpLists,
        index: PcpIndex,
        links: FrameLinks,
    ) -> Taker<'a> {
        let list = core::mem::replace(lists.list_mut(index), FrameStack::EMPTY);
        Taker { pcp: self, lists, index, links, list, taken: 0 }
    }
}

impl Pcp {
    /// Puts single frames at the heads of their lists, as many as do not make too many. Gives their
    /// number.
    #[inline(always)]
    pub(crate) fn push_singles<'a>(
        &self,
        lists: &mut PcpLists,
        frames: impl Iterator<Item = (PcpIndex, (FreeBlock, &'a Frame))>,
        links: FrameLinks,
    ) -> usize {
        let room = self.bound().saturating_sub(self.with(1));
        let mut pushed = 0;
        for (index, block) in frames.take(room as usize) {
            lists.list_mut(index).push(links, block);
            pushed += 1;
        }
        self.add_count(pushed);
        pushed as usize
    }
}

impl Iterator for Taker<'_> {
    type Item = FreeBlock;

    #[inline(always)]
    fn next(&mut self) -> Option<FreeBlock> {
        let block = self.list.pop(self.links)?;
        self.taken += 1;
        Some(block)
    }
}

impl Drop for Taker<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.lists.list_mut(self.index) = core::mem::replace(&mut self.list, FrameStack::EMPTY);
        self.pcp.sub_count(self.taken * self.index.frames());
        self.pcp.count_beside(self.index, self.taken);
    }
}
