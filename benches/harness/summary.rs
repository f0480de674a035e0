//! The end of a run: a table of all cases beside the floors, and the same as JSON.

use super::recorder::Row;
use crate::groups::floor;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Prints the table and writes the file.
pub(crate) fn finish(rows: &[Row]) -> Result<(), Box<dyn Error>> {
    print(rows);
    let values: Vec<_> = rows.iter().map(to_json).collect();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
    let path = target.join("bench-summary.json");
    fs::write(&path, serde_json::to_string_pretty(&values)? + "\n")?;
    println!("\n{} rows are in {}", rows.len(), path.display());
    Ok(())
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

fn print(rows: &[Row]) {
    let floor = |case| rows.iter().find(|row| row.group == floor::GROUP && row.case == case);
    let (list, lock) = (floor(floor::LIST), floor(floor::LOCK));
    println!(
        "\n{:6} {:34} {:>10} {:>10} {:>8} {:>8}",
        "group", "case", "min ns", "median ns", "x list", "x lock"
    );
    for row in rows {
        let ratio = |floor: Option<&Row>| {
            floor.map_or_else(|| "-".to_owned(), |f| format!("{:.2}", row.ns_median / f.ns_median))
        };
        println!(
            "{:6} {:34} {:>10.2} {:>10.2} {:>8} {:>8}",
            row.group,
            row.case,
            row.ns_min,
            row.ns_median,
            ratio(list),
            ratio(lock)
        );
    }
}
