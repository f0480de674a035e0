//! Migratetypes: the classes of memory that are kept apart against fragmentation.

use core::fmt;

/// Number of migratetypes.
pub const MIGRATE_TYPES: usize = 6;

/// Number of migratetypes that callers ask for and that have per-CPU lists: the first three.
pub const MIGRATE_PCPTYPES: usize = 3;

/// What may be done with the allocated frames of a pageblock.
///
/// Every pageblock has one, and free blocks are listed by it.
///
/// ```
/// use page_alloc::MigrateType;
/// assert_eq!(MigrateType::Movable.letter(), 'M');
/// assert_eq!(MigrateType::Movable.fallbacks(), [MigrateType::Reclaimable, MigrateType::Unmovable]);
/// assert!(MigrateType::Cma.fallbacks().is_empty());
/// ```
#[doc(alias = "migratetype")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MigrateType {
    /// Kernel memory that stays where it is.
    #[doc(alias = "MIGRATE_UNMOVABLE")]
    Unmovable,
    /// Memory that can be moved: user pages, page cache.
    #[doc(alias = "MIGRATE_MOVABLE")]
    Movable,
    /// Memory that can't be moved but given up: caches.
    #[doc(alias = "MIGRATE_RECLAIMABLE")]
    Reclaimable,
    /// Reserved for requests of higher order that can't wait.
    #[doc(alias = "MIGRATE_HIGHATOMIC")]
    HighAtomic,
    /// A contiguous-memory area: lent to movable requests only. It can't be claimed as a whole yet
    /// ([`BootInfo::cma`](crate::boot::BootInfo::cma)).
    #[doc(alias = "MIGRATE_CMA")]
    Cma,
    /// Withdrawn from allocation.
    #[doc(alias = "MIGRATE_ISOLATE")]
    Isolate,
}

impl MigrateType {
    /// All migratetypes, in the order of their numbers.
    pub const ALL: [Self; MIGRATE_TYPES] = [
        Self::Unmovable,
        Self::Movable,
        Self::Reclaimable,
        Self::HighAtomic,
        Self::Cma,
        Self::Isolate,
    ];

    /// The migratetype with this number.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        Some(match index {
            0 => Self::Unmovable,
            1 => Self::Movable,
            2 => Self::Reclaimable,
            3 => Self::HighAtomic,
            4 => Self::Cma,
            5 => Self::Isolate,
            _ => return None,
        })
    }

    /// The migratetype in the low three bits of a word that was made of one.
    #[inline]
    pub(crate) const fn from_low_bits(word: u32) -> Self {
        // A look-up, not `from_index`: callers mostly use the number, and need no branch for it.
        const BY_BITS: [MigrateType; 8] = {
            use MigrateType::{Cma, HighAtomic, Isolate, Movable, Reclaimable, Unmovable};
            [Unmovable, Movable, Reclaimable, HighAtomic, Cma, Isolate, Isolate, Isolate]
        };
        BY_BITS[(word & 7) as usize]
    }

    /// The number, an index of a table of [`MIGRATE_TYPES`] entries.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The types whose memory a request of this type may take when its own has run out, in the
    /// order in which they are tried. Empty for all but the first three.
    #[must_use]
    pub const fn fallbacks(self) -> &'static [Self] {
        match self {
            Self::Unmovable => &[Self::Reclaimable, Self::Movable],
            Self::Movable => &[Self::Reclaimable, Self::Unmovable],
            Self::Reclaimable => &[Self::Unmovable, Self::Movable],
            Self::HighAtomic | Self::Cma | Self::Isolate => &[],
        }
    }

    /// Whether pageblocks of this type may merge into a block with pageblocks of another such type.
    #[doc(alias = "migratetype_is_mergeable")]
    #[must_use]
    pub const fn is_mergeable(self) -> bool {
        (self as usize) < MIGRATE_PCPTYPES
    }

    /// One letter for tables: U, M, R, H, C, I.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Unmovable => 'U',
            Self::Movable => 'M',
            Self::Reclaimable => 'R',
            Self::HighAtomic => 'H',
            Self::Cma => 'C',
            Self::Isolate => 'I',
        }
    }
}

/// A migratetype that requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AskedType {
    Unmovable,
    Movable,
    Reclaimable,
}

impl AskedType {
    /// In the order of their numbers, which are those of the migratetypes.
    pub(crate) const ALL: [Self; MIGRATE_PCPTYPES] =
        [Self::Unmovable, Self::Movable, Self::Reclaimable];

    /// The type with that number; `None`: requests don't have it.
    #[inline(always)]
    pub(crate) const fn of_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Unmovable),
            1 => Some(Self::Movable),
            2 => Some(Self::Reclaimable),
            _ => None,
        }
    }

    /// `None`: requests don't have it.
    pub(crate) fn new(migratetype: MigrateType) -> Option<Self> {
        Self::ALL.get(migratetype.index()).copied()
    }
}

impl From<AskedType> for MigrateType {
    #[inline(always)]
    fn from(asked: AskedType) -> Self {
        match asked {
            AskedType::Unmovable => Self::Unmovable,
            AskedType::Movable => Self::Movable,
            AskedType::Reclaimable => Self::Reclaimable,
        }
    }
}

/// The name as `/proc/pagetypeinfo` prints it.
impl fmt::Display for MigrateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unmovable => "Unmovable",
            Self::Movable => "Movable",
            Self::Reclaimable => "Reclaimable",
            Self::HighAtomic => "HighAtomic",
            Self::Cma => "CMA",
            Self::Isolate => "Isolate",
        })
    }
}

/// Whether the machine keeps migratetypes apart. One with little memory does not: it would spend
/// too much of it on pageblocks that are partly used.
///
/// ```
/// use page_alloc::{MigrateType, Mobility};
/// assert_eq!(Mobility::Grouped.migratetype(MigrateType::Movable), MigrateType::Movable);
/// assert_eq!(Mobility::Disabled.migratetype(MigrateType::Movable), MigrateType::Unmovable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mobility {
    /// Pageblocks are grouped by migratetype.
    #[default]
    Grouped,
    /// All requests are unmovable, and any block may be taken over.
    #[doc(alias = "page_group_by_mobility_disabled")]
    Disabled,
}

impl Mobility {
    /// What a request for memory of type `asked` gets on this machine.
    #[inline]
    #[must_use]
    pub const fn migratetype(self, asked: MigrateType) -> MigrateType {
        match self {
            Self::Grouped => asked,
            Self::Disabled => MigrateType::Unmovable,
        }
    }
}
