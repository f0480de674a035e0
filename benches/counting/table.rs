//! The table of a comparison.

use super::count::Count;

pub(crate) fn head() {
    println!("{:32} {:>10} {:>10} {:>9}", "case", "recorded", "now", "change");
}

pub(crate) fn row(name: &str, recorded: Option<Count>, now: Count) {
    let none = || "-".to_owned();
    let was = recorded.map_or_else(none, |count| count.to_string());
    let change = recorded.and_then(|count| now.change_from(count)).unwrap_or_else(none);
    println!("{name:32} {was:>10} {now:>10} {change:>9}");
}
