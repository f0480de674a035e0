//! Links the kernel as a static image at 1 MiB, with nothing of the host's in it.

use std::env;
use std::path::PathBuf;

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo says so"));
    let script = root.join("kernel.ld");
    let script = format!("-Wl,-T,{}", script.display());
    let flags = [
        "-nostartfiles",
        "-nodefaultlibs",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=4096",
        "-Wl,--gc-sections",
        &script,
    ];
    flags.iter().for_each(|flag| println!("cargo::rustc-link-arg-bins={flag}"));
    println!("cargo::rerun-if-changed=kernel.ld");
}
