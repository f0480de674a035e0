//! What a proof may rest on: the crate's numbered invariants, the invariants of types, the
//! contracts of unsafe functions and traits.

use crate::scan::Source;
use std::collections::BTreeSet;

/// The items whose documentation has a section that a proof can cite.
pub(crate) struct Grounds {
    /// Types with `# Invariants`.
    pub(crate) types: BTreeSet<String>,
    /// Functions and traits with `# Safety`.
    pub(crate) contracts: BTreeSet<String>,
}

impl Grounds {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let under = |heading: &str, keywords: &[&str]| {
            sources.iter().flat_map(|source| documented(source, heading, keywords)).collect()
        };
        Self {
            types: under("# Invariants", &["struct", "enum"]),
            contracts: under("# Safety", &["fn", "trait"]),
        }
    }

    /// Whether a proof cites one of them, as "invariant of `Type`" or "contract of `function`".
    pub(crate) fn are_cited(&self, proof: &str) -> bool {
        let text = proof.replace("//", " ");
        let words: Vec<_> = text.split_whitespace().collect();
        words.windows(3).any(|three| {
            let known = match three[0].trim_start_matches('(') {
                "invariant" | "invariants" => &self.types,
                "contract" | "contracts" => &self.contracts,
                _ => return false,
            };
            let name = three[2].split('`').nth(1).unwrap_or_default();
            three[1] == "of" && known.contains(name.rsplit("::").next().unwrap_or_default())
        })
    }
}

/// The names of the items of these kinds whose documentation has the heading.
fn documented(source: &Source, heading: &str, keywords: &[&str]) -> Vec<String> {
    let heading = format!("/// {heading}");
    let lines: Vec<_> = source.text.lines().map(str::trim).collect();
    let starts = (0..lines.len()).filter(|n| lines[*n] == heading);
    let item = |start: usize| {
        let after = lines[start..].iter().find(|l| !l.starts_with("//") && !l.starts_with("#["));
        let words = after?.split(|c: char| !c.is_alphanumeric() && c != '_');
        let mut words = words.skip_while(|word| !keywords.contains(word));
        words.nth(1).map(str::to_owned)
    };
    starts.filter_map(item).collect()
}

/// The numbered invariants that a text cites: `I1` and so on.
pub(crate) fn cited(text: &str, invariants: &[&'static str]) -> Vec<&'static str> {
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    invariants.iter().filter(|name| words.contains(name)).copied().collect()
}
