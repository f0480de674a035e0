//! The rules that look at one file at a time. Each gives the places where a file breaks it.

use crate::scan::{Source, Token, closing, tokens};

/// Files that are too long.
pub(crate) fn long_file(source: &Source, most: usize) -> Vec<String> {
    let lines = source.text.lines().count();
    let what = format!("the file has {lines} lines, {most} are allowed");
    if lines > most { vec![source.at(lines, &what)] } else { Vec::new() }
}

/// Functions that are too long, from the line of `fn` to that of the closing brace.
pub(crate) fn long_functions(source: &Source, most: usize) -> Vec<String> {
    let all = tokens(&source.code);
    let mut found = Vec::new();
    for function in functions(&all) {
        let Some(open) = function.body else { continue };
        let end = closing(&all, open).map_or(usize::MAX, |close| all[close].line);
        let lines = end.saturating_sub(function.line).saturating_add(1);
        if lines > most {
            let what = format!("`{}` has {lines} lines, {most} are allowed", function.name);
            found.push(source.at(function.line, &what));
        }
    }
    found
}

/// Files that do not open with their documentation.
pub(crate) fn no_header(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.at(1, "the file does not open with `//! `")]
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    is_pub: bool,
    /// The parenthesis that opens the parameters.
    parameters: usize,
    /// The brace that opens the body.
    body: Option<usize>,
}

fn functions<'a>(all: &[Token<'a>]) -> Vec<Function<'a>> {
    let traits = pub_traits(all);
    let starts = (0..all.len()).filter(|index| all[*index].text == "fn");
    starts.filter_map(|index| function(all, &traits, index)).collect()
}

/// The function that `all[index]`, an `fn`, begins; `None` for a function pointer type.
fn function<'a>(
    all: &[Token<'a>],
    traits: &[std::ops::Range<usize>],
    index: usize,
) -> Option<Function<'a>> {
    let name = all.get(index + 1).filter(|token| token.text != "(")?;
    let parameters = after_generics(all, index + 2)?;
    let tail = closing(all, parameters)? + 1;
    Some(Function {
        name: name.text,
        line: all[index].line,
        is_pub: is_pub(&all[..index]) || traits.iter().any(|t| t.contains(&index)),
        parameters,
        body: body_after(all, tail),
    })
}

/// Where the bodies of public traits stand.
fn pub_traits(all: &[Token<'_>]) -> Vec<std::ops::Range<usize>> {
    let starts = (0..all.len()).filter(|i| all[*i].text == "trait" && is_pub(&all[..*i]));
    let range = |start: usize| {
        let open = body_after(all, start)?;
        Some(open..closing(all, open)?)
    };
    starts.filter_map(range).collect()
}

/// The index after `<…>`, or the same index if there are no generics.
fn after_generics(all: &[Token<'_>], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in all.iter().enumerate().skip(start) {
        match token.text {
            "<" => depth += 1,
            ">" => depth = depth.checked_sub(1)?,
            _ if depth == 0 => return Some(index),
            _ => {}
        }
    }
    None
}

/// The brace that opens the body of an item, whose signature goes on at `start`.
fn body_after(all: &[Token<'_>], start: usize) -> Option<usize> {
    let mut index = start;
    loop {
        match all.get(index)?.text {
            "{" => return Some(index),
            ";" => return None,
            "(" | "[" => index = closing(all, index)? + 1,
            _ => index += 1,
        }
    }
}

/// Whether the words before an item's keyword make it public, if only within the crate.
fn is_pub(before: &[Token<'_>]) -> bool {
    let qualifier = |token: &&Token<'_>| {
        matches!(token.text, "const" | "unsafe" | "async" | "extern" | "\"" | "default")
    };
    match before.iter().rev().find(|token| !qualifier(token)) {
        Some(token) if token.text == "pub" => true,
        Some(token) if token.text == ")" => {
            let open = before.iter().rposition(|token| token.text == "(").unwrap_or(0);
            open > 0 && before[open - 1].text == "pub"
        }
        _ => false,
    }
}

/// Parameters of type `bool` in functions that others call.
pub(crate) fn bool_parameters(source: &Source) -> Vec<String> {
    let all = tokens(&source.code);
    let mut found = Vec::new();
    for function in functions(&all).iter().filter(|function| function.is_pub) {
        let close = closing(&all, function.parameters).unwrap_or(function.parameters);
        let inside = &all[function.parameters + 1..close];
        if parameters(inside).any(is_bool) {
            let what = format!("`{}` has a parameter of type bool", function.name);
            found.push(source.at(function.line, &what));
        }
    }
    found
}

/// The parameters of a list, each a slice of tokens.
fn parameters<'a, 'b>(inside: &'b [Token<'a>]) -> impl Iterator<Item = &'b [Token<'a>]> {
    let mut depth = 0_i32;
    inside.split(move |token| {
        depth += match token.text {
            "(" | "[" | "{" | "<" => 1,
            ")" | "]" | "}" | ">" => -1,
            _ => 0,
        };
        depth == 0 && token.text == ","
    })
}

