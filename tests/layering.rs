//! I/O is the exception and it has a name; unsafe code has one door.
#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::{Path, PathBuf};

/// Words that only a shell may say.
const OUTSIDE: &[&str] = &[
    "tokio::",
    "hyper::",
    "nix::",
    "v4l::",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::thread",
    "crate::sys",
    ".await",
    "Instant::now",
    "SystemTime::now",
];

/// Files that do; all others decide.
const SHELLS: &[&str] = &[
    "io.rs",
    "app.rs",
    "cli.rs",
    "clock.rs",
    "durable.rs",
    "supervise.rs",
    "main.rs",
    "lib.rs",
];

/// Lines a file may have outside its tests.
const LONGEST: usize = 600;

fn is_shell(path: &Path) -> bool {
    path.starts_with("src/sys") || SHELLS.iter().any(|name| path.ends_with(name))
}

/// Whether the word stands there, and not only the beginning of a longer one.
fn says(code: &str, word: &str) -> bool {
    let longer =
        |c: char| word.ends_with(char::is_alphanumeric) && (c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| !code[at + word.len()..].starts_with(longer))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file: comments and its test module removed. A file that is a test module has none.
fn code(path: &Path) -> String {
    if path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests") {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .map(|l| l.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn only_shells_touch_the_outside_world() {
    let offences: Vec<String> = rust_files(Path::new("src"))
        .iter()
        .filter(|p| !is_shell(p))
        .flat_map(|p| {
            let code = code(p);
            OUTSIDE
                .iter()
                .filter(|w| says(&code, w))
                .map(|w| format!("{}: `{w}`", p.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn unsafe_has_one_door() {
    let doors: Vec<_> = rust_files(Path::new("src"))
        .into_iter()
        .filter(|p| code(p).contains("unsafe_code"))
        .collect();
    assert_eq!(doors, [PathBuf::from("src/lib.rs")]);
}

#[test]
fn concerns_do_not_reach_into_each_others_shells() {
    let offences: Vec<String> = rust_files(Path::new("src"))
        .iter()
        .filter(|p| {
            !["src/app.rs", "src/cli.rs", "src/main.rs"]
                .iter()
                .any(|a| p.ends_with(a))
        })
        .filter(|p| {
            !p.starts_with("src/cli") && !p.starts_with("src/pipeline") && !p.starts_with("src/app")
        })
        .flat_map(|p| {
            let own = p
                .components()
                .nth(1)
                .unwrap()
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            code(p)
                .lines()
                .filter(|l| l.contains("crate::") && l.contains("::io::"))
                .filter(|l| !l.contains(&format!("crate::{own}::")))
                .map(|l| format!("{}: {}", p.display(), l.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn no_file_outgrows_a_sitting() {
    let offences: Vec<String> = rust_files(Path::new("src"))
        .iter()
        .map(|p| (p, code(p).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(p, lines)| format!("{}: {lines} lines", p.display()))
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}
