//! A machine in QEMU.

use std::io::Read;
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

/// What a machine is made of.
pub struct Machine {
    cpus: u32,
    memory: Option<String>,
    nodes: Vec<(Option<String>, Option<String>)>,
    line: Option<String>,
    disc: Option<PathBuf>,
    firmware: Option<PathBuf>,
}

impl Machine {
    pub fn new(cpus: u32) -> Self {
        let (memory, nodes, line, disc, firmware) = (None, Vec::new(), None, None, None);
        Self { cpus, memory, nodes, line, disc, firmware }
    }

    /// Memory without nodes.
    pub fn memory(mut self, size: &str) -> Self {
        self.memory = Some(size.to_owned());
        self
    }

    /// One more node, with memory of that size and the processors of that range.
    pub fn node(mut self, memory: Option<&str>, cpus: Option<&str>) -> Self {
        self.nodes.push((memory.map(str::to_owned), cpus.map(str::to_owned)));
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
        let size = self.memory.clone().unwrap_or_else(|| {
            let sizes = self.nodes.iter().filter_map(|(memory, _)| memory.as_deref());
            let sizes = sizes.map(|size| size.trim_end_matches('M').parse::<u64>().expect("MiB"));
            format!("{}M", sizes.sum::<u64>())
        });
        command.args(["-m", &size]);
        for (number, (memory, cpus)) in self.nodes.iter().enumerate() {
            let mut node = format!("node,nodeid={number}");
            if let Some(memory) = memory {
                let backend = format!("memory-backend-ram,id=m{number},size={memory}");
                command.args(["-object", &backend]);
                node += &format!(",memdev=m{number}");
            }
            if let Some(cpus) = cpus {
                node += &format!(",cpus={cpus}");
            }
            command.args(["-numa", &node]);
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
