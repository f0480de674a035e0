//! A recorded trace: the page allocations and frees of a real machine, in time order.
//!
//! The file is gzip of a text header and of binary records, as `tests/data/traces/FORMAT.md` says.
//! A record is 8 bytes, little-endian: u32 allocation, u8 kind, u8 order, u8 CPU, u8 index of the
//! flags. Kind 0 allocates, kind 1 frees whole, kind 2 frees a part: 8 more bytes give the part's
//! first frame within the allocation (u32, the rest zero). Such a pair counts as one event.
//!
//! What `ripgrep-build.trace.gz` has of them, counted: 1,533,293 allocations (1,520,288 of order 0,
//! the largest of order 9), 1,466,707 whole frees, each with the order of its allocation, and
//! **no partial free**; 66,586 allocations (101,988 frames) are never freed. Nothing measured thus
//! tells how parts look. [`Trace::read`] takes what a buddy allocator can take: a part is aligned to
//! its order and lies within the allocation, no frame of it was freed before. A part may lie in the
//! middle, and a later part may cover what earlier ones would have split, so long as none of its
//! frames is gone. When the last frame goes, the allocation is gone, and a kind 1 for it is refused.
//!
//! A loaded trace keeps all of this: what replays it need not check again. It does not know an
//! allocation by its number in the file, but by a place: the number of one that is gone is taken
//! again, so a book of the live ones is small (209,325 frames of that trace are live at most).

use flate2::read::GzDecoder;
use page_alloc::Order;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// The first line of a trace.
const MAGIC: &str = "page-trace 1";

/// The longest line of a header, with room to spare.
const MOST_LINE_BYTES: u64 = 4096;

/// The most events that a trace may have: about 3 GB in memory.
const MOST_EVENTS: u64 = 1 << 28;

/// The most CPUs, and the most different sets of flags: a record has a byte for each.
const MOST_NAMED: usize = 256;

/// What happened. An allocation has its place, below [`Trace::places`], until its last frame is
/// freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next allocation.
    Alloc { place: u32, order: Order, cpu: u8, gfp: u8 },
    /// What is left of an allocation is freed.
    Free { place: u32, cpu: u8 },
    /// A block of an allocation is freed: of this order, at this frame of it.
    FreePart { place: u32, offset: u16, order: Order, cpu: u8 },
}

impl Event {
    /// The CPU of the trace on which it happened.
    #[inline]
    pub(crate) fn cpu(self) -> u8 {
        match self {
            Self::Alloc { cpu, .. } | Self::Free { cpu, .. } | Self::FreePart { cpu, .. } => cpu,
        }
    }
}

/// A trace whose records make sense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// The number of CPUs that it was recorded on.
    pub(crate) cpus: u32,
    /// The sets of flags, as the kernel prints them; events have the index.
    pub(crate) gfps: Vec<String>,
    /// The events, in time order.
    pub(crate) events: Vec<Event>,
    /// The most allocations that are live at once.
    pub(crate) places: u32,
}

/// Why a trace can't be used.
#[derive(Debug)]
pub(crate) enum TraceError {
    /// The file can't be read, or is no gzip.
    Io(io::Error),
    /// The first line is another one.
    NotATrace,
    /// A line of the header (from 1) says nothing that is known.
    Header(usize),
    /// The header does not say this.
    Missing(&'static str),
    /// More events than one can hold: their number.
    TooManyEvents(u64),
    /// The file ends within this event (from 0).
    Truncated(u64),
    /// There is more in the file after the last event.
    Trailing,
    /// An event (from 0) that can't be.
    Event(u64, Fault),
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No such kind of record.
    Kind(u8),
    /// No such order.
    Order(u8),
    /// No such CPU.
    Cpu(u8),
    /// No such set of flags.
    Gfp(u8),
    /// An allocation with another number than the next.
    OutOfTurn { id: u32, expected: u32 },
    /// A free of an allocation that was not made yet.
    NotMade(u32),
    /// A free of an allocation that is gone.
    Gone(u32),
    /// A whole free with another order than the allocation's.
    WrongOrder { id: u32, allocated: Order },
    /// A partial free that reaches out of the allocation.
    Outside(u32),
    /// A partial free that does not start at a multiple of its size.
    Misaligned(u32),
    /// A partial free of frames of which some are free already.
    PartGone(u32),
    /// Bytes that should be zero are not.
    NotZero,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotATrace => write!(f, "not a trace: its first line is not `{MAGIC}`"),
            Self::Header(line) => write!(f, "line {line} of the header is not understood"),
            Self::Missing(what) => write!(f, "the header has no line `{what}`"),
            Self::TooManyEvents(n) => write!(f, "{n} events are too many"),
            Self::Truncated(event) => write!(f, "cut off at event {event}"),
            Self::Trailing => f.write_str("more data after the last event"),
            Self::Event(event, fault) => write!(f, "event {event}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "there is no kind {kind}"),
            Self::Order(order) => write!(f, "there is no order {order}"),
            Self::Cpu(cpu) => write!(f, "there is no CPU {cpu}"),
            Self::Gfp(gfp) => write!(f, "the header has no flags {gfp}"),
            Self::OutOfTurn { id, expected } => {
                write!(f, "allocation {id} where {expected} is next")
            }
            Self::NotMade(id) => write!(f, "allocation {id} is freed before it is made"),
            Self::Gone(id) => write!(f, "allocation {id} is freed again"),
            Self::WrongOrder { id, allocated } => {
                write!(f, "allocation {id} has order {allocated}, its free another")
            }
            Self::Outside(id) => write!(f, "a part out of allocation {id} is freed"),
            Self::Misaligned(id) => write!(f, "a misaligned part of allocation {id} is freed"),
            Self::PartGone(id) => write!(f, "a part of allocation {id} is freed again"),
            Self::NotZero => f.write_str("bytes that should be zero are not"),
        }
    }
}

