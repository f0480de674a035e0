//! The table of all cases, each implementation beside the floor and the others.

use super::ours;
use super::recorder::Row;
use crate::groups::floor;

/// Prints the table; the rows of a case follow one another.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:10} {:37} {:23} {:>10} {:>10} {:>7} {:>8} {:>7}",
        "group", "case", "implementation", "min ns", "median ns", "samples", "x list", "x peer"
    );
    let list = rows.iter().find(|row| row.group == floor::GROUP && row.case == floor::LIST);
    let mut before: Option<&Row> = None;
    for row in rows {
        let again = before.is_some_and(|before| same_case(before, row));
        let (group, case) = if again { ("", "") } else { (&*row.group, &*row.case) };
        println!(
            "{group:10} {case:37} {:23} {:>10.2} {:>10.2} {:>7} {:>8} {}",
            row.implementation,
            row.ns_min,
            row.ns_median,
            row.samples,
            ratio(row, list),
            beside_peer(row, best_peer(rows, row)),
        );
        before = Some(row);
    }
}

fn same_case(one: &Row, other: &Row) -> bool {
    (&one.group, &one.case) == (&other.group, &other.case)
}

fn ratio(row: &Row, to: Option<&Row>) -> String {
    to.map_or_else(|| "-".to_owned(), |to| format!("{:.2}", row.ns_median / to.ns_median))
}

/// The peer with the lowest median in a case of ours.
fn best_peer<'a>(rows: &'a [Row], ours: &Row) -> Option<&'a Row> {
    let others = rows.iter().filter(|row| same_case(row, ours) && is_peer(row));
    others.min_by(|one, other| one.ns_median.total_cmp(&other.ns_median))
}

fn is_peer(row: &Row) -> bool {
    row.implementation != ours::NAME && row.implementation != floor::NAME
}

fn beside_peer(row: &Row, peer: Option<&Row>) -> String {
    match peer {
        Some(peer) if row.implementation == ours::NAME => {
            format!("{:>7} {}", ratio(row, Some(peer)), peer.implementation)
        }
        _ => String::new(),
    }
}
