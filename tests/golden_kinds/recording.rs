//! What all recordings of zones share: reading them, the digest of a state, dumps, mismatches.

use crate::port::{Counters, LETTERS, ORDERS, PAGEBLOCK, Span, TYPES, ZoneView};
use std::fmt::Write;
use std::str::FromStr;

/// A place in a recording.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// The words of the line; the first one is its key.
    pub fn words(self) -> Vec<&'a str> {
        self.text.split_whitespace().collect()
    }

    /// An error at this line.
    pub fn error(self, what: &str) -> String {
        format!("line {}: {}\n    {what}", self.number, self.text)
    }

    /// `Ok` if the line says what was found.
    pub fn expect(self, found: &str) -> Result<(), String> {
        if self.text == found {
            return Ok(());
        }
        Err(format!(
            "line {}: {}\n    expected: {}\n    found:    {found}",
            self.number,
            self.asked(),
            self.text
        ))
    }

    /// The operation and its arguments, without the result.
    pub fn asked(self) -> &'a str {
        self.text.split_once('=').map_or(self.text, |(asked, _)| asked.trim_end())
    }

    /// The number at `index` of the words.
    pub fn number_at<N: FromStr>(self, words: &[&str], index: usize) -> Result<N, String> {
        let word = words.get(index).ok_or_else(|| self.error("a word is missing"))?;
        word.parse().map_err(|_| self.error(&format!("`{word}` is no number")))
    }

    /// The order at `index` of the words.
    pub fn order_at(self, words: &[&str], index: usize) -> Result<u32, String> {
        let order: u32 = self.number_at(words, index)?;
        if (order as usize) < ORDERS {
            Ok(order)
        } else {
            Err(self.error("there is no such order"))
        }
    }

    /// The migratetype whose letter stands at `index` of the words.
    pub fn type_at(self, words: &[&str], index: usize) -> Result<u8, String> {
        let letter = words.get(index).filter(|word| word.len() == 1);
        let number = letter.and_then(|letter| LETTERS.find(letter));
        number
            .and_then(|number| u8::try_from(number).ok())
            .ok_or_else(|| self.error("no migratetype letter where one should be"))
    }

    /// Whether the word at `index` is 1 rather than 0.
    pub fn switch_at(self, words: &[&str], index: usize) -> Result<bool, String> {
        match self.number_at::<u8>(words, index)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("neither 0 nor 1")),
        }
    }
}

/// The lines of a recording; empty ones and comments are passed over.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> + Clone {
    (1..)
        .zip(text.lines())
        .map(|(number, text)| Line { number, text: text.trim_end() })
        .filter(|line| !line.text.is_empty() && !line.text.starts_with('#'))
}

/// A range `A-B` of frames.
pub fn span(line: Line<'_>, word: &str) -> Result<Span, String> {
    let (start, end) = word.split_once('-').ok_or_else(|| line.error("no range A-B"))?;
    match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) if start < end => Ok((start, end)),
        _ => Err(line.error("no range A-B")),
    }
}

/// The state of a zone, as dumps show it and digests see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By order, then list; the head first.
    pub lists: [[Vec<u64>; TYPES]; ORDERS],
    pub pageblocks: Vec<u8>,
    pub counters: Counters,
}

impl State {
    /// Reads the state of `zone`, which has the frames of the span, into the same memory.
    pub fn read(&mut self, zone: &dyn ZoneView, (start, end): Span) {
        self.lists.iter_mut().flatten().for_each(Vec::clear);
        zone.for_each_free(&mut |order, list, pfn| {
            self.lists[order as usize][usize::from(list)].push(pfn);
        });
        let blocks = start / PAGEBLOCK..end.div_ceil(PAGEBLOCK);
        self.pageblocks.clear();
        self.pageblocks.extend(blocks.map(|block| zone.pageblock_type(block * PAGEBLOCK)));
        self.counters = zone.counters();
    }

    /// The lines of a dump tagged `tag`.
    pub fn dump(&self, tag: &str) -> Vec<String> {
        let Counters { free, cma, boost, hatomic } = self.counters;
        let mut dump =
            vec![format!("S {tag} free={free} cma={cma} boost={boost} hatomic={hatomic}")];
        let letters = self.pageblocks.iter().map(|&migratetype| letter(migratetype));
        dump.push(format!("P {}", letters.collect::<String>()));
        for (order, lists) in self.lists.iter().enumerate() {
            for (list, blocks) in lists.iter().enumerate().filter(|(_, blocks)| !blocks.is_empty())
            {
                let mut line = format!("L {order} {} {}", letter(list), blocks.len());
                blocks.iter().for_each(|pfn| write!(line, " {pfn}").expect("a string grows"));
                dump.push(line);
            }
        }
        dump
    }
}

/// The letter of a migratetype.
pub fn letter(migratetype: impl TryInto<usize>) -> char {
    let number = migratetype.try_into().unwrap_or(usize::MAX);
    LETTERS.chars().nth(number).unwrap_or('?')
}

/// The hash of states that recordings carry: FNV-1a over 64-bit words.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Digest {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3);
    }

    pub fn state(&mut self, state: &State) {
        for blocks in state.lists.iter().flatten() {
            self.word(blocks.len() as u64);
            blocks.iter().for_each(|&pfn| self.word(pfn));
        }
        state.pageblocks.iter().for_each(|&migratetype| self.word(u64::from(migratetype)));
        let Counters { free, cma, boost, hatomic } = state.counters;
        [boost, hatomic, free, cma].into_iter().for_each(|word| self.word(word));
    }
}

/// As printed: eight hexadecimal digits.
impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", (self.0 ^ (self.0 >> 32)) & 0xffff_ffff)
    }
}
