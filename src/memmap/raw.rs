//! Tables in memory that was carved at boot, and the memmap over them.
//!
//! All unsafe code of the tables is here: an [`Arena`] hands out pieces of one stretch of memory,
//! a [`Table`] is a piece filled with values.

use super::block::{BlockName, FreeBlock};
use super::directory::Directory;
use super::frame::{Frame, Link};
use super::index::FrameIdx;
use super::links::FrameLinks;
use super::pageblock::Pageblock;
use super::plan::MemmapPlan;
use super::section::{PAGEBLOCK_SHIFT, SECTION_FRAMES, SECTION_SHIFT, SectionBase, SectionCount};
use crate::sync::Lead;
use crate::zone_id::ZoneId;
use crate::{Order, Pages, Pfn, PfnRange};
use core::fmt;
use core::iter;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

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

    fn cut<T>(&mut self, len: usize) -> Result<NonNull<T>, ArenaFull> {
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
        for i in 0..len {
            // SAFETY: `cut` gave room for `len` values, of what the contract of `new` promises.
            let place = unsafe { start.add(i) };
            // SAFETY: the place is aligned, and ours alone by the contract of `Arena::new`.
            unsafe { place.write(value(i)) };
        }
        Ok(Table { start, len, owns: PhantomData })
    }
}

