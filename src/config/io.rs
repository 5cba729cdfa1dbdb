//! Reads the configuration file and the environment.

use std::path::Path;

use super::Config;
use super::load::{Mistake, load};
use crate::error::{Error, Kind, Result};

/// Bytes of a configuration file; ours with every key and comment is below 5 KiB.
const LONGEST: u64 = 1 << 20;

/// A whole file; pipes and devices might never end.
fn read_regular(path: &Path) -> std::io::Result<String> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if meta.len() > LONGEST {
        return Err(std::io::Error::other(format!(
            "it is longer than {LONGEST} bytes"
        )));
    }
    std::fs::read_to_string(path)
}

/// Loads `file` (if any) and the environment over `base`.
///
/// # Errors
/// `Config`, with every mistake on its own line.
pub fn read(base: Config, file: Option<&Path>) -> Result<Config> {
    let name = file.map(|f| f.display().to_string()).unwrap_or_default();
    let text = match file {
        Some(path) => Some(read_regular(path).map_err(|e| {
            Error::new(Kind::Config, format!("cannot read configuration {name}"))
                .because(e)
                .action("give an existing file with --config")
        })?),
        None => None,
    };
    let file = text.as_deref().map(|text| (name.as_str(), text));
    let variables = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    load(base, file, variables).map_err(|mistakes| {
        let lines: Vec<String> = mistakes
            .iter()
            .map(|Mistake { place, what }| format!("  {place}: {what}"))
            .collect();
        Error::new(
            Kind::Config,
            format!(
                "the configuration has {} mistake(s)\n{}",
                lines.len(),
                lines.join("\n")
            ),
        )
    })
}
