//! Decides where MediaMTX may be and whether the one found will do.
//!
//! Built and tested with [`PINNED`]. Older than [`OLDEST`] is refused: the file of `settings.rs` holds keys that
//! older ones may not know, and MediaMTX refuses unknown keys. Newer ones of the same major version are
//! taken with a note.

pub mod io;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};

/// The version that `tools/mediamtx/build` makes.
pub const PINNED: Version = Version(1, 20, 1);

/// The oldest version taken.
pub const OLDEST: Version = Version(1, 20, 0);

/// Major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// From what `mediamtx --version` prints: `v1.20.1`, perhaps with something after a dash or plus.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix('v')?;
        let core = text.split(['-', '+']).next()?;
        let mut parts = core.split('.').map(|p| p.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

/// A binary that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Where it is.
    pub path: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// Where to look, in this order. A configured path is the only one.
///
/// `exe_dir` is the directory of our own executable; the places tried around it are where a package
/// and where `tools/mediamtx/build` put MediaMTX.
#[must_use]
pub fn candidates(
    configured: Option<&Path>,
    exe_dir: Option<&Path>,
    path_variable: Option<&OsStr>,
) -> Vec<PathBuf> {
    if let Some(path) = configured {
        return vec![path.to_owned()];
    }
    let beside = exe_dir.into_iter().flat_map(|dir| {
        [
            dir.join("mediamtx"),
            dir.join("../lib/camera-service/mediamtx"),
            dir.join("../mediamtx/mediamtx"),
        ]
    });
    let on_path = path_variable
        .into_iter()
        .flat_map(std::env::split_paths)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("mediamtx"));
    beside.chain(on_path).collect()
}

/// Whether a binary that answered `--version` with `said` will do, and what to say about it.
pub fn judge(path: &Path, said: &str) -> Result<(Binary, Option<String>), Error> {
    let shown = path.display();
    let Some(version) = Version::parse(said) else {
        let said: String = said.trim().chars().take(60).collect();
        return Err(wrong(format!(
            "{shown} is no MediaMTX: asked for its version it said {said:?}"
        )));
    };
    if version < OLDEST || version.0 != OLDEST.0 {
        return Err(wrong(format!(
            "{shown} is MediaMTX {version}, but {OLDEST} or a later v{}.x is needed",
            OLDEST.0
        )));
    }
    let note = ((version.0, version.1) != (PINNED.0, PINNED.1))
        .then(|| format!("{shown} is MediaMTX {version}; camera-service is tested with {PINNED}"));
    let path = path.to_owned();
    Ok((Binary { path, version }, note))
}

/// That none was found.
#[must_use]
pub fn missing(tried: &[PathBuf]) -> Error {
    let tried: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
    wrong(format!(
        "found no MediaMTX; looked for {}",
        tried.join(", ")
    ))
}

/// A failure of the installation, with the ways out of it.
fn wrong(what: String) -> Error {
    Error::new(Kind::Config, what).action(format!(
        "build {PINNED} with `make mediamtx`, or install the official release {PINNED}, or set mediamtx.binary to its path"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_with_and_without_a_suffix() {
        assert_eq!(Version::parse("v1.20.1\n"), Some(PINNED));
        assert_eq!(Version::parse("v1.21.0-rc1"), Some(Version(1, 21, 0)));
        for wrong in [
            "",
            "1.20.1",
            "v1.20",
            "v1.20.1.4",
            "v1.x.1",
            "mediamtx v1.20.1",
        ] {
            assert_eq!(Version::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_pinned_version_passes_silently_a_newer_minor_with_a_note() {
        let path = Path::new("/opt/mediamtx");
        assert_eq!(judge(path, "v1.20.1").unwrap().1, None);
        assert_eq!(judge(path, "v1.20.9").unwrap().1, None);
        let (binary, note) = judge(path, "v1.22.0").unwrap();
        assert_eq!(binary.version, Version(1, 22, 0));
        assert!(note.unwrap().contains("v1.20.1"));
    }

    #[test]
    fn an_older_one_another_major_and_another_program_are_refused_with_the_way_out() {
        for said in ["v1.19.3", "v0.23.8", "v2.0.0", "usage: something else"] {
            let error = judge(Path::new("/opt/mediamtx"), said).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().contains("/opt/mediamtx"), "{error}");
            assert!(
                error.next_action().unwrap().contains("make mediamtx"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_configured_path_is_the_only_one_looked_at() {
        let exe = Path::new("/usr/bin");
        let path = Some(OsStr::new("/usr/local/bin:relative:/bin"));
        assert_eq!(
            candidates(Some(Path::new("/opt/m")), Some(exe), path),
            [PathBuf::from("/opt/m")]
        );
        let found = candidates(None, Some(exe), path);
        assert_eq!(found.first(), Some(&PathBuf::from("/usr/bin/mediamtx")));
        assert!(found.contains(&PathBuf::from("/usr/local/bin/mediamtx")));
        assert!(!found.contains(&PathBuf::from("relative/mediamtx")));
    }
}