impl Arena {
    /// A single value, of which there will be no mutable borrow.
    pub(crate) fn single<T>(&mut self, value: impl Fn() -> T) -> Result<Fixed<T>, ArenaFull> {
        let table = self.table(1, |_| value())?;
        // INVARIANT: the table has one value, and nobody has the table any more.
        Ok(Fixed { place: table.start })
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
/// and two in `pageblocks`. A descriptor other than a section's first may be read only once the section is not
/// pristine.
#[derive(Debug)]
pub(crate) struct Memmap {
    links: FrameLinks,
    /// Descriptors of mapped sections.
    nr_frames: usize,
    /// By section.
    bases: Table<SectionBase>,
    /// By pageblock, with two for section 0.
    pageblocks: Table<Pageblock>,
    pub(super) root: Table<AtomicU32>,
    pub(super) leaves: Table<AtomicU32>,
    pub(super) directory: Directory,
}

/// A link word as the frame that it names; `Err` with the word if it names none.
pub(crate) type LinkWord = Result<Option<FrameIdx>, u32>;

impl Memmap {
    /// Cuts the tables and maps the sections of `ranges`, the same as in the plan. The caller then
    /// describes every section before its frames are looked at.
    #[inline(never)]
    pub(crate) fn build(
        arena: &mut Arena,
        plan: &MemmapPlan,
        ranges: impl Iterator<Item = PfnRange> + Clone,
    ) -> Result<Self, ArenaFull> {
        let len = |entries: u64| usize::try_from(entries).map_err(|_| ArenaFull(usize::MAX));
        let frames = arena.cut::<Frame>(len(plan.nr_frames())?)?;
        let links = FrameLinks::new(frames.as_ptr().wrapping_sub(1 << SECTION_SHIFT));
        let runs = ranges.scan(SectionCount::default(), |seen, range| Some(seen.add(range)));
        // Section 0 there is not.
        let mut places = iter::once(0).chain(runs.clone().flatten());
        let bases = arena.table(plan.sections + 1, |number| {
            SectionBase::new(number, places.next().unwrap_or(0))
        })?;
        let pageblocks = arena.table(plan.nr_pageblocks(), |_| Pageblock::new())?;
        let zero = |_| AtomicU32::new(0);
        let root = arena.table(len(plan.directory.root_len())?, zero)?;
        let leaves = arena.table(len(plan.directory.leaves_len())?, zero)?;
        let nr_frames = len(plan.nr_frames())?;
        let directory = plan.directory;
        let memmap = Self { links, nr_frames, bases, pageblocks, root, leaves, directory };
        memmap.fill_directory(runs);
        Ok(memmap)
    }

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

    /// The frames that the two link words name, checked: `Err` with the word for one that names no
    /// mapped frame.
    pub(crate) fn links_of(&self, index: FrameIdx) -> (LinkWord, LinkWord) {
        let frame = self.frame(index);
        let check = |word: u32| match FrameIdx::from_link(word) {
            None => Ok(None),
            Some(index) if self.is_mapped(index) => Ok(Some(index)),
            Some(_) => Err(word),
        };
        (check(frame.link(Link::Next)), check(frame.link(Link::Prev)))
    }

    /// Whether an index of unknown origin is one of this memmap.
    #[inline]
    pub(crate) fn is_mapped(&self, index: FrameIdx) -> bool {
        index.section() != 0 && (index.section() as usize) < self.bases.as_slice().len()
    }

    /// The token of the allocated block of that order at `index`; the caller owns a reference to it.
    #[inline]
    pub(crate) fn token(&self, index: FrameIdx, order: Order) -> Pages {
        self.token_of((index, self.frame(index)), order)
    }

    /// As [`token`](Self::token), where the descriptor is known already.
    #[inline]
    pub(crate) fn token_of(&self, (index, frame): (FrameIdx, &Frame), order: Order) -> Pages {
        debug_assert!(!self.is_pristine(index));
        Pages::new(self.pfn_of(index), frame, order)
    }

    /// Where a token's block is, `None` if the token is of another allocator.
    #[inline]
    pub(crate) fn find(&self, name: BlockName) -> Option<Place<'_>> {
        let links = self.links;
        let word = links.word_at(name.frame_address());
        // INVARIANT: `word` is the index of a frame of a mapped section.
        (word.wrapping_sub(1 << SECTION_SHIFT) < self.nr_frames).then_some(Place {
            name,
            word,
            links,
            memmap: self,
        })
    }

    /// The zone of a frame of a block or reserve.
    pub(crate) fn zone_of(&self, index: FrameIdx) -> ZoneId {
        self.pageblock(index).zone().unwrap_or_else(|| self.state(index).zone())
    }

    /// One past the number of the last mapped section.
    fn sections_end(&self) -> u32 {
        u32::try_from(self.bases.as_slice().len()).unwrap_or(0)
    }

    /// The first frames of the sections of a range of whole, present ones. These are numbered one after
    /// the other.
    pub(crate) fn whole_sections(&self, range: PfnRange) -> impl Iterator<Item = FrameIdx> {
        let first = self.index_of(range.start).map_or(u32::MAX, FrameIdx::section);
        let count = u32::try_from(range.len() / SECTION_FRAMES).unwrap_or(u32::MAX);
        let end = first.saturating_add(count).min(self.sections_end());
        // INVARIANT: mapped sections are numbered from 1 to that end.
        (first..end).map(|number| FrameIdx::of_section(number << SECTION_SHIFT))
    }

    /// The first frames of all mapped sections, ascending by frame number.
    pub(crate) fn first_frames(&self) -> impl Iterator<Item = FrameIdx> {
        // INVARIANT: mapped sections are numbered from 1 to that end.
        (1..self.sections_end()).map(|number| FrameIdx::of_section(number << SECTION_SHIFT))
    }
}

/// The place of a token's block in the memmap of its allocator.
///
/// # Invariants
///
/// The token names the descriptor of a frame of the memmap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    name: BlockName,
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
        let place = self.links.pointer_to(self.name.frame_address());
        // SAFETY: by the invariant there is a descriptor at the address, of the table that `links`
        // points to, and by the invariant of `Frame` it may be shared.
        unsafe { &*place }
    }

    /// Whether the frame there has the number that the token says.
    #[inline]
    pub(crate) fn is_as_named(self) -> bool {
        let number = self.word >> SECTION_SHIFT;
        // SAFETY: by the invariant the word is a frame's index (I1), and the table has an entry for
        // each mapped section.
        let base = unsafe { self.memmap.bases.as_slice().get_unchecked(number) };
        base.is_pfn(self.name.pfn(), self.word as u64)
    }

    /// The pageblock that holds it.
    #[inline]
    pub(crate) fn pageblock(self) -> &'a Pageblock {
        let number = self.word >> PAGEBLOCK_SHIFT;
        // SAFETY: by the invariant the word is a frame's index (I1), and the table has an entry for
        // each pageblock of a mapped section.
        unsafe { self.memmap.pageblocks.as_slice().get_unchecked(number) }
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
