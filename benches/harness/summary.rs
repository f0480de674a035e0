//! The end of a run: the table, and the same as JSON.

use super::recorder::{Report, Row};
use super::{ours, table};
use crate::groups::floor;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Prints the table and writes the file. Fails if this crate could not do something.
pub(crate) fn finish(report: &Report) -> Result<(), Box<dyn Error>> {
    table::print(&report.rows);
    println!();
    for left_out in &report.left_out {
        println!("not measured: {}: {}", left_out.name, left_out.failure);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let path = target.join("bench-summary.json");
    fs::write(&path, json(&report.rows))?;
    println!("{} rows are in {}", report.rows.len(), path.display());
    let must = [ours::NAME, floor::NAME];
    match report.left_out.iter().find(|left_out| must.contains(&left_out.implementation)) {
        Some(left_out) => Err(format!("{}: {}", left_out.name, left_out.failure).into()),
        None => Ok(()),
    }
}

/// An array, one row on a line.
fn json(rows: &[Row]) -> String {
    let lines: Vec<_> = rows.iter().map(|row| to_json(row).to_string()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn to_json(row: &Row) -> serde_json::Value {
    serde_json::json!({
        "group": row.group,
        "case": row.case,
        "implementation": row.implementation,
        "ns_min": row.ns_min,
        "ns_median": row.ns_median,
    })
}
