//! Tables in memory that was carved at boot, and what is reached in them unchecked.
//!
//! All unsafe code of the tables is here: an [`Arena`] hands out pieces of one stretch of memory,
//! a [`Table`] is a piece filled with values, a [`Fixed`] is one of these.

use super::block::{FrameAddress, FreeBlock};
use super::directory::Directory;
use super::frame::{Frame, ZoneBits};
use super::index::FrameIdx;
use super::links::FrameLinks;
use super::pageblock::Pageblock;
use super::plan::MemmapPlan;
use super::section::{PAGEBLOCK_SHIFT, SECTION_SHIFT, SectionBase};
use crate::migratetype::AskedType;
use crate::sync::Lead;
use crate::{Pfn, PfnRange};
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// Tables start at multiples of this, a pair of cache lines.
pub(crate) const TABLE_ALIGN: usize = 128;

/// A stretch of memory from which tables are cut, front to back.
#[derive(Debug)]
pub(crate) struct Arena {
    next: NonNull<u8>,
    left: usize,
}

/// There is not enough memory for a table; the bytes that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArenaFull(pub(crate) usize);

impl Arena {
    /// # Safety
    ///
    /// The `bytes` bytes from `start` on are readable and writable memory that nobody else uses
    /// while any table cut from it is in use.
    pub(crate) unsafe fn new(start: NonNull<u8>, bytes: usize) -> Self {
        Self { next: start, left: bytes }
    }

    /// The bytes that a table of `len` values takes, alignment included.
    pub(crate) fn bytes_for<T>(len: usize) -> Option<usize> {
        len.checked_mul(size_of::<T>())?.checked_next_multiple_of(TABLE_ALIGN)
    }

    pub(super) fn cut<T>(&mut self, len: usize) -> Result<NonNull<T>, ArenaFull> {
        const { assert!(align_of::<T>() <= TABLE_ALIGN) };
        let bytes = Self::bytes_for::<T>(len).ok_or(ArenaFull(usize::MAX))?;
        let padding = self.next.align_offset(TABLE_ALIGN);
        let taken = padding.checked_add(bytes).ok_or(ArenaFull(usize::MAX))?;
        self.left = self.left.checked_sub(taken).ok_or(ArenaFull(bytes))?;
        // SAFETY: at least `taken` bytes were left from `next` on, by the contract of `new`.
        let start = unsafe { self.next.add(padding) };
        // SAFETY: padding and table are the `taken` bytes, so this is at most their end, by the
        // contract of `new`.
        self.next = unsafe { start.add(bytes) };
        Ok(start.cast())
    }

    /// A table of `len` values, the i-th made by `value(i)`.
    pub(crate) fn table<T>(
        &mut self,
        len: usize,
        mut value: impl FnMut(usize) -> T,
    ) -> Result<Table<T>, ArenaFull> {
        let start = self.cut::<T>(len)?;
        let mut room = NonNull::slice_from_raw_parts(start.cast::<MaybeUninit<T>>(), len);
        // SAFETY: `cut` gave room for `len` values, aligned, and ours alone by the contract of `Arena::new`.
        let room = unsafe { room.as_mut() };
        for (i, place) in room.iter_mut().enumerate() {
            place.write(value(i));
        }
        Ok(Table { start, len, owns: PhantomData })
    }

    /// A single value, of which there will be no mutable borrow.
    pub(crate) fn single<T>(&mut self, value: T) -> Result<Fixed<T>, ArenaFull> {
        let place = self.cut::<T>(1)?;
        // SAFETY: `cut` gave room for a value, aligned, and ours alone by the contract of `Arena::new`.
        unsafe { place.write(value) };
        // INVARIANT: nobody has the place but who has this, by the contract of `Arena::new` as long as
        // it is used.
        Ok(Fixed { place })
    }
}

/// A table of values in carved memory. The values are never dropped: the memory is the machine's.
///
/// # Invariants
///
/// `start` points to `len` values that live as long as the allocator and are this table's alone.
pub(crate) struct Table<T> {
    start: NonNull<T>,
    len: usize,
    owns: PhantomData<T>,
}

