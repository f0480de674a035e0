//! Proof that each rule can fail: small sources that break it, and others that only look so.

use crate::grounds::{Grounds, cited};
use crate::scan::{Source, closing, tokens, without_test_modules};
use crate::tiers::Tier;
use crate::{paths, rules, tiers};

fn source(text: &str) -> Source {
    Source::new("src/zone/x.rs", text)
}

/// Strings, characters, lifetimes and comments are told apart.
#[test]
fn scanner_blanks_strings_and_comments() {
    let text = r####"let a = "fn // {\"" ; // b "
let c = '"'; let d = b'\''; let 'e: &'static str = r#"}" /*"#; /* f /* { */ g */ h"####;
    let seen = source(text);
    assert_eq!(seen.code.len(), text.len());
    let words: Vec<_> = tokens(&seen.code).iter().map(|token| token.text).collect();
    let first = ["let", "a", "=", "\"", "\"", ";"];
    assert_eq!(words[..6], first);
    let tail = [
        "let", "c", "=", "'", "'", ";", "let", "d", "=", "b", "'", "'", ";", "let", "'e", ":", "&",
        "'static", "str", "=", "r", "#", "\"", "\"", "#", ";", "h",
    ];
    assert_eq!(words[6..], tail);
    assert!(seen.prose.contains("// b \"") && !seen.prose.contains("fn"));
}

/// Brackets are matched across lines, and lines are counted.
#[test]
fn scanner_matches_brackets() {
    let seen = source("fn a(b: [u8; 2]) {\n    if c { d() }\n}\n");
    let all = tokens(&seen.code);
    let open = all.iter().position(|token| token.text == "{").unwrap();
    assert_eq!(all[closing(&all, open).unwrap()].line, 3);
    assert_eq!(closing(&tokens("{ ( )"), 0), None);
}

/// A test module is cut out, other modules and negated conditions stay.
#[test]
fn scanner_cuts_test_modules() {
    let text = "use a;\n#[cfg(all(test, x))]\n#[y]\nmod tests {\n use b; }\nuse c;\n";
    assert_eq!(
        without_test_modules(text).split_whitespace().collect::<Vec<_>>().join(" "),
        "use a; use c;"
    );
    let kept = "#[cfg(not(test))]\nmod a { use b; }\n#[cfg(test)]\nuse c;";
    assert_eq!(without_test_modules(kept), kept);
}

/// Long files and long functions are found, with their lines; a line less is fine.
#[test]
fn length_rules_can_fail() {
    let seen = source("\nfn a<F: Fn(u8) -> u8>() where F: X {\n\n}\nfn b();\ntype C = fn(u8);\n");
    assert_eq!(
        rules::long_functions(&seen, 2),
        ["src/zone/x.rs:2: `a` has 3 lines, 2 are allowed"]
    );
    assert!(rules::long_functions(&seen, 3).is_empty());
    assert_eq!(rules::long_file(&seen, 5).len(), 1);
    assert!(rules::long_file(&seen, 6).is_empty());
}

/// A file that opens with anything but its documentation is found.
#[test]
fn header_rule_can_fail() {
    assert_eq!(rules::no_header(&source("use a;\n//! A.")).len(), 1);
    assert!(rules::no_header(&source("//! A.\nuse a;")).is_empty());
}

/// Boolean parameters are found in public functions and traits, and nowhere else.
#[test]
fn bool_rule_can_fail() {
    for bad in [
        "pub fn a(b: bool) {}",
        "pub(crate) const unsafe fn a<T: Fn(u8) -> X>(&self, c: T, b: &mut bool) {}",
        "pub unsafe trait T { fn a(&self, b: bool) -> u8; }",
    ] {
        assert_eq!(rules::bool_parameters(&source(bad)).len(), 1, "{bad}");
    }
    for good in [
        "fn a(b: bool) {}",
        "pub fn a(b: impl Fn(bool) -> bool, c: Option<bool>) -> bool {}",
        "trait T { fn a(b: bool); }",
    ] {
        assert!(rules::bool_parameters(&source(good)).is_empty(), "{good}");
    }
}

/// Unfinished work is found in code and in comments, not in strings.
#[test]
fn unfinished_rule_can_fail() {
    let words = ["TODO", "FIXME:", "XXX"].map(|word| format!("// {word}"));
    let code = ["todo!()", "unimplemented!()", "dbg!(a)", "#[ignore]"].map(str::to_owned);
    for bad in words.iter().chain(&code) {
        assert_eq!(rules::unfinished(&source(bad)).len(), 1, "{bad}");
    }
    assert!(rules::unfinished(&source("let todo = \"TODO\"; // XXXL")).is_empty());
}

/// Grab-bag modules are found by path and by declaration.
#[test]
fn subject_rule_can_fail() {
    assert_eq!(rules::grab_bag(&Source::new("src/utils.rs", "")).len(), 1);
    assert_eq!(rules::grab_bag(&source("mod helpers;")).len(), 1);
    assert!(rules::grab_bag(&source("mod utilisation;")).is_empty());
}

/// Statements in comments are found; prose, documentation and strings are left alone.
#[test]
fn comment_rule_can_fail() {
    let bad = ["let a = 1; // let b = 2", "    // if a {"];
    assert_eq!(rules::commented_code(&source(&format!("{};\n{}", bad[0], bad[1]))).len(), 2);
    let good = "/// `let a = 1`;\n//! {\n// Prose.\nlet a = \"// b\"; c {";
    assert!(rules::commented_code(&source(good)).is_empty());
}

