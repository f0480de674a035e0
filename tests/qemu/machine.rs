//! A machine in QEMU.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

const QEMU: &str = "qemu-system-x86_64";

/// A machine that has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(280);

/// How a machine ended.
pub struct Ended {
    /// `None`: it was ended, as it had lost its way.
    pub status: Option<i32>,
    /// What came out of its serial port.
    pub output: String,
}

/// A node, of memory or CPUs or both.
pub struct Node {
    pub mib: u64,
    pub cpus: Range<u32>,
}

/// What a machine is made of.
pub struct Machine {
    pub cpus: u32,
    /// MiB of memory without nodes.
    pub mib: u64,
    pub nodes: Vec<Node>,
    /// By the machine's own numbers; empty: nothing is said.
    pub distances: Vec<Vec<u8>>,
    line: Option<String>,
    disc: Option<PathBuf>,
    firmware: Option<PathBuf>,
}

impl Machine {
    pub fn new(cpus: u32) -> Self {
        let (mib, nodes, distances) = (0, Vec::new(), Vec::new());
        let (line, disc, firmware) = (None, None, None);
        Self { cpus, mib, nodes, distances, line, disc, firmware }
    }

    /// MiB of memory without nodes.
    pub fn memory(mut self, mib: u64) -> Self {
        self.mib = mib;
        self
    }

    /// One more node, with so many MiB and those processors. Its memory is above that of the nodes
    /// before it.
    pub fn node(mut self, mib: u64, cpus: Range<u32>) -> Self {
        self.nodes.push(Node { mib, cpus });
        self
    }

    /// How far each node is from each: a row for each node.
    pub fn distances<const N: usize>(mut self, rows: [[u8; N]; N]) -> Self {
        self.distances = rows.map(Vec::from).into();
        self
    }

    /// The kernel's command line.
    pub fn append(mut self, line: &str) -> Self {
        self.line = Some(line.to_owned());
        self
    }

    /// Boots from a disc.
    pub fn disc(mut self, image: &Path) -> Self {
        self.disc = Some(image.to_owned());
        self
    }

    /// Boots by that firmware.
    pub fn firmware(mut self, image: &Path) -> Self {
        self.firmware = Some(image.to_owned());
        self
    }

    /// Runs the kernel on it. `None`, and a word about it: there is no QEMU.
    pub fn run(&self) -> Option<Ended> {
        if !is_there(QEMU) {
            println!("skipped: there is no {QEMU} here");
            return None;
        }
        let mut child = self.command().spawn().expect("QEMU starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("a pipe");
            String::from_utf8_lossy(&bytes).replace('\r', "")
        });
        let start = Instant::now();
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break status.code(),
                None if start.elapsed() > PATIENCE => {
                    child.kill().expect("a child");
                    child.wait().expect("a child");
                    break None;
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        Some(Ended { status, output: reader.join().expect("the reader") })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(QEMU);
        let fixed = "-accel tcg -cpu max -machine q35 -display none -no-reboot -serial stdio -monitor none \
                     -device isa-debug-exit,iobase=0xf4,iosize=4";
        command.args(fixed.split_whitespace()).args(["-smp", &self.cpus.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mib = self.mib + self.nodes.iter().map(|node| node.mib).sum::<u64>();
        command.args(["-m", &format!("{mib}M")]);
        for (number, node) in self.nodes.iter().enumerate() {
            node.add_to(&mut command, number);
        }
        for (from, row) in self.distances.iter().enumerate() {
            for (to, distance) in row.iter().enumerate().filter(|(to, _)| *to != from) {
                command.args(["-numa", &format!("dist,src={from},dst={to},val={distance}")]);
            }
        }
        if let Some(firmware) = &self.firmware {
            command.arg("-bios").arg(firmware);
        }
        match &self.disc {
            Some(image) => command.arg("-cdrom").arg(image),
            None => command.arg("-kernel").arg(kernel()),
        };
        if let Some(line) = &self.line {
            command.args(["-append", line]);
        }
        command
    }
}

impl Node {
    fn add_to(&self, command: &mut Command, number: usize) {
        let mut node = format!("node,nodeid={number}");
        if self.mib > 0 {
            let backend = format!("memory-backend-ram,id=m{number},size={}M", self.mib);
            command.args(["-object", &backend]);
            node += &format!(",memdev=m{number}");
        }
        if !self.cpus.is_empty() {
            node += &format!(",cpus={}-{}", self.cpus.start, self.cpus.end - 1);
        }
        command.args(["-numa", &node]);
    }
}

/// Whether there is a program of that name.
pub fn is_there(program: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// The kernel, which is built when it is asked for first.
pub fn kernel() -> &'static Path {
    static KERNEL: OnceLock<PathBuf> = OnceLock::new();
    KERNEL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kernel");
        let target = folder.join("target");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(&target)
            .current_dir(&folder)
            .status();
        assert!(built.expect("cargo starts").success(), "the kernel is built");
        target.join("release/kernel")
    })
}
