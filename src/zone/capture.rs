//! Freeing a block for somebody who waits for a larger one: when the larger one comes together, he
//! gets it before it is on any list.

use super::shared::ZoneMut;
use crate::memmap::{FrameIdx, FrameState, FreeBlock};
use crate::{MigrateType, Order, PAGEBLOCK_ORDER};

impl ZoneMut<'_> {
    /// Frees a block as [`free_block`](Self::free_block) does; but if it completes one of order
    /// `wanted`, that one is marked as allocated and given.
    #[doc(alias = "compaction_capture")]
    pub(crate) fn free_or_capture(
        &mut self,
        block: FreeBlock,
        order: Order,
        wanted: Option<Order>,
    ) -> Option<FrameIdx> {
        match wanted {
            Some(wanted) if self.completes(block.index(), order, wanted) => {
                Some(self.capture(block, order, wanted))
            }
            _ => {
                self.free_block(block, order);
                None
            }
        }
    }

    /// Whether the block and its free buddies are one of order `wanted`, which may be captured: not
    /// CMA or isolated memory, nor a small part of a MOVABLE pageblock.
    fn completes(&self, index: FrameIdx, order: Order, wanted: Order) -> bool {
        let migratetype = self.memmap.pageblock(index).migratetype();
        let kept = match migratetype {
            MigrateType::Cma | MigrateType::Isolate => true,
            MigrateType::Movable => wanted < PAGEBLOCK_ORDER,
            _ => false,
        };
        let joins = |order: Order| {
            self.find_buddy(index.align_down(order), order).is_some_and(|buddy| {
                order < PAGEBLOCK_ORDER || self.may_merge(buddy.index(), migratetype)
            })
        };
        !kept && order <= wanted && order.up_to(wanted).all(joins)
    }

    fn capture(&mut self, block: FreeBlock, order: Order, wanted: Order) -> FrameIdx {
        let index = block.into_index();
        self.memmap.frame(index).set_state(FrameState::tail(self.shared.id));
        for order in order.up_to(wanted) {
            let Some(buddy) = self.find_buddy(index.align_down(order), order) else { continue };
            let list_type = buddy.migratetype();
            let _joined = self.remove(buddy).into_index();
            self.shared.sub_free(list_type, order.nr_pages());
        }
        self.set_allocated(FreeBlock::new(index.align_down(wanted)), wanted)
    }
}
