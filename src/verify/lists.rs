//! Invariants of the free lists: I1, I2, I5, I7.

use super::{Invariant, Violation};
use crate::memmap::{FrameIdx, FrameKind};
use crate::zone::ZoneMut;
use crate::zone::watermark::ZoneView;
use crate::{MigrateType, Order};

fn violation(
    zone: &ZoneMut<'_>,
    invariant: Invariant,
    at: Option<FrameIdx>,
    what: &'static str,
) -> Violation {
    Violation::new(invariant, zone.shared.id, at.map(|index| zone.memmap.pfn_of(index)), what)
}

fn each_list() -> impl Iterator<Item = (Order, MigrateType)> {
    Order::ALL
        .into_iter()
        .flat_map(|order| MigrateType::ALL.map(|migratetype| (order, migratetype)))
}

/// I1: every link word within a list is 0 or names a mapped frame. Walks by the words themselves, so
/// that a wild one is never followed. What stands before the head and after the tail does not matter.
pub(super) fn links(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    for (order, migratetype) in each_list() {
        let mut steps = zone.areas.nr_free(order);
        let (head, tail) = (zone.head(order, migratetype), zone.tail(order, migratetype));
        let mut next = head;
        while let Some(index) = next {
            let at = |what| violation(zone, Invariant::Links, Some(index), what);
            let (forward, back) = zone.memmap.links_of(index);
            next = match tail == Some(index) {
                true => None,
                false => forward.map_err(|_| at("next names no frame"))?,
            };
            if head != Some(index) {
                back.map_err(|_| at("prev names no frame"))?;
            }
            if steps == 0 {
                return Err(violation(
                    zone,
                    Invariant::Counts,
                    Some(index),
                    "list longer than nr_free",
                ));
            }
            steps -= 1;
        }
    }
    Ok(())
}

/// The blocks of a list, by the link words, to its tail or to a word that names none. Once I1 is known
/// to hold they come to an end.
fn linked(
    zone: &ZoneMut<'_>,
    order: Order,
    migratetype: MigrateType,
) -> impl Iterator<Item = FrameIdx> {
    let tail = zone.tail(order, migratetype);
    let next = move |index: &FrameIdx| match tail == Some(*index) {
        true => None,
        false => zone.memmap.links_of(*index).0.ok().flatten(),
    };
    core::iter::successors(zone.head(order, migratetype), next)
}

/// I2: each list is sound in itself, and as many frames are marked free as are listed.
pub(super) fn one_list(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    let mut listed = 0;
    for (order, migratetype) in each_list() {
        listed += list(zone, order, migratetype)?;
    }
    let marked = super::frames::heads(zone).filter(|(_, s)| s.kind() == FrameKind::Free).count();
    if marked != listed {
        return Err(violation(zone, Invariant::OneList, None, "frames marked free are on no list"));
    }
    Ok(())
}

/// The frames of a list are marked free, the words point both ways, and the list ends at its tail.
/// Gives its length.
fn list(zone: &ZoneMut<'_>, order: Order, migratetype: MigrateType) -> Result<usize, Violation> {
    let (mut before, mut length) = (None, 0);
    for index in linked(zone, order, migratetype) {
        let at = |what| Err(violation(zone, Invariant::OneList, Some(index), what));
        let state = zone.memmap.state(index);
        if state.kind() != FrameKind::Free {
            return at("on a list, but not marked free");
        }
        if state.order() != order || state.zone() != zone.shared.id {
            return at("on a list of another order or zone");
        }
        if before.is_some() && zone.memmap.links_of(index).1 != Ok(before) {
            return at("prev is not the frame before it");
        }
        before = Some(index);
        length += 1;
    }
    if zone.tail(order, migratetype) == before {
        return Ok(length);
    }
    Err(violation(zone, Invariant::OneList, before, "the last of a list is not its tail"))
}

/// I7: each list holds only blocks recorded as its type.
pub(super) fn types(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    for (order, migratetype) in each_list() {
        let odd = |index: &FrameIdx| zone.memmap.state(*index).migratetype() != migratetype;
        if let Some(index) = zone.blocks(order, migratetype).find(odd) {
            return Err(violation(
                zone,
                Invariant::Types,
                Some(index),
                "on a list of another type",
            ));
        }
    }
    Ok(())
}

/// I5: the counts and bits that stand beside the lists say what the lists say.
pub(super) fn counts(zone: &ZoneMut<'_>) -> Result<(), Violation> {
    let wrong = |what| Err(violation(zone, Invariant::Counts, None, what));
    let (mut free, mut cma) = (0, 0);
    for order in Order::ALL {
        let mut blocks = 0;
        for migratetype in MigrateType::ALL {
            let count = zone.blocks(order, migratetype).count() as u64;
            blocks += count;
            let bit = zone.shared.nonempty_orders(migratetype) >> order.get() & 1 != 0;
            if bit != (count != 0) {
                return wrong("the bit of a list does not say whether it is empty");
            }
            match migratetype {
                MigrateType::Isolate => {}
                MigrateType::Cma => cma += count * order.nr_pages(),
                _ => free += count * order.nr_pages(),
            }
        }
        if blocks != zone.areas.nr_free(order) {
            return wrong("nr_free is not the number of blocks");
        }
    }
    if zone.shared.nr_free_cma.get() != cma {
        return wrong("the count of free CMA frames is not that of the lists");
    }
    if zone.shared.nr_free.get() != free + cma {
        return wrong("the count of free frames is not that of the lists");
    }
    Ok(())
}
