//! Collections of the crate `allocator-api2` on whole blocks, in each version that is served.
#![expect(unsafe_code, reason = "an allocator's own calls are unsafe")]

use core::alloc::Layout;
use core::ptr::NonNull;
use page_alloc::Gfp;
use page_alloc::integrations::PageHeap;
use page_alloc::sim::{Sim, SimConfig, SimKernel, SimPlatform, SimTrace};

type SimHeap<'a> = PageHeap<'a, SimPlatform, SimKernel, SimTrace>;

const PAGE: usize = 4096;

fn machine(bytes: u64) -> Sim {
    Sim::boot(SimConfig::flat(bytes)).expect("a machine")
}

fn heap(sim: &Sim) -> SimHeap<'_> {
    PageHeap::new(sim, Gfp::KERNEL)
}

fn pages(number: usize) -> Layout {
    Layout::from_size_align(number * PAGE, 8).expect("a layout")
}

/// The frames that are out, and that all is in order.
fn frames_out(sim: &Sim, free: u64) -> u64 {
    sim.drain_all_pages(None);
    assert_eq!(sim.verify(), Ok(()));
    free - sim.nr_free_pages()
}

/// The tests for one version: the types differ, what is pinned does not.
macro_rules! version {
    ($module:ident, $version:ident) => {
        mod $module {
            use super::{Layout, NonNull, PAGE, frames_out, heap, machine, pages};
            use ::$version::alloc::{AllocError, Allocator};
            use ::$version::boxed::Box;
            use ::$version::vec::Vec;

            /// A vector that grows to a megabyte keeps its values; its block is the one that its
            /// capacity needs, and is free when it is dropped.
            #[test]
            fn vectors_grow_shrink_and_come_back() {
                let sim = machine(64 << 20);
                let free = sim.nr_free_pages();
                let mut vec = Vec::new_in(heap(&sim));
                assert_eq!(frames_out(&sim, free), 0, "an empty vector has no block");
                vec.extend(0..1_u64 << 17);
                assert_eq!(frames_out(&sim, free), 256);
                assert!(vec.iter().copied().eq(0..1 << 17));
                vec.truncate(1000);
                vec.shrink_to_fit();
                assert_eq!(frames_out(&sim, free), 2);
                assert!(vec.iter().copied().eq(0..1000));
                drop(vec);
                assert_eq!(frames_out(&sim, free), 0);
            }

            /// A box has a page, one of a type without a size nothing.
            #[test]
            fn boxes_have_pages() {
                let sim = machine(64 << 20);
                let free = sim.nr_free_pages();
                let word = Box::new_in(0x1234_5678_u32, heap(&sim));
                let nothing = Box::new_in((), heap(&sim));
                let vec: Vec<(), _> =
                    core::iter::repeat_n((), 100).fold(Vec::new_in(heap(&sim)), |mut vec, unit| {
                        vec.push(unit);
                        vec
                    });
                assert_eq!((*word, *nothing, vec.len()), (0x1234_5678, (), 100));
                assert_eq!(frames_out(&sim, free), 1);
                drop((word, nothing, vec));
                assert_eq!(frames_out(&sim, free), 0);
            }

            /// What is larger than the largest block is an error, and so is what memory has no room
            /// for; both leave no trace.
            #[test]
            fn what_can_not_be_had_is_an_error() {
                let sim = machine(16 << 20);
                let free = sim.nr_free_pages();
                assert_eq!(heap(&sim).allocate(pages(1025)), Err(AllocError));
                assert!(Vec::<u8, _>::new_in(heap(&sim)).try_reserve(usize::MAX / 2).is_err());
                let mut blocks = Vec::new();
                while let Ok(block) = Box::try_new_uninit_in(heap(&sim)) {
                    let block: Box<core::mem::MaybeUninit<[u8; 1 << 20]>, _> = block;
                    blocks.push(block);
                }
                assert!((4..16).contains(&blocks.len()), "{} of 16 MiB", blocks.len());
                assert_eq!(heap(&sim).allocate(pages(256)), Err(AllocError));
                drop(blocks);
                assert_eq!(frames_out(&sim, free), 0);
            }

            /// A block stays where it is while its order does, and when it shrinks; what it is asked
            /// to have in zeroes, it has.
            #[test]
            fn blocks_stay_in_place_while_they_can() {
                let sim = machine(64 << 20);
                let free = sim.nr_free_pages();
                let heap = heap(&sim);
                let dirty = heap.allocate(pages(8)).expect("memory");
                let start: NonNull<u8> = dirty.cast();
                assert_eq!(dirty.len(), 8 * PAGE, "all of the block");
                // SAFETY: the block is ours, and each layout fits it when it is passed.
                unsafe {
                    start.as_ptr().write_bytes(0xa5, dirty.len());
                    let five = heap.shrink(start, pages(8), pages(5)).expect("in place");
                    assert_eq!((five.cast(), five.len()), (start, 8 * PAGE));
                    let seven = heap.grow(start, pages(5), pages(7)).expect("in place");
                    assert_eq!((seven.cast(), seven.len()), (start, 8 * PAGE));
                    let one = heap.shrink(start, pages(7), pages(1)).expect("in place");
                    assert_eq!((one.cast(), one.len()), (start, PAGE));
                    assert_eq!(frames_out(&sim, free), 1);
                    let half = Layout::new::<[u8; PAGE / 2]>();
                    let zeroed = heap.grow_zeroed(start, half, pages(1)).expect("in place");
                    assert_eq!(zeroed.cast(), start);
                    let bytes = core::slice::from_raw_parts(start.as_ptr(), PAGE);
                    assert!(bytes[..PAGE / 2].iter().all(|byte| *byte == 0xa5));
                    assert!(bytes[PAGE / 2..].iter().all(|byte| *byte == 0));
                    let moved = heap.grow_zeroed(start, pages(1), pages(3)).expect("memory");
                    let bytes = core::slice::from_raw_parts(moved.cast::<u8>().as_ptr(), 4 * PAGE);
                    assert!(bytes[..PAGE / 2].iter().all(|byte| *byte == 0xa5));
                    assert!(bytes[PAGE / 2..].iter().all(|byte| *byte == 0));
                    assert_eq!(frames_out(&sim, free), 4);
                    let nothing = heap.shrink(moved.cast(), pages(3), pages(0)).expect("nothing");
                    assert_eq!((nothing.len(), frames_out(&sim, free)), (0, 0));
                    let again = heap.grow(nothing.cast(), pages(0), pages(1)).expect("memory");
                    heap.deallocate(again.cast(), pages(1));
                }
                assert_eq!(frames_out(&sim, free), 0);
            }
        }
    };
}

version!(v02, allocator_api2_02);
version!(v04, allocator_api2_04);