// SAFETY: by the invariant of `Table` it owns its values, as a boxed slice would.
unsafe impl<T: Send> Send for Table<T> {}
// SAFETY: by the invariant of `Table`, likewise.
unsafe impl<T: Sync> Sync for Table<T> {}

impl<T> Table<T> {
    /// One without values.
    pub(crate) const EMPTY: Self = Self { start: NonNull::dangling(), len: 0, owns: PhantomData };

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        // SAFETY: by the invariant of `Table`.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: by the invariant of `Table` the values are its own, and it is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// A table in rows of equal length, each with a place for each zone.
///
/// # Invariants
///
/// A value has the size [`ZoneBits::ONE`]. `row` is a multiple of that; `bytes` are those of the table.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    table: Table<T>,
    /// Bytes of a row.
    row: usize,
    bytes: usize,
}

impl<T> Rows<T> {
    /// One without rows.
    pub(crate) const EMPTY: Self = Self { table: Table::EMPTY, row: 0, bytes: 0 };

    /// A table in rows of so many values.
    pub(crate) fn new(table: Table<T>, row: usize) -> Self {
        const { assert!(size_of::<T>() == ZoneBits::ONE) };
        let bytes = size_of_val(table.as_slice());
        // INVARIANT: of a value's size by the assertion; also where it wraps.
        Self { table, row: row.wrapping_mul(ZoneBits::ONE), bytes }
    }

    /// The place of a zone in a row, if the table is so long. A zone beyond the row's end has a place in
    /// a later row.
    #[inline]
    pub(crate) fn get(&self, row: usize, zone: ZoneBits) -> Option<&T> {
        let offset = row.wrapping_mul(self.row).wrapping_add(zone.bytes());
        if offset >= self.bytes {
            return None;
        }
        let place = self.table.start.as_ptr().wrapping_byte_add(offset);
        // SAFETY: the offset is in the table, and a multiple of a value's size by the invariants of
        // `Rows` and of `ZoneBits`, also where it wrapped: so it is that of a value.
        Some(unsafe { &*place })
    }

    /// The same, for who keeps it.
    #[inline]
    pub(crate) fn fixed(&self, row: usize, zone: ZoneBits) -> Option<Fixed<T>> {
        // INVARIANT: of the values of a `Rows` there is no mutable borrow; they live as long as the
        // allocator, by the invariant of `Table`.
        self.get(row, zone).map(|value| Fixed { place: NonNull::from(value) })
    }

    /// The values, row by row.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        self.table.as_slice()
    }
}

/// A value of a table, where the table itself is out of reach.
///
/// # Invariants
///
/// `place` points to a value of a table of which there is no mutable borrow any more, and which lives
/// as long as this is used.
pub(crate) struct Fixed<T> {
    place: NonNull<T>,
}

impl<T> From<&'static T> for Fixed<T> {
    fn from(value: &'static T) -> Self {
        // INVARIANT: it is borrowed for ever.
        Self { place: NonNull::from(value) }
    }
}

impl<T> Fixed<T> {
    /// # Safety
    ///
    /// The table that `value` is in will not be borrowed mutably any more, and this is used only as
    /// long as the table's memory is.
    pub(crate) unsafe fn new(value: &T) -> Self {
        Self { place: NonNull::from(value) }
    }

    /// A part of the value.
    #[inline]
    pub(crate) fn part<U>(self, part: impl for<'v> FnOnce(&'v T) -> &'v U) -> Fixed<U>
    where
        T: 'static,
    {
        // INVARIANT: for all that the function knows the part lives no longer than the value, which
        // borrows nothing: so it is in the value, or lives for ever.
        Fixed { place: NonNull::from(part(&self)) }
    }
}

impl<T> Clone for Fixed<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Fixed<T> {}

impl<T> core::ops::Deref for Fixed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariant of `Fixed`.
        unsafe { self.place.as_ref() }
    }
}

// SAFETY: by the invariant of `Fixed` it is a shared reference, and may go where one may.
unsafe impl<T: Sync> Send for Fixed<T> {}
// SAFETY: by the invariant of `Fixed`, likewise.
unsafe impl<T: Sync> Sync for Fixed<T> {}