/// Unsafe blocks without a proof are found; a proof may stand above the statement or an attribute.
#[test]
fn proof_rule_can_fail() {
    let text = "
        // SAFETY: I3 and I12.
        #[x]
        let a =
            unsafe { b() };
        unsafe { c() };
        // SAFETY: none.
        // SAFETY: too.
        unsafe impl D for E {}
        // A comment.
        unsafe { f() };
        unsafe fn g();";
    let seen = source(text);
    let claims = rules::claims(&seen);
    let lines: Vec<_> = claims.iter().map(|claim| (claim.line, claim.proof.is_some())).collect();
    assert_eq!(lines, [(5, true), (6, false), (9, true), (11, false)]);
    let cites = |n: usize| cited(claims[n].proof.as_ref().unwrap(), &["I1", "I2", "I3"]);
    assert_eq!((cites(0), cites(2)), (vec!["I3"], vec![]));
    assert_eq!(rules::unsafe_lines(&seen).len(), 5);
}

/// A proof may rest on a type or function only if that has its invariants or contract written down.
#[test]
fn grounds_have_to_exist() {
    let text = "
        /// A.
        ///
        /// # Invariants
        ///
        /// Never 0.
        #[derive(Debug)]
        pub(crate) struct A(u8);
        /// B.
        /// # Safety
        /// Ask.
        pub unsafe fn b() {}
        /// # Safety
        /// Ask.
        unsafe trait C {}
        // # Safety
        struct D;
        fn e() {}";
    let grounds = Grounds::of(&[source(text)]);
    assert_eq!(grounds.types.iter().collect::<Vec<_>>(), ["A"]);
    assert_eq!(grounds.contracts.iter().collect::<Vec<_>>(), ["C", "b"]);
    for good in ["by the\n// invariants of `A`.", "(invariant of `A`)", "the contract of `x::b`"] {
        assert!(grounds.are_cited(&format!("// SAFETY: {good}")), "{good}");
    }
    for bad in ["by the invariant.", "invariant of `D`", "contract of `A`", "`A`", "contract of b"]
    {
        assert!(!grounds.are_cited(&format!("// SAFETY: {bad}")), "{bad}");
    }
}

/// Machine paths are found, and only as whole names.
#[test]
fn path_rule_can_fail() {
    let line = concat!("see /", "work/x or `../", "shared/y`");
    assert_eq!(paths::found("a.md", line), [format!("a.md:1: a machine's path: {line}")]);
    assert_eq!(paths::found("a.md", concat!("x\n/", "home/me")).len(), 1);
    let good = concat!("kernel/", "workqueue a/", "work /", "workspace");
    assert!(paths::found("a.md", good).is_empty());
}

const TABLE: &[Tier] = &[
    Tier { number: 0, modules: &["pfn", "order"] },
    Tier { number: 1, modules: &["zone", "node"] },
    Tier { number: 2, modules: &["alloc"] },
];

fn breaches(path: &str, text: &str) -> Vec<String> {
    let lib = "pub use pfn::{Pfn, raw::{Raw as Bits}};\npub use zone::Zone; pub use order::Order;";
    let zone = "#[cfg(all(test, x))] #[a] mod planted; #[cfg(test)] mod inner {} mod buddy;";
    let files = [("src/lib.rs", lib), ("src/zone/mod.rs", zone), ("src/node/mod.rs", "")];
    let mut sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).into();
    sources.push(Source::new(path, text));
    tiers::breaches(&sources, TABLE)
}

/// Names of the crate's root lead to their modules, renamed or nested.
#[test]
fn exports_are_resolved() {
    let lib = Source::new("src/lib.rs", "pub use a::{B, c::{D as E, F}, g::*}; pub use h::I;");
    let map = tiers::exports(&lib);
    let names: Vec<_> = map.iter().map(|(name, module)| format!("{name}={module}")).collect();
    assert_eq!(names, ["*=a", "B=a", "E=a", "F=a", "I=h"]);
}

/// Upward and sideways uses are found, however they are written.
#[test]
fn tier_rule_can_fail() {
    for bad in [
        "use crate::alloc::fast;",
        "use crate::{Pfn, node::{a, b}};",
        "fn a(b: crate::Unknown) {}",
        "use super::super::alloc;",
        "mod inner { use super::super::super::node::X; }",
        "macro_rules! m { () => { $crate::alloc::f() } }",
    ] {
        assert_eq!(breaches("src/zone/buddy.rs", bad).len(), 1, "{bad}");
    }
    assert_eq!(
        breaches("src/pfn.rs", "\nuse crate::{Order, Zone};"),
        ["src/pfn.rs:2: `pfn` (tier 0) uses `Zone` of `zone` (tier 1)"]
    );
    assert_eq!(breaches("src/shed/x.rs", "").len(), 1);
}

/// A file's own folder, lower tiers, peers among the words, and tests are free.
#[test]
fn tier_rule_lets_good_uses_pass() {
    let good = "use crate::{Bits, Order, Zone, pfn::{self, Pfn}};
        use super::area; pub(super) fn a() { crate::zone::b() }
        #[cfg(test)] mod tests { use crate::alloc::X; use super::*; }";
    assert_eq!(breaches("src/zone/buddy.rs", good), [""; 0]);
    assert_eq!(breaches("src/pfn.rs", "use crate::Order; pub(super) fn a() {}"), [""; 0]);
    assert_eq!(breaches("src/zone/planted.rs", "use crate::alloc::X;"), [""; 0]);
}
