//! The command line.

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Count the cases whose names contain one of the words, or all, and compare.
    Compare { words: Vec<String> },
    /// Count all cases and write the record.
    Record,
    /// Run cases once.
    Smoke { words: Vec<String> },
    /// Print the code of the hit paths.
    Listing,
    /// Do the rounds of one case so many times: what the program calls itself with.
    Child { case: String, times: u64 },
}

/// The option before the name of a case.
pub(crate) const CHILD: &str = "--child";

impl Command {
    /// `cargo bench` passes `--bench`. Without it the build is not the one of the record.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let arguments: Vec<_> = arguments.collect();
        if let [option, case, times] = &arguments[..]
            && option == CHILD
        {
            let times = times.parse().map_err(|_| format!("no number: {times}"))?;
            return Ok(Self::Child { case: case.clone(), times });
        }
        let (options, words): (Vec<_>, Vec<_>) =
            arguments.into_iter().partition(|argument| argument.starts_with('-'));
        let known = ["--bench", "--record", "--smoke", "--listing"];
        if let Some(option) = options.iter().find(|option| !known.contains(&option.as_str())) {
            return Err(format!("no such option: {option}"));
        }
        let has = |name: &str| options.iter().any(|option| option == name);
        if has("--listing") {
            return match has("--bench") && words.is_empty() {
                true => Ok(Self::Listing),
                false => Err("--listing takes no words, under `cargo bench`".to_owned()),
            };
        }
        match (has("--bench") && !has("--smoke"), has("--record")) {
            (true, true) if words.is_empty() => Ok(Self::Record),
            (true, true) => Err("--record takes all cases: name none".to_owned()),
            (true, false) => Ok(Self::Compare { words }),
            (false, false) => Ok(Self::Smoke { words }),
            (false, true) => {
                Err("--record counts, under `cargo bench`, without --smoke".to_owned())
            }
        }
    }
}