impl std::error::Error for TraceError {}

impl Trace {
    /// Reads a trace and checks every record.
    pub(crate) fn read(file: impl Read) -> Result<Self, TraceError> {
        let mut input = BufReader::new(GzDecoder::new(file));
        let (mut trace, nr_events) = read_header(&mut input)?;
        let mut checker = Checker::default();
        for event in 0..nr_events {
            let record = Record::read(&mut input).map_err(|error| cut_off(error, event))?;
            let fault = |fault| TraceError::Event(event, fault);
            record.check_names(&trace).map_err(fault)?;
            trace.events.push(checker.check(record).map_err(fault)?);
        }
        match input.fill_buf().map_err(TraceError::Io)? {
            [] => Ok(Self { places: checker.places, ..trace }),
            _ => Err(TraceError::Trailing),
        }
    }
}

/// An early end becomes an error that says where.
fn cut_off(error: io::Error, event: u64) -> TraceError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TraceError::Truncated(event),
        _ => TraceError::Io(error),
    }
}

/// A trace without events, and their number.
fn read_header(input: &mut impl BufRead) -> Result<(Trace, u64), TraceError> {
    let mut trace = Trace::default();
    let mut nr_events = None;
    if read_line(input)?.as_deref() != Some(MAGIC) {
        return Err(TraceError::NotATrace);
    }
    for number in 2.. {
        let line = read_line(input)?.ok_or(TraceError::Header(number))?;
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["events", n] => nr_events = n.parse().ok(),
            ["cpus", n] => trace.cpus = n.parse().unwrap_or_default(),
            ["gfp", index, flags] if is_next_gfp(&trace, index) => {
                trace.gfps.push(flags.to_owned());
            }
            ["end"] => break,
            _ => return Err(TraceError::Header(number)),
        }
    }
    if trace.cpus == 0 || trace.cpus as usize > MOST_NAMED {
        return Err(TraceError::Missing("cpus"));
    }
    match nr_events.ok_or(TraceError::Missing("events"))? {
        n if n > MOST_EVENTS => Err(TraceError::TooManyEvents(n)),
        n => Ok((trace, n)),
    }
}

fn is_next_gfp(trace: &Trace, index: &str) -> bool {
    index.parse() == Ok(trace.gfps.len()) && trace.gfps.len() < MOST_NAMED
}

/// A line without its end; `None` if it has none, is too long, or is no text.
fn read_line(input: &mut impl BufRead) -> Result<Option<String>, TraceError> {
    let mut bytes = Vec::new();
    match input.take(MOST_LINE_BYTES).read_until(b'\n', &mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result.map_err(TraceError::Io)?,
    };
    let line = String::from_utf8(bytes).ok();
    Ok(line.and_then(|line| line.strip_suffix('\n').map(str::to_owned)))
}

/// A record as it stands in the file.
#[derive(Clone, Copy)]
struct Record {
    id: u32,
    kind: u8,
    order: u8,
    cpu: u8,
    gfp: u8,
    /// The second half, in a record of kind 2.
    tail: (u32, u32),
}

impl Record {
    fn read(input: &mut impl Read) -> io::Result<Self> {
        let (id, rest) = read_pair(input)?;
        let [kind, order, cpu, gfp] = rest.to_le_bytes();
        let tail = if kind == 2 { read_pair(input)? } else { (0, 0) };
        Ok(Self { id, kind, order, cpu, gfp, tail })
    }