/// A value that is there from the start, until another one is set that lives as long as this is used. It
/// is one word, which one instruction reads. Beside [`FixedCell`], as it can be made in a constant, which
/// the atomics of the model checker can't.
///
/// # Invariants
///
/// `place` is that of a value which is borrowed for ever, or of a `Fixed`.
pub(crate) struct FixedOr<T: 'static> {
    place: AtomicPtr<T>,
    holds: PhantomData<Fixed<T>>,
}

impl<T> FixedOr<T> {
    /// That one, at first.
    pub(crate) const fn new(first: &'static T) -> Self {
        // INVARIANT: it is borrowed for ever.
        let place = AtomicPtr::new(core::ptr::from_ref(first).cast_mut());
        Self { place, holds: PhantomData }
    }

    /// Who gets it sees all that was written before.
    pub(crate) fn set(&self, value: Fixed<T>) {
        // INVARIANT: it is the place of `value`.
        self.place.store(value.place.as_ptr(), Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: by the invariant of `FixedOr`, and that of `Fixed`.
        unsafe { &*self.place.load(Ordering::Acquire) }
    }
}

/// Where a [`Fixed`] stands that may become another one. It is one word, which one instruction reads.
///
/// # Invariants
///
/// `lead` gives the place of a `Fixed`.
pub(crate) struct FixedCell<T> {
    lead: Lead<T>,
    holds: PhantomData<Fixed<T>>,
}

impl<T> FixedCell<T> {
    pub(crate) fn new(value: Fixed<T>) -> Self {
        // INVARIANT: it is the place of `value`.
        Self { lead: Lead::new(value.place.as_ptr()), holds: PhantomData }
    }

    pub(crate) fn set(&self, value: Fixed<T>) {
        // INVARIANT: it is the place of `value`.
        self.lead.set(value.place.as_ptr());
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: by the invariant of `FixedCell`, and that of `Fixed`.
        unsafe { &*self.lead.get() }
    }
}

impl<T> fmt::Debug for FixedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FixedCell")
    }
}

impl<T> fmt::Debug for Fixed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fixed")
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table of {}", self.len)
    }
}

/// The descriptors of all present frames.
///
/// # Invariants
///
/// Sections 1 to `bases.len - 1` are mapped: for each there are 1024 descriptors, an entry in `bases`
/// and two in `pageblocks`; the two of section 0, which there is not, are pristine for ever. `end` is the
/// index after those of the last section; 0, where there are no tables. A descriptor other than a
/// section's first may be read only once the section is not
/// pristine.
#[derive(Debug)]
pub(crate) struct Memmap {
    pub(super) links: FrameLinks,
    /// Descriptors of mapped sections.
    pub(super) nr_frames: usize,
    /// One past the index of the last descriptor.
    pub(super) end: usize,
    /// By section.
    pub(super) bases: Table<SectionBase>,
    /// By pageblock, with two for section 0.
    pub(super) pageblocks: Table<Pageblock>,
    pub(super) root: Table<AtomicU32>,
    pub(super) leaves: Table<AtomicU32>,
    pub(super) directory: Directory,
}

impl Memmap {
    /// The list adapter over this memmap.
    #[inline]
    pub(crate) fn links(&self) -> FrameLinks {
        self.links
    }

    /// The descriptor. Beyond a section's first it may be read only when the section is not
    /// pristine; [`state`](Self::state) minds that.
    #[inline]
    pub(crate) fn frame(&self, index: FrameIdx) -> &Frame {
        // SAFETY: a `FrameIdx` has the number of a mapped section, and there is a descriptor for
        // each of its frames (I1); `links` points to the same table for as long as `self`.
        unsafe { &*self.links.pointer(index) }
    }

    /// The number of a frame.
    #[inline]
    pub(crate) fn pfn_of(&self, index: FrameIdx) -> Pfn {
        let number = index.section() as usize;
        debug_assert!(number < self.bases.as_slice().len());
        // SAFETY: a `FrameIdx` has the number of a mapped section (I1), and the table has an entry
        // for each.
        let base = unsafe { self.bases.as_slice().get_unchecked(number) };
        base.pfn(index.get().into())
    }

