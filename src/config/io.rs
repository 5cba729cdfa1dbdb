//! Reads the configuration file and the environment.

use std::path::Path;

use super::load::{Mistake, load};
use super::{Config, Source};
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

impl Source {
    /// The file's bytes; empty where there is none or it cannot be read. To tell whether it changed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let text = self.file.as_deref().map(read_regular);
        text.and_then(std::io::Result::ok)
            .unwrap_or_default()
            .into_bytes()
    }

    /// Loads the file (if any) and the environment over the base.
    ///
    /// # Errors
    /// Every mistake; a file that cannot be read is one.
    pub fn load(&self) -> std::result::Result<Config, Vec<Mistake>> {
        let name = self.file.as_ref().map(|f| f.display().to_string());
        let name = name.unwrap_or_default();
        let text = match &self.file {
            Some(path) => Some(read_regular(path).map_err(|e| {
                vec![Mistake {
                    place: name.clone(),
                    what: format!("cannot be read: {e}"),
                }]
            })?),
            None => None,
        };
        let file = text.as_deref().map(|text| (name.as_str(), text));
        let variables = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        load(self.base.clone(), file, variables)
    }

    /// The same, for a service that starts.
    ///
    /// # Errors
    /// `Config`, with every mistake on its own line.
    pub fn read(&self) -> Result<Config> {
        self.load().map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
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
}

/// Loads `file` (if any) and the environment over `base`.
///
/// # Errors
/// `Config`, with every mistake on its own line.
pub fn read(base: Config, file: Option<&Path>) -> Result<Config> {
    let file = file.map(Path::to_owned);
    Source { base, file }.read()
}
