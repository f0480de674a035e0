//! A scanner of Rust source: what is code, what is comment, what is string; then tokens.

/// One file: its text, and the same text with parts blanked out, byte for byte in place.
pub(crate) struct Source {
    /// The path below the root of the crate, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments and without the insides of strings and characters.
    pub(crate) code: String,
    /// The text without the insides of strings and characters.
    pub(crate) prose: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let kinds = classify(text.as_bytes());
        let keep = |wanted: &dyn Fn(Kind) -> bool| {
            let bytes = text.bytes().zip(&kinds);
            let kept = bytes.map(|(b, kind)| if b == b'\n' || wanted(*kind) { b } else { b' ' });
            String::from_utf8(kept.collect()).expect("whole characters are blanked")
        };
        Self {
            path: path.to_owned(),
            code: keep(&|kind| kind == Kind::Code),
            prose: keep(&|kind| kind != Kind::Literal),
            text: text.to_owned(),
        }
    }

    /// `path:line: what`.
    pub(crate) fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    /// Inside a string or a character; the quotes are code.
    Literal,
}

fn classify(text: &[u8]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let (end, kind) = next_piece(text, at);
        let inside = if kind == Kind::Literal { literal_inside(text, at, end) } else { at..end };
        kinds[inside].fill(kind);
        at = end;
    }
    kinds
}

/// The piece of text at `at`: where it ends, and what it is.
fn next_piece(text: &[u8], at: usize) -> (usize, Kind) {
    let rest = &text[at..];
    let in_word = at > 0 && is_word(text[at - 1]);
    match rest[0] {
        b'/' if rest.starts_with(b"//") => (line_end(text, at), Kind::Comment),
        b'/' if rest.starts_with(b"/*") => (block_comment_end(text, at), Kind::Comment),
        b'"' => (string_end(text, at), Kind::Literal),
        b'r' | b'b' | b'c' if !in_word => match raw_string_end(text, at) {
            Some(end) => (end, Kind::Literal),
            None => (at + 1, Kind::Code),
        },
        b'\'' => match char_end(text, at) {
            Some(end) => (end, Kind::Literal),
            None => (at + 1, Kind::Code),
        },
        _ => (at + 1, Kind::Code),
    }
}

/// The literal without its prefix, hashes and quotes.
fn literal_inside(text: &[u8], at: usize, end: usize) -> std::ops::Range<usize> {
    let is_edge = |b: &u8| matches!(b, b'"' | b'\'' | b'#' | b'r' | b'b' | b'c');
    let quote = |b: &u8| matches!(b, b'"' | b'\'');
    let open = text[at..end].iter().take_while(|b| is_edge(b) && !quote(b)).count() + 1;
    let close = text[at + open..end].iter().rev().take_while(|b| **b == b'#').count() + 1;
    at + open..end.saturating_sub(close).max(at + open)
}

fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| at + n)
}

fn block_comment_end(text: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The end of a raw string at `start`; `None` if there is none (a raw identifier, a word).
fn raw_string_end(text: &[u8], start: usize) -> Option<usize> {
    let prefix = usize::from(text[start] != b'r');
    let rest = text[start + prefix..].strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|b| **b == b'#').count();
    let body = rest[hashes..].strip_prefix(b"\"")?;
    let begin = text.len() - body.len();
    let close: Vec<u8> = std::iter::once(b'"').chain(vec![b'#'; hashes]).collect();
    let found = body.windows(close.len()).position(|window| window == close);
    Some(found.map_or(text.len(), |n| begin + n + close.len()))
}

/// The end of a character literal at `start`; `None` if it is a lifetime.
fn char_end(text: &[u8], start: usize) -> Option<usize> {
    let rest = &text[start + 1..];
    if rest.first()? == &b'\\' {
        let close = rest.iter().skip(2).position(|b| *b == b'\'')?;
        return Some(start + 1 + 2 + close + 1);
    }
    let width = (1..=4.min(rest.len())).find(|n| std::str::from_utf8(&rest[..*n]).is_ok())?;
    (rest.get(width)? == &b'\'').then_some(start + 1 + width + 1)
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// A word, a lifetime, `::`, `->`, `=>`, or one other character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
    /// Byte offset.
    pub(crate) at: usize,
}

pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < bytes.len() {
        let width = token_width(bytes, at);
        if bytes[at] == b'\n' {
            line += 1;
        } else if !bytes[at].is_ascii_whitespace() {
            found.push(Token { text: &code[at..at + width], line, at });
        }
        at += width;
    }
    found
}

fn token_width(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let word = |from: usize| rest[from..].iter().take_while(|b| is_word(**b)).count();
    if is_word(rest[0]) {
        word(0)
    } else if rest[0] == b'\'' && word(1) > 0 {
        1 + word(1)
    } else if [b"::", b"->", b"=>"].iter().any(|pair| rest.starts_with(*pair)) {
        2
    } else {
        1
    }
}

/// The index of the token that closes the bracket which `tokens[open]` opens.
pub(crate) fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// The code of a file without its `#[cfg(test)] mod … { … }` blocks.
pub(crate) fn without_test_modules(code: &str) -> String {
    let all = tokens(code);
    let mut bytes = code.as_bytes().to_vec();
    for (index, _) in all.iter().enumerate().filter(|(index, _)| is_cfg_test(&all, *index)) {
        if let Some((from, to)) = module_after(&all, index) {
            bytes[from..=to].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        }
    }
    String::from_utf8(bytes).expect("whole tokens are blanked")
}

/// Whether an attribute at `index` says that what follows is for tests.
fn is_cfg_test(all: &[Token<'_>], index: usize) -> bool {
    let texts: Vec<_> = all[index..].iter().take(4).map(|token| token.text).collect();
    if texts != ["#", "[", "cfg", "("] {
        return false;
    }
    let end = closing(all, index + 3).unwrap_or(index + 3);
    let inside: Vec<_> = all[index + 4..end].iter().map(|token| token.text).collect();
    let negated = inside.windows(3).any(|three| three == ["not", "(", "test"]);
    inside.contains(&"test") && !negated
}

/// The names of the modules in files of their own that are declared under `#[cfg(test)]`.
pub(crate) fn test_module_files(code: &str) -> Vec<String> {
    let all = tokens(code);
    let tests = (0..all.len()).filter(|index| is_cfg_test(&all, *index));
    let names = tests.filter_map(|index| {
        let at = after_attributes(&all, index)?;
        let is_file = all[at].text == "mod" && all.get(at + 2)?.text == ";";
        is_file.then(|| all[at + 1].text.to_owned())
    });
    names.collect()
}

/// The bytes from the attribute at `index` to the end of the module below it.
fn module_after(all: &[Token<'_>], index: usize) -> Option<(usize, usize)> {
    let next = after_attributes(all, index)?;
    let open = next + 2;
    (all[next].text == "mod" && all.get(open)?.text == "{").then_some(())?;
    Some((all[index].at, all[closing(all, open)?].at))
}

/// The index after the attributes from `index` on.
fn after_attributes(all: &[Token<'_>], index: usize) -> Option<usize> {
    let mut next = index;
    while all.get(next)?.text == "#" {
        next = closing(all, next + 1)? + 1;
    }
    Some(next)
}