    /// Whether the CPU and the flags are those of the header.
    fn check_names(&self, trace: &Trace) -> Result<(), Fault> {
        if u32::from(self.cpu) >= trace.cpus {
            return Err(Fault::Cpu(self.cpu));
        }
        if self.kind == 0 && usize::from(self.gfp) >= trace.gfps.len() {
            return Err(Fault::Gfp(self.gfp));
        }
        Ok(())
    }
}

/// Two little-endian words.
fn read_pair(input: &mut impl Read) -> io::Result<(u32, u32)> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    let [a, b, c, d, e, f, g, h] = bytes;
    Ok((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])))
}

/// What is known of an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a place.
    Whole(u32, Order),
    /// At a place, and some frames are gone; [`Checker::gone`] says which.
    Parts(u32, Order),
    Gone,
}

/// One bit for each frame of the largest block.
type FrameBits = [u64; 1 << (Order::MAX as u32 - 6)];

/// Follows the allocations, and refuses records that can't be.
#[derive(Default)]
struct Checker {
    states: Vec<State>,
    /// Places that were taken.
    places: u32,
    /// Those of them that are free again, the last one on top.
    free_places: Vec<u32>,
    /// The freed frames of the allocations that are [`State::Parts`].
    gone: BTreeMap<u32, FrameBits>,
}

impl Checker {
    fn check(&mut self, record: Record) -> Result<Event, Fault> {
        let order = Order::new(u32::from(record.order)).ok_or(Fault::Order(record.order))?;
        match record.kind {
            0 => self.alloc(&record, order),
            1 => self.free(&record, order),
            2 => self.free_part(&record, order),
            kind => Err(Fault::Kind(kind)),
        }
    }

    fn alloc(&mut self, record: &Record, order: Order) -> Result<Event, Fault> {
        let expected = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        if record.id != expected {
            return Err(Fault::OutOfTurn { id: record.id, expected });
        }
        let place = self.free_places.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        });
        self.states.push(State::Whole(place, order));
        Ok(Event::Alloc { place, order, cpu: record.cpu, gfp: record.gfp })
    }

    /// The place and the order of an allocation that has frames left, and whether all are.
    fn live(&self, id: u32) -> Result<(u32, Order, bool), Fault> {
        match self.states.get(id as usize) {
            None => Err(Fault::NotMade(id)),
            Some(State::Gone) => Err(Fault::Gone(id)),
            Some(State::Whole(place, order)) => Ok((*place, *order, true)),
            Some(State::Parts(place, order)) => Ok((*place, *order, false)),
        }
    }

    /// An allocation's last frame is gone.
    fn end(&mut self, id: u32, place: u32) {
        self.states[id as usize] = State::Gone;
        self.gone.remove(&id);
        self.free_places.push(place);
    }

    fn free(&mut self, record: &Record, order: Order) -> Result<Event, Fault> {
        let id = record.id;
        let (place, allocated, whole) = self.live(id)?;
        if whole && allocated != order {
            return Err(Fault::WrongOrder { id, allocated });
        }
        self.end(id, place);
        Ok(Event::Free { place, cpu: record.cpu })
    }

    fn free_part(&mut self, record: &Record, order: Order) -> Result<Event, Fault> {
        let Record { id, tail: (first, zero), .. } = *record;
        let (place, allocated, _) = self.live(id)?;
        let end = u64::from(first) + order.nr_pages();
        let offset = u16::try_from(first).map_err(|_| Fault::Outside(id))?;
        if end > allocated.nr_pages() {
            return Err(Fault::Outside(id));
        }
        if !u64::from(first).is_multiple_of(order.nr_pages()) {
            return Err(Fault::Misaligned(id));
        }
        if zero != 0 {
            return Err(Fault::NotZero);
        }
        if self.take_frames(id, u64::from(first)..end)? == allocated.nr_pages() {
            self.end(id, place);
        } else {
            self.states[id as usize] = State::Parts(place, allocated);
        }
        Ok(Event::FreePart { place, offset, order, cpu: record.cpu })
    }

    /// Marks frames of an allocation as freed; tells how many are by now.
    fn take_frames(&mut self, id: u32, frames: std::ops::Range<u64>) -> Result<u64, Fault> {
        let bits = self.gone.entry(id).or_default();
        for frame in frames {
            let word = &mut bits[(frame / 64) as usize];
            if *word >> (frame % 64) & 1 != 0 {
                return Err(Fault::PartGone(id));
            }
            *word |= 1 << (frame % 64);
        }
        Ok(bits.iter().map(|word| u64::from(word.count_ones())).sum())
    }
}
