//! The search for paths of one machine.

/// In two parts, so that this file does not contain them.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/", "work"), concat!("/", "home/"), concat!("/", "root"), concat!("../", "shared")];

/// The lines of a file that name such a path.
pub(crate) fn found(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let bad = lines.filter(|(_, line)| MACHINE_PATHS.iter().any(|place| names(line, place)));
    bad.map(|(n, line)| format!("{path}:{}: a machine's path: {}", n + 1, line.trim())).collect()
}

/// Whether a line has the path, not as a part of a longer word or path.
fn names(line: &str, place: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '*');
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        let whole = place.ends_with('/') || !after.is_some_and(|c| c.is_alphanumeric() || c == '_');
        whole && !before.is_some_and(inner)
    })
}
