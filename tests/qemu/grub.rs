//! Discs from which GRUB boots the kernel.

use crate::machine::{is_there, kernel};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The parts of GRUB for each firmware, and where they are installed.
pub const SEABIOS: &str = "/usr/lib/grub/i386-pc";
pub const OVMF: &str = "/usr/lib/grub/x86_64-efi";

/// What GRUB is to do.
const CONFIGURATION: &str = "\
set timeout=0
insmod all_video
menuentry kernel {
    multiboot2 /boot/kernel
    boot
}
";

/// A disc that boots the kernel, for a firmware. `None`, and a word about it: something is not
/// installed.
pub fn image(name: &str, parts: &str) -> Option<PathBuf> {
    let missing = ["grub-mkrescue", "xorriso", "mformat"].into_iter().find(|tool| !is_there(tool));
    if let Some(missing) = missing.or((!Path::new(parts).is_dir()).then_some(parts)) {
        println!("skipped: there is no {missing} here");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("grub-{name}"));
    let root = folder.join("root");
    fs::create_dir_all(root.join("boot/grub")).expect("a folder");
    fs::copy(kernel(), root.join("boot/kernel")).expect("a kernel");
    fs::write(root.join("boot/grub/grub.cfg"), CONFIGURATION).expect("a file");
    let image = folder.join("disc.iso");
    let made = Command::new("grub-mkrescue")
        .args(["-d", parts, "-o"])
        .args([&image, &root])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("grub-mkrescue starts").success(), "a disc is made");
    Some(image)
}

/// The firmware OVMF. `None`, and a word about it: it is not installed.
pub fn ovmf() -> Option<PathBuf> {
    let places = ["/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"];
    let found = places.into_iter().map(PathBuf::from).find(|place| place.is_file());
    if found.is_none() {
        println!("skipped: there is no OVMF here");
    }
    found
}
