//! Counting: this program once more, under valgrind.

use super::callgrind;
use super::cases::Case;
use super::command::CHILD;
use super::count::Count;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, io, process};

/// The C library chooses how to copy and fill by the CPU that it finds: here always the same way.
const SAME_EVERYWHERE: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX512VL,-ERMS");

/// Counts a case: the instructions of twice its rounds less those of its rounds. What comes before
/// the rounds (the program's start, boot, the warm-up) is the same in both, and so not in the
/// difference.
pub(crate) fn count(case: &Case) -> Result<Count, Box<dyn Error>> {
    let folder = Folder::new()?;
    let runs = [1_u64, 2].map(|times| Run::start(&folder.0, case, times));
    let [once, twice] = runs.map(|run| run.and_then(Run::finish));
    let extra = twice?.checked_sub(once?).ok_or("twice the work in fewer instructions")?;
    Count::new(extra, case.rounds * case.ops).ok_or_else(|| "a case without operations".into())
}

/// What the counts depend on beside the source: the compiler and what it compiles for.
pub(crate) fn compiler() -> Result<String, Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    Ok(format!("{}, {}-{}", version.trim(), env::consts::ARCH, env::consts::OS))
}

/// A folder for files of this process, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let name = format!("instructions-{}", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is a few kilobytes in the target directory.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// A run under callgrind.
struct Run {
    child: Child,
    file: PathBuf,
}

impl Run {
    fn start(folder: &Path, case: &Case, times: u64) -> Result<Self, Box<dyn Error>> {
        let file = folder.join(format!("callgrind-{times}"));
        let mut output = std::ffi::OsString::from("--callgrind-out-file=");
        output.push(&file);
        let mut command = Command::new("valgrind");
        // Nothing from the user's own settings of valgrind.
        command.args(["--command-line-only=yes", "--quiet", "--tool=callgrind"]).arg(output);
        command.arg(env::current_exe()?).args([CHILD, case.name, &times.to_string()]);
        command.env(SAME_EVERYWHERE.0, SAME_EVERYWHERE.1);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = child.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no valgrind here, which counts: install it".into(),
            _ => format!("valgrind: {error}"),
        })?;
        Ok(Self { child, file })
    }

    /// Waits for the end, and takes the number of instructions.
    fn finish(self) -> Result<u64, Box<dyn Error>> {
        let output = self.child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("valgrind: {}\n{said}", output.status).into());
        }
        let text = fs::read_to_string(&self.file)?;
        Ok(callgrind::instructions(&text).map_err(|what| format!("callgrind's file: {what}"))?)
    }
}
