//! The house rules, as tests that read the source tree.
//!
//! Each rule is one test; its message names `file:line: what`. The tables below are the parts that
//! change when the crate grows.

#[path = "tidy/grounds.rs"]
mod grounds;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/selftest.rs"]
mod selftest;
#[path = "tidy/tiers.rs"]
mod tiers;
#[path = "tidy/tree.rs"]
mod tree;

use grounds::{Grounds, cited};
use scan::Source;
use tiers::Tier;

/// Modules from the bottom to the top: each may use those of the rows above it in this list.
const TIERS: &[Tier] = &[
    Tier {
        number: 0,
        modules: &[
            "alloc_flags",
            "compact_priority",
            "compact_result",
            "error",
            "gfp",
            "migratetype",
            "migration",
            "node_id",
            "node_shrink",
            "order",
            "pfn",
            "shortage",
            "zone_id",
            "zone_type",
        ],
    },
    Tier { number: 1, modules: &["platform", "trace"] },
    Tier { number: 2, modules: &["sync"] },
    Tier { number: 3, modules: &["memmap"] },
    Tier { number: 3, modules: &["reclaim"] },
    Tier { number: 4, modules: &["zone"] },
    Tier { number: 5, modules: &["node"] },
    Tier { number: 6, modules: &["boot", "verify"] },
    Tier { number: 6, modules: &["compact"] },
    Tier { number: 6, modules: &["kswapd"] },
    Tier { number: 7, modules: &["alloc"] },
    Tier { number: 7, modules: &["raw_zone"] },
    Tier { number: 8, modules: &["report", "sim"] },
    Tier { number: 8, modules: &["integrations"] },
];

/// The only files of `src/` where `unsafe` may stand.
const UNSAFE_FILES: &[&str] = &[
    "src/alloc/raw.rs",
    "src/boot/build.rs",
    "src/memmap/links.rs",
    "src/memmap/raw.rs",
    "src/platform.rs",
    "src/sim/barrier.rs",
    "src/sim/machine.rs",
    "src/sim/space.rs",
    "src/sync/guard.rs",
    "src/sync/per_cpu.rs",
    "src/zone/free_area.rs",
];

/// Adaptors that sign a contract of another crate or of `core`, and are called by frame number or address.
/// No other code of this crate rests on them, and a kernel may leave them out, so they are counted apart
/// from the allocator's own.
const UNSAFE_ADAPTORS: &[&str] = &[
    "src/integrations/allocator_api2.rs",
    "src/integrations/page_heap.rs",
    "src/integrations/page_table_multiarch.rs",
    "src/integrations/x86_64.rs",
];

/// Where every proof has to rest on something that is written down.
const CITING_FOLDERS: &[&str] =
    &["src/memmap/", "src/sync/", "src/zone/", "src/boot/", "src/alloc/", "src/integrations/"];

/// The files of the planted bugs.
const PLANTED: [&str; 2] = ["src/verify/planted.rs", "src/verify/planted_pcps.rs"];

/// Each invariant, and the test that plants a breach of it.
const INVARIANTS: [(&str, &str); 9] = [
    ("I1", "i1_a_link_out_of_the_memmap_is_found"),
    ("I2", "i2_a_frame_on_two_lists_is_found"),
    ("I3", "i3_a_misaligned_block_is_found"),
    ("I4", "i4_two_free_buddies_are_found"),
    ("I5", "i5_a_wrong_count_is_found"),
    ("I6", "i6_a_lost_frame_is_found"),
    ("I7", "i7_a_block_on_the_wrong_list_is_found"),
    ("I8", "i8_watermarks_out_of_order_are_found"),
    ("I9", "i9_a_wrong_count_is_found"),
];

const MOST_FILE_LINES: usize = 500;
const MOST_FUNCTION_LINES: usize = 70;
const MOST_UNSAFE_FILES: usize = 8;
const MOST_CLAIMS: usize = 50;
const MOST_UNSAFE_ADAPTORS: usize = 4;
const MOST_ADAPTOR_CLAIMS: usize = 25;

fn src() -> Vec<Source> {
    tree::rust(&["src"])
}

fn all_rust() -> Vec<Source> {
    tree::rust(&["src", "examples", "tests", "benches"])
}

fn invariants() -> [&'static str; 9] {
    INVARIANTS.map(|(name, _)| name)
}

/// Fails with the places where the rule is broken.
#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{} breaches:\n{}\n", found.len(), found.join("\n"));
}

#[track_caller]
fn holds_in(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "there are files to look at");
    none(&sources.iter().flat_map(rule).collect::<Vec<_>>());
}

/// No file is too long to read at one sitting.
#[test]
fn files_are_short() {
    holds_in(&all_rust(), |source| rules::long_file(source, MOST_FILE_LINES));
}

/// No function is longer than a screen.
#[test]
fn functions_are_short() {
    holds_in(&src(), |source| rules::long_functions(source, MOST_FUNCTION_LINES));
}

/// Each file says first what it holds.
#[test]
fn files_open_with_documentation() {
    holds_in(&all_rust(), rules::no_header);
}

