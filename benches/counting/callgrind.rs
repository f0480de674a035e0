//! What callgrind writes.

/// The instructions of a whole run, from the file of that run: the column `Ir` of its totals.
pub(crate) fn instructions(text: &str) -> Result<u64, &'static str> {
    let fields = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(str::split_whitespace)
    };
    let mut events = fields("events").ok_or("no line `events:`")?;
    let column = events.position(|event| event == "Ir").ok_or("instructions are not counted")?;
    let mut totals = fields("totals").or_else(|| fields("summary")).ok_or("no line of totals")?;
    let total = totals.nth(column).ok_or("too few totals")?;
    total.parse().map_err(|_| "a total that is no number")
}
