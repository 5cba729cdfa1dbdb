//! Embeds the built web page: every file under `web/dist` becomes a row of `ASSETS`.
//!
//! Without that folder the table is empty and the program says so when the page is asked for.
//! Also tells the program its compiler and its date, which is that of the sources: the same sources
//! give the same program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("web/dist");
    println!("cargo:rerun-if-changed=build.rs");
    // Of the C++ library openh264 needs hardly more than the allocation: linked into the program it takes 80 kB, and an image needs
    // no libstdc++. The crate itself would link the shared one: see .cargo/config.toml. What the C++ library needs of the C library
    // has to be looked for behind it.
    println!("cargo:rustc-link-arg=-Wl,--push-state,-Bstatic,-lstdc++,--pop-state,-lc");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        order_functions(&root)?;
    }
    println!("cargo:rustc-env=BUILD_DATE={}", build_date(&root));
    println!("cargo:rustc-env=BUILD_RUSTC={}", compiler());
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

/// Functions that run lie side by side, in front of those that seldom do: a process maps less code. What runs was watched, see
/// tools/order/update. GNU ld and lld both take such a script beside their own; names that nothing has are passed over.
fn order_functions(root: &Path) -> io::Result<()> {
    let list = root.join("tools/order/functions.txt");
    println!("cargo:rerun-if-changed={}", list.display());
    let mut script = String::from("SECTIONS\n{\n  .text.first :\n  {\n");
    for name in fs::read_to_string(&list)?.lines() {
        // The compiler names the section after the function, and puts what it takes for rare into another.
        writeln!(script, "    *(.text.{name} .text.unlikely.{name})").map_err(io::Error::other)?;
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    let path = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("order.ld");
    fs::write(&path, script)?;
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", path.display());
    Ok(())
}

/// The compiler, as in `rustc 1.88.0`.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = output(Command::new(rustc).arg("--version")).unwrap_or_default();
    told.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// When the sources were last changed: `SOURCE_DATE_EPOCH` (reproducible-builds.org), else the commit.
fn build_date(root: &Path) -> String {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root).args(arguments));
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        let log = root.join(log);
        if log.exists() {
            println!("cargo:rerun-if-changed={}", log.display());
        }
    }
    let seconds = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .or_else(|| git(&["log", "-1", "--format=%ct"]))
        .and_then(|text| text.trim().parse::<i64>().ok());
    seconds.map_or_else(|| "unknown".to_owned(), date)
}

/// RFC 3339 in UTC. The calendar: Howard Hinnant's `civil_from_days`.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn output(command: &mut Command) -> Option<String> {
    let done = command.output().ok().filter(|done| done.status.success())?;
    let text = String::from_utf8(done.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
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