    /// The pageblock that holds a frame.
    #[inline]
    pub(crate) fn pageblock(&self, index: FrameIdx) -> &Pageblock {
        let number = index.pageblock() as usize;
        debug_assert!(number < self.pageblocks.as_slice().len());
        // SAFETY: a `FrameIdx` has the number of a mapped section (I1), and the table has two entries
        // for each, and two before them.
        unsafe { self.pageblocks.as_slice().get_unchecked(number) }
    }

    /// Where a token's block is, `None` if the token is of another allocator.
    #[inline]
    pub(crate) fn find(&self, address: FrameAddress) -> Option<Place<'_>> {
        let links = self.links;
        let word = links.word_at(address.get());
        // INVARIANT: `word` is the index of a frame of a mapped section.
        (word.wrapping_sub(1 << SECTION_SHIFT) < self.nr_frames).then_some(Place {
            address,
            word,
            links,
            memmap: self,
        })
    }

    /// As [`find`](Self::find), if the frame has a descriptor and its pageblock's migratetype is one of
    /// those that requests have; with the pageblock and the type.
    #[inline(always)]
    pub(crate) fn find_listed(
        &self,
        address: FrameAddress,
    ) -> Option<(Place<'_>, &Pageblock, AskedType)> {
        let links = self.links;
        let word = links.word_at(address.get());
        if word >= self.end {
            return None;
        }
        // SAFETY: by the invariant of `Memmap` the table has two entries for each section, section 0
        // among them, and the word is below the end of the last.
        let pageblock =
            unsafe { self.pageblocks.as_slice().get_unchecked(word >> PAGEBLOCK_SHIFT) };
        let kind = pageblock.listed_type()?;
        // INVARIANT: the section is not section 0, as that is pristine: so it is mapped.
        Some((Place { address, word, links, memmap: self }, pageblock, kind))
    }
}

/// The place of a token's block in the memmap of its allocator.
///
/// # Invariants
///
/// There is the descriptor of a frame of the memmap at the address; `word` is the frame's index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    address: FrameAddress,
    /// The index of the frame.
    word: usize,
    links: FrameLinks,
    memmap: &'a Memmap,
}

impl<'a> Place<'a> {
    /// The first frame.
    #[inline]
    pub(crate) fn index(self) -> FrameIdx {
        #[expect(clippy::cast_possible_truncation, reason = "the memmap has below 2^32 frames")]
        FrameIdx::of_section(self.word as u32)
    }

    /// The block, for who was given the token.
    #[inline]
    pub(crate) fn block(self) -> FreeBlock {
        FreeBlock::new(self.index())
    }

    /// The list adapter over its memmap.
    #[inline]
    pub(crate) fn links(self) -> FrameLinks {
        self.links
    }

    /// Its descriptor.
    #[inline]
    pub(crate) fn frame(self) -> &'a Frame {
        let place = self.links.pointer_to(self.address.get());
        // SAFETY: by the invariant there is a descriptor at the address, of the table that `links`
        // points to, and by the invariant of `Frame` it may be shared.
        unsafe { &*place }
    }

    /// The number of the frame.
    #[inline]
    pub(crate) fn pfn(self) -> Pfn {
        self.memmap.pfn_of(self.index())
    }
}

/// A memmap in memory that was lent, with the loan's lifetime.
#[derive(Debug)]
pub(crate) struct LentMemmap<'m> {
    memmap: Memmap,
    loan: PhantomData<&'m mut [u8]>,
}

impl<'m> LentMemmap<'m> {
    /// As [`Memmap::build`], in `memory`.
    pub(crate) fn build(
        memory: &'m mut [u8],
        plan: &MemmapPlan,
        ranges: impl Iterator<Item = PfnRange> + Clone,
    ) -> Result<Self, ArenaFull> {
        let bytes = memory.len();
        let start = NonNull::from(memory).cast();
        // SAFETY: the slice is borrowed mutably for `'m`, longer than the tables are in use (they
        // are reached only through the value made here), as the contract of `Arena::new` asks.
        let mut arena = unsafe { Arena::new(start, bytes) };
        let memmap = Memmap::build(&mut arena, plan, ranges)?;
        Ok(Self { memmap, loan: PhantomData })
    }
}

impl core::ops::Deref for LentMemmap<'_> {
    type Target = Memmap;

    fn deref(&self) -> &Memmap {
        &self.memmap
    }
}
