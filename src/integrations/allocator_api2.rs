//! [`PageHeap`] as an `Allocator` of the crate `allocator-api2`, in each of the versions in use.

use super::page_heap::{DirectMap, Gained, PageHeap};
use crate::reclaim::Reclaim;
use crate::trace::Trace;
use core::alloc::Layout;
use core::ptr::NonNull;

/// Implements the `Allocator` of one version. Their words are the same, their types are not.
macro_rules! allocator {
    ($version:ident) => {
        // SAFETY: blocks are given out once (I2), have the layout's size and alignment, and are mapped
        // for good, by the contract of `Platform`; a copy of a heap stands for the same blocks.
        unsafe impl<P: DirectMap, R: Reclaim, T: Trace> ::$version::alloc::Allocator
            for PageHeap<'_, P, R, T>
        {
            fn allocate(
                &self,
                layout: Layout,
            ) -> Result<NonNull<[u8]>, ::$version::alloc::AllocError> {
                self.take(layout, Gained::Anything).map_err(|_| ::$version::alloc::AllocError)
            }

            fn allocate_zeroed(
                &self,
                layout: Layout,
            ) -> Result<NonNull<[u8]>, ::$version::alloc::AllocError> {
                self.take(layout, Gained::Zeroes).map_err(|_| ::$version::alloc::AllocError)
            }

            unsafe fn deallocate(&self, start: NonNull<u8>, layout: Layout) {
                // SAFETY: the layout fits the block, and so has its order: the contract of `give_back`.
                unsafe { self.give_back(start, layout) }
            }

            unsafe fn grow(
                &self,
                start: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, ::$version::alloc::AllocError> {
                // SAFETY: the old layout fits the block, and so has its order: the contract of `fit`.
                let block = unsafe { self.fit(start, (old, new), Gained::Anything) };
                block.map_err(|_| ::$version::alloc::AllocError)
            }

            unsafe fn grow_zeroed(
                &self,
                start: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, ::$version::alloc::AllocError> {
                // SAFETY: the old layout fits the block, and so has its order: the contract of `fit`.
                let block = unsafe { self.fit(start, (old, new), Gained::Zeroes) };
                block.map_err(|_| ::$version::alloc::AllocError)
            }

            unsafe fn shrink(
                &self,
                start: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, ::$version::alloc::AllocError> {
                // SAFETY: the old layout fits the block, and so has its order: the contract of `fit`.
                let block = unsafe { self.fit(start, (old, new), Gained::Anything) };
                block.map_err(|_| ::$version::alloc::AllocError)
            }
        }
    };
}

#[cfg(feature = "allocator-api2-02")]
allocator!(allocator_api2_02);
#[cfg(feature = "allocator-api2-04")]
allocator!(allocator_api2_04);
