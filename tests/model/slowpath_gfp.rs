//! The flags of a request, as their names.

use super::zone::{MOVABLE, RECLAIMABLE, UNMOVABLE};
use std::collections::BTreeSet;

/// What the composite names stand for.
const COMPOSITES: [(&str, &str); 11] = [
    ("GFP_ATOMIC", "HIGH ATOMIC KSWAPD_RECLAIM"),
    ("GFP_KERNEL", "IO FS DIRECT_RECLAIM KSWAPD_RECLAIM"),
    ("GFP_NOWAIT", "KSWAPD_RECLAIM"),
    ("GFP_NOIO", "DIRECT_RECLAIM KSWAPD_RECLAIM"),
    ("GFP_NOFS", "IO DIRECT_RECLAIM KSWAPD_RECLAIM"),
    ("GFP_USER", "IO FS DIRECT_RECLAIM KSWAPD_RECLAIM HARDWALL"),
    ("GFP_DMA", "DMA"),
    ("GFP_DMA32", "DMA32"),
    ("GFP_HIGHUSER_MOVABLE", "HIGHMEM MOVABLE IO FS DIRECT_RECLAIM KSWAPD_RECLAIM HARDWALL"),
    ("GFP_TRANSHUGE_LIGHT", "HIGHMEM MOVABLE IO FS NOWARN COMP NOMEMALLOC HARDWALL"),
    ("GFP_TRANSHUGE", "HIGHMEM MOVABLE IO FS DIRECT_RECLAIM NOWARN COMP NOMEMALLOC HARDWALL"),
];

/// The flags that change on the way, in the order in which recordings name them.
const CHANGING: [&str; 6] = ["ATOMIC", "IO", "FS", "MOVABLE", "DIRECT_RECLAIM", "HARDWALL"];

/// Names of flags, without `__GFP_`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gfp(BTreeSet<String>);

impl Gfp {
    /// Reads names between `|`.
    pub fn read(text: &str) -> Self {
        let plain = |name: &str| name.trim_start_matches("__GFP_").to_string();
        let names = text.split('|').flat_map(|name| {
            let composite = COMPOSITES.iter().find(|(known, _)| *known == name);
            let names = composite.map_or(name, |(_, names)| names);
            names.split(' ').map(plain)
        });
        Self(names.collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    pub fn with(&self, name: &str) -> Self {
        let mut more = self.clone();
        more.0.insert(name.into());
        more
    }

    pub fn without(&self, name: &str) -> Self {
        let mut fewer = self.clone();
        fewer.0.remove(name);
        fewer
    }

    /// How these flags differ from those asked with; `=` if they don't.
    pub fn beside(&self, asked: &Self) -> String {
        let lost = CHANGING.iter().filter(|name| asked.has(name) && !self.has(name));
        let new = CHANGING.iter().filter(|name| self.has(name) && !asked.has(name));
        let signed = lost.map(|name| format!("-{name}")).chain(new.map(|name| format!("+{name}")));
        let difference: String = signed.collect();
        if difference.is_empty() { "=".into() } else { difference }
    }

    /// The number of the highest zone type that will do.
    pub fn highest(&self) -> usize {
        match () {
            () if self.has("DMA") => 0,
            () if self.has("DMA32") => 1,
            () if self.has("MOVABLE") && self.has("HIGHMEM") => 3,
            () => 2,
        }
    }

    /// The migratetype, where types are kept apart.
    pub fn migratetype(&self) -> u8 {
        match () {
            () if self.has("MOVABLE") => MOVABLE,
            () if self.has("RECLAIMABLE") => RECLAIMABLE,
            () => UNMOVABLE,
        }
    }
}
