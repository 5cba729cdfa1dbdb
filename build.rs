//! Embeds the built web page: every file under `web/dist` becomes a row of `ASSETS`.
//!
//! Without that folder the table is empty and the program says so when the page is asked for.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("web/dist");
    println!("cargo:rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.is_dir() {
        println!("cargo:rerun-if-changed=web/dist");
        collect(&dist, &mut files)?;
        files.sort();
    } else if root.join("web").is_dir() {
        // Watching what is not there would rebuild every time; watching its parent notices its birth.
        println!("cargo:rerun-if-changed=web");
    }
    let mut table = String::from("/// Every file of the page.\npub const ASSETS: &[Asset] = &[\n");
    for file in files {
        let bytes = fs::read(&file)?;
        let name = file
            .strip_prefix(&dist)
            .map_err(io::Error::other)?
            .to_string_lossy()
            .replace('\\', "/");
        writeln!(
            table,
            "    Asset {{ path: {name:?}, etag: \"\\\"{:016x}\\\"\", bytes: include_bytes!({file:?}) }},",
            fnv1a(&bytes)
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("assets.rs"), table)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if !path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a, 64 bits: enough to tell one build's file from the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
