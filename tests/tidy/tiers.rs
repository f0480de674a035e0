//! The tier rule: who may use whom.

use crate::scan::{Source, Token, closing, test_module_files, tokens, without_test_modules};
use std::collections::{BTreeMap, BTreeSet};

/// A row of the tier table: modules of the crate's root that have equal rank.
pub(crate) struct Tier {
    pub(crate) number: u32,
    /// In one row, files directly in `src/` may use each other, folders may not.
    pub(crate) modules: &'static [&'static str],
}

/// The modules behind the names that the crate's root exports.
pub(crate) fn exports(lib: &Source) -> BTreeMap<String, String> {
    let all = tokens(&lib.code);
    let mut map = BTreeMap::new();
    for index in (0..all.len()).filter(|index| all[*index].text == "use") {
        let mut paths = Vec::new();
        use_tree(&all, index + 1, &mut Vec::new(), &mut paths);
        for (path, name) in paths {
            map.insert(name, path[0].clone());
        }
    }
    map
}

/// The paths of a use tree from `at` on, each with the name that it introduces. Gives the index
/// after the tree.
fn use_tree(
    all: &[Token<'_>],
    mut at: usize,
    stem: &mut Vec<String>,
    paths: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let depth = stem.len();
    while let Some(token) = all.get(at) {
        match token.text {
            "{" => {
                let end = closing(all, at).unwrap_or(all.len() - 1);
                at += 1;
                while at < end {
                    at = use_tree(all, at, stem, paths) + 1;
                }
                stem.truncate(depth);
                return end + 1;
            }
            "::" | "crate" => at += 1,
            "as" => {
                let name = all.get(at + 1).map_or("", |token| token.text).to_owned();
                paths.push((stem.clone(), name));
                stem.truncate(depth);
                return at + 2;
            }
            "," | ";" | "}" => break,
            word => {
                stem.push(word.to_owned());
                at += 1;
            }
        }
    }
    if let Some(name) = stem.last().filter(|_| stem.len() > depth).cloned() {
        paths.push((stem.clone(), name));
    }
    stem.truncate(depth);
    at
}

/// The module of the crate's root that a file belongs to; `None` for the root itself.
fn module_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let first = inner.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib").then_some(module)
}

/// How many modules deep a file is.
fn depth_of(path: &str) -> usize {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').count() - usize::from(inner.ends_with("/mod.rs"))
}

/// The files that are test modules as a whole: those that others declare as such.
fn test_files(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().flat_map(test_modules).collect()
}

/// The files of the test modules that a file declares.
fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.strip_suffix("/mod.rs").or(source.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder,
        None => source.path.trim_end_matches(".rs"),
    };
    let names = test_module_files(&source.code);
    names.into_iter().map(|name| format!("{folder}/{name}.rs")).collect()
}

/// The names of the crate's root that a file uses, with their lines.
pub(crate) fn root_uses(source: &Source) -> Vec<(usize, String)> {
    let code = without_test_modules(&source.code);
    let all = tokens(&code);
    let mut uses = Vec::new();
    let mut inline_modules = Vec::new();
    let mut at = 0;
    while at < all.len() {
        inline_modules.retain(|end| *end > at);
        if all[at].text == "mod" && all.get(at + 2).is_some_and(|token| token.text == "{") {
            inline_modules.extend(closing(&all, at + 2));
        }
        let depth = depth_of(&source.path) + inline_modules.len();
        match root_path(&all, at, depth) {
            Some(next) => {
                uses.extend(first_names(&all, next));
                at = next;
            }
            None => at += 1,
        }
    }
    uses
}

/// The index after `crate::`, or after as many `super::` as lead to the root.
fn root_path(all: &[Token<'_>], at: usize, depth: usize) -> Option<usize> {
    let text = |index: usize| all.get(index).map_or("", |token| token.text);
    if text(at) == "crate" && text(at + 1) == "::" {
        return Some(at + 2);
    }
    let after_super = at > 1 && text(at - 1) == "::" && text(at - 2) == "super";
    let ups = (0..).take_while(|n| text(at + 2 * n) == "super").count();
    let is_path = ups > 0 && text(at + 2 * ups - 1) == "::";
    (is_path && ups >= depth && !after_super).then_some(at + 2 * ups)
}

/// The first names of the paths of the use tree at `at`.
fn first_names(all: &[Token<'_>], at: usize) -> Vec<(usize, String)> {
    let Some(first) = all.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![(first.line, first.text.to_owned())];
    }
    let mut paths = Vec::new();
    use_tree(all, at, &mut Vec::new(), &mut paths);
    let names: BTreeSet<_> = paths.into_iter().map(|(path, _)| path[0].clone()).collect();
    names.into_iter().map(|name| (first.line, name)).collect()
}

/// What breaks the tier rule in the files of `src/`.
pub(crate) fn breaches(sources: &[Source], table: &[Tier]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.path == "src/lib.rs");
    let exports = lib.map(exports).unwrap_or_default();
    let rank = |module: &str| table.iter().position(|tier| tier.modules.contains(&module));
    let is_folder = |module: &str| {
        let folder = format!("src/{module}/");
        sources.iter().any(|source| source.path.starts_with(&folder))
    };
    let tests = test_files(sources);
    let mut found = Vec::new();
    for source in sources {
        let Some(own) = module_of(&source.path) else { continue };
        let Some(own_rank) = rank(own) else {
            found.push(source.at(1, &format!("`{own}` has no place in the tier table")));
            continue;
        };
        if tests.contains(&source.path) {
            continue;
        }
        for (line, name) in root_uses(source) {
            let module = if rank(&name).is_some() { Some(&name) } else { exports.get(&name) };
            let target = module.and_then(|module| rank(module).map(|rank| (module, rank)));
            let what = match target {
                None => format!("`{name}` is no name of the crate's root"),
                Some((module, _)) if module == own => continue,
                Some((_, rank)) if rank < own_rank => continue,
                Some((module, rank))
                    if rank == own_rank && !is_folder(module) && !is_folder(own) =>
                {
                    continue;
                }
                Some((module, rank)) => format!(
                    "`{own}` (tier {}) uses `{name}` of `{module}` (tier {})",
                    table[own_rank].number, table[rank].number
                ),
            };
            found.push(source.at(line, &what));
        }
    }
    found
}
