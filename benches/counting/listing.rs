//! The machine code of the hit paths, each instruction below the line of source that it is for.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};
use std::{env, fs, io};

/// The functions that serve a request from, and take a free to, the lists of the running CPU: they call
/// nothing.
const HIT_PATHS: [&str; 2] = ["quick_page", "quick_free_page"];

/// The file whose lines head the groups.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/alloc/quick.rs");

/// The hit paths, as text for people.
pub(crate) fn listing() -> Result<String, Box<dyn Error>> {
    let source = fs::read_to_string(SOURCE)?;
    let lines: Vec<_> = source.lines().collect();
    let mut text = String::new();
    for path in HIT_PATHS {
        let code = disassemble(path)?;
        let places = places(&code)?;
        let heading = |line: usize| lines.get(line - 1).map_or("", |line| line.trim());
        writeln!(text, "## `{path}`: {} instructions\n\n```text", code.len())?;
        for (line, count) in tally(&places) {
            writeln!(text, "{count:4}  {}", heading(line))?;
        }
        writeln!(text, "```\n\n```text")?;
        let mut last = None;
        for (at, (instruction, line)) in code.iter().zip(places).enumerate() {
            if line != last {
                writeln!(text, "{}", line.map_or("", heading))?;
                last = line;
            }
            writeln!(text, "    {at:3}  {}", instruction.within(&code))?;
        }
        writeln!(text, "```\n")?;
    }
    Ok(text)
}

/// How many instructions there are for each line.
fn tally(places: &[Option<usize>]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for line in places.iter().flatten() {
        *counts.entry(*line).or_default() += 1;
    }
    counts
}

/// What leaves a hit path: calls, and jumps to other functions.
pub(crate) fn exits() -> Result<Vec<String>, Box<dyn Error>> {
    let mut exits = Vec::new();
    for path in HIT_PATHS {
        let code = disassemble(path)?;
        let inside = |address: u64| code.iter().any(|other| other.address == address);
        let leaving = code.iter().filter(|instruction| match instruction.target() {
            Some(address) => !inside(address),
            None => instruction.text.starts_with("call"),
        });
        exits.extend(leaving.map(|instruction| format!("{path}: {}", instruction.text)));
    }
    Ok(exits)
}

/// One instruction.
struct Instruction {
    address: u64,
    text: String,
}

impl Instruction {
    /// Where it may go on instead of at the next one.
    fn target(&self) -> Option<u64> {
        let (name, operand) = self.text.split_once(' ')?;
        let goes = name.starts_with('j') || name == "call";
        if goes { u64::from_str_radix(operand, 16).ok() } else { None }
    }

    /// Its text; where it goes to one of these, that one's number stands for the address, which is another in
    /// each program.
    fn within(&self, code: &[Self]) -> String {
        let target = self.target();
        let at = code.iter().position(|other| Some(other.address) == target);
        match (at, self.text.split_once(' ')) {
            (Some(at), Some((name, _))) => format!("{name} {at}"),
            _ => self.text.clone(),
        }
    }
}

/// The instructions of a function of this program.
fn disassemble(function: &str) -> Result<Vec<Instruction>, Box<dyn Error>> {
    let symbol = symbol(function)?;
    let mut command = Command::new("objdump");
    command.args(["-M", "intel", "--no-show-raw-insn", &format!("--disassemble={symbol}")]);
    let output = run(command.arg(env::current_exe()?).stdin(Stdio::null()))?;
    let instruction = |line: &str| {
        let (address, text) = line.trim().split_once(':')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        // What stands in angle brackets is the symbol of a target.
        let text = text.split('<').next()?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(Instruction { address, text })
    };
    let code: Vec<_> = output.lines().filter_map(instruction).collect();
    if code.is_empty() { Err(format!("no code of {function}").into()) } else { Ok(code) }
}

/// The symbol of a function whose name is this.
fn symbol(function: &str) -> Result<String, Box<dyn Error>> {
    let output = run(Command::new("nm").arg(env::current_exe()?))?;
    // A mangled name has its parts with their lengths before them.
    let part = format!("{}{function}17h", function.len());
    let mut symbols = output.lines().filter_map(|line| line.split(' ').next_back());
    let found = symbols.find(|symbol| symbol.contains(&part));
    Ok(found.ok_or_else(|| format!("no function {function}: is it inlined?"))?.to_owned())
}

/// For each instruction the line of the source that it is for, in the innermost function there.
fn places(code: &[Instruction]) -> Result<Vec<Option<usize>>, Box<dyn Error>> {
    let mut command = Command::new("addr2line");
    command.args(["-i", "-a", "-s", "-e"]).arg(env::current_exe()?);
    command.args(code.iter().map(|instruction| format!("{:x}", instruction.address)));
    let output = run(&mut command)?;
    let mut places: Vec<Option<usize>> = Vec::new();
    for line in output.lines() {
        if line.starts_with("0x") {
            places.push(None);
        } else if let (Some(place @ None), Some(number)) = (places.last_mut(), number(line)) {
            *place = Some(number);
        }
    }
    if places.len() != code.len() {
        return Err("addr2line left some out".into());
    }
    // What has no line of its own belongs to what comes before it.
    let mut last = None;
    Ok(places.into_iter().map(|line| (line.is_some().then(|| last = line), last).1).collect())
}

/// The number of a line of the source.
fn number(place: &str) -> Option<usize> {
    let (file, line) = place.split_once(':')?;
    let digits = line.split(' ').next()?;
    if SOURCE.ends_with(&format!("/{file}")) { digits.parse().ok() } else { None }
}

fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, .. } = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {name} here: install binutils"),
        _ => format!("{name}: {error}"),
    })?;
    if !status.success() {
        return Err(format!("{name}: {status}").into());
    }
    Ok(String::from_utf8(stdout)?)
}