fn is_bool(parameter: &[Token<'_>]) -> bool {
    let colon = parameter.iter().position(|token| token.text == ":");
    let of_type = colon.map_or(&[][..], |colon| &parameter[colon + 1..]);
    let reference =
        |token: &&Token<'_>| !(matches!(token.text, "&" | "mut") || token.text.starts_with('\''));
    of_type.iter().filter(reference).map(|token| token.text).eq(["bool"])
}

/// Words that say that something is not done, in code or comments.
pub(crate) fn unfinished(source: &Source) -> Vec<String> {
    const WORDS: [&str; 3] = ["TODO", "FIXME", "XXX"];
    const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
    let all = tokens(&source.prose);
    let next = |index: usize, n: usize| all.get(index + n).map_or("", |token| token.text);
    let mut found = Vec::new();
    for (index, token) in all.iter().enumerate() {
        let is_macro = MACROS.contains(&token.text) && next(index, 1) == "!";
        let is_ignore = token.text == "#" && next(index, 1) == "[" && next(index, 2) == "ignore";
        if WORDS.contains(&token.text) || is_macro || is_ignore {
            let line = source.text.lines().nth(token.line - 1).unwrap_or_default().trim();
            found.push(source.at(token.line, &format!("unfinished: {line}")));
        }
    }
    found
}

/// Modules without a subject.
pub(crate) fn grab_bag(source: &Source) -> Vec<String> {
    const NAMES: [&str; 5] = ["util", "utils", "helpers", "misc", "common"];
    let mut parts = source.path.split('/');
    if parts.any(|part| NAMES.contains(&part.trim_end_matches(".rs"))) {
        return vec![source.at(1, "a module is named after its subject")];
    }
    let all = tokens(&source.code);
    let is_bag = |pair: &&[Token<'_>]| pair[0].text == "mod" && NAMES.contains(&pair[1].text);
    let bags = all.windows(2).filter(is_bag);
    bags.map(|pair| source.at(pair[0].line, "a module is named after its subject")).collect()
}

/// Comments that look like code: they end as statements do.
pub(crate) fn commented_code(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.code.lines().zip(source.prose.lines());
    for (number, (code, prose)) in lines.enumerate() {
        let comment = prose[code.trim_end().len()..].trim();
        let is_doc = comment.starts_with("///") || comment.starts_with("//!");
        let ends_as_code = comment.ends_with(';') || comment.ends_with('{');
        if comment.starts_with("//") && !is_doc && ends_as_code {
            found.push(source.at(number + 1, "commented-out code, it seems"));
        }
    }
    found
}

/// A place where the compiler takes our word: a block, or an `unsafe impl`.
pub(crate) struct Claim {
    pub(crate) line: usize,
    /// The comment that proves it, from `SAFETY:` on.
    pub(crate) proof: Option<String>,
}

/// Lines with the word `unsafe`, whatever it stands before.
pub(crate) fn unsafe_lines(source: &Source) -> Vec<usize> {
    let all = tokens(&source.code);
    all.iter().filter(|token| token.text == "unsafe").map(|token| token.line).collect()
}

pub(crate) fn claims(source: &Source) -> Vec<Claim> {
    let all = tokens(&source.code);
    let is_claim = |pair: &&[Token<'_>]| {
        pair[0].text == "unsafe" && (pair[1].text == "{" || pair[1].text == "impl")
    };
    let claims = all.windows(2).filter(is_claim);
    claims.map(|pair| Claim { line: pair[0].line, proof: proof(source, pair[0].line) }).collect()
}

/// The SAFETY comment above the statement or item that has `line`.
fn proof(source: &Source, line: usize) -> Option<String> {
    let code: Vec<_> = source.code.lines().map(str::trim).collect();
    let text: Vec<_> = source.text.lines().map(str::trim).collect();
    let mut above = line - 1;
    while above > 0 && !text[above - 1].starts_with("//") {
        let before = code[above - 1];
        let is_attribute = before.starts_with("#[") || before.ends_with(")]");
        if before.is_empty() || (before.ends_with([';', '{', '}', ',']) && !is_attribute) {
            return None;
        }
        above -= 1;
    }
    let first = text[..above].iter().rposition(|line| !line.starts_with("//"));
    let comment = text[first.map_or(0, |n| n + 1)..above].join("\n");
    comment.find("// SAFETY:").map(|at| comment[at..].to_owned())
}
