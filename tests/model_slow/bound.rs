//! The end of every request: no answer of the kernel makes one longer than its rounds.

/// What may be done in one round at most, and besides all rounds.
const MOST: [(&str, usize, usize); 5] = [
    ("s try", 9, 1),
    ("s reclaim", 1, 0),
    ("s compact", 1, 0),
    ("s oom ", 1, 0),
    ("s sleep", 2, 0),
];

/// Checks the requests of a recording, each of which tells its rounds. The first of them has neither
/// reclaim nor killing.
pub fn check(recording: &[String]) -> Result<(), String> {
    let starts = recording.iter().enumerate().filter(|(_, line)| line.starts_with("case "));
    let starts: Vec<usize> = starts.map(|(at, _)| at).chain([recording.len()]).collect();
    starts.windows(2).try_for_each(|ends| request(&recording[ends[0]..ends[1]]))
}

fn request(lines: &[String]) -> Result<(), String> {
    let rounds = lines.iter().find_map(|line| line.strip_prefix("in rounds "));
    let rounds: usize = rounds.and_then(|rounds| rounds.parse().ok()).ok_or("no rounds")?;
    let rounds = rounds.max(1);
    for (step, each, besides) in MOST {
        let first = usize::from(step != "s try" && step != "s compact");
        let most = each * (rounds - first) + besides;
        let count = lines.iter().filter(|line| line.starts_with(step)).count();
        if count > most {
            return Err(format!("{}: {count} times `{step}` in {rounds} rounds", lines[0]));
        }
    }
    Ok(())
}