/// A file uses its own folder and lower tiers only.
#[test]
fn tiers_are_kept() {
    none(&tiers::breaches(&src(), TIERS));
}

/// `unsafe` stands in few files, all named here, and in each of them it does.
#[test]
fn unsafe_stands_in_named_files() {
    let ours = UNSAFE_FILES.iter().filter(|path| !path.starts_with("src/sim/"));
    assert!(ours.count() <= MOST_UNSAFE_FILES);
    assert!(UNSAFE_ADAPTORS.len() <= MOST_UNSAFE_ADAPTORS);
    let mut allowed = [UNSAFE_FILES, UNSAFE_ADAPTORS].concat();
    allowed.sort_unstable();
    let (named, others): (Vec<_>, Vec<_>) =
        src().into_iter().partition(|source| allowed.contains(&&*source.path));
    let used = named.iter().filter(|source| !rules::unsafe_lines(source).is_empty());
    assert!(used.map(|source| &*source.path).eq(allowed));
    holds_in(&others, |source| {
        let lines = rules::unsafe_lines(source).into_iter();
        lines.map(|line| source.at(line, "`unsafe` outside the named files")).collect()
    });
}

/// The unsafe blocks and impls of the crate can be counted.
#[test]
fn unsafe_blocks_are_few() {
    let claims = |adaptors: bool| -> usize {
        let sources = src().into_iter();
        let chosen = sources.filter(|s| s.path.starts_with("src/integrations/") == adaptors);
        chosen.map(|source| rules::claims(&source).len()).sum()
    };
    for (found, most) in [(claims(false), MOST_CLAIMS), (claims(true), MOST_ADAPTOR_CLAIMS)] {
        assert!(found <= most, "{found} unsafe blocks, {most} are allowed");
    }
}

/// Each unsafe block and impl has its proof above it.
#[test]
fn unsafe_blocks_have_proofs() {
    holds_in(&src(), |source| {
        let unproven = rules::claims(source).into_iter().filter(|claim| claim.proof.is_none());
        unproven.map(|claim| source.at(claim.line, "no `// SAFETY:` comment above")).collect()
    });
}

/// Where frames are handled, a proof rests on an invariant or on a contract that is written down:
/// one of I1 to I8, the invariant of a type, the contract of a function or trait.
#[test]
fn proofs_cite_what_they_rest_on() {
    let sources = src();
    let grounds = Grounds::of(&sources);
    assert!(grounds.types.contains("FrameIdx") && grounds.contracts.contains("Platform"));
    holds_in(&sources, |source| {
        if !CITING_FOLDERS.iter().any(|folder| source.path.starts_with(folder)) {
            return Vec::new();
        }
        let rests =
            |proof: &String| !cited(proof, &invariants()).is_empty() || grounds.are_cited(proof);
        let claims = rules::claims(source).into_iter();
        let bare = claims.filter(|claim| !claim.proof.as_ref().is_some_and(rests));
        let what = "the proof cites no invariant and no contract";
        bare.map(|claim| source.at(claim.line, what)).collect()
    });
}

/// Every invariant is stated in `lib.rs`, and cited where it is kept.
#[test]
fn invariants_are_stated_and_cited() {
    let (lib, rest): (Vec<_>, Vec<_>) = src().into_iter().partition(|s| s.path == "src/lib.rs");
    assert_eq!(cited(&lib[0].text, &invariants()), invariants(), "stated in lib.rs");
    let kept = rest.into_iter().filter(|source| !source.path.starts_with("src/verify/"));
    let kept: String = kept.map(|source| source.text).collect();
    assert_eq!(cited(&kept, &invariants()), invariants(), "cited where they are kept");
}

/// For each invariant, a test breaks it on purpose and sees it caught.
#[test]
fn each_invariant_has_a_planted_bug() {
    let code = |path| Source::new(path, &tree::read(path).expect("the planted bugs")).code;
    let code = PLANTED.map(code).concat();
    let missing = INVARIANTS.iter().filter(|(_, test)| !code.contains(&format!("fn {test}(")));
    let missing = missing.map(|(name, test)| format!("{}:1: {name}: no `{test}`", PLANTED[0]));
    none(&missing.collect::<Vec<_>>());
}

/// Nothing is left for later, and no test is switched off.
#[test]
fn nothing_is_unfinished() {
    holds_in(&all_rust(), rules::unfinished);
}

/// Modules are named after what they hold.
#[test]
fn modules_have_subjects() {
    holds_in(&all_rust(), rules::grab_bag);
}

/// A caller can read what it passes: no `bool` parameters.
#[test]
fn public_functions_take_no_bool() {
    holds_in(&src(), rules::bool_parameters);
}

/// Code that is not used is deleted, not commented out.
#[test]
fn comments_are_prose() {
    holds_in(&all_rust(), rules::commented_code);
}

/// No file names a place that exists on one machine only.
#[test]
fn no_machine_paths() {
    let texts = tree::texts();
    assert!(texts.iter().any(|(path, _)| path == "Cargo.toml"));
    none(&texts.iter().flat_map(|(path, text)| paths::found(path, text)).collect::<Vec<_>>());
}
