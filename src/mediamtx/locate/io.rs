//! Looks for MediaMTX and asks it for its version.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{Binary, candidates, judge, missing};
use crate::error::{Error, Kind, Result};

/// A slow card may take seconds to load 40 MB for the first time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first binary of [`candidates`] that exists, if it will do.
///
/// A doubtful one ends the search: silently running another than the one in the first place would surprise.
pub async fn locate(configured: Option<&Path>) -> Result<Binary> {
    let exe = std::env::current_exe().ok();
    let exe_dir = exe.as_deref().and_then(Path::parent);
    let path = std::env::var_os("PATH");
    let tried = candidates(configured, exe_dir, path.as_deref());
    let Some(found) = tried.iter().find(|p| p.is_file()) else {
        return Err(missing(&tried));
    };
    let (binary, note) = judge(found, &version(found).await?)?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    Ok(binary)
}

async fn version(path: &PathBuf) -> Result<String> {
    let failed = |why: String| {
        Error::new(
            Kind::Config,
            format!("cannot ask {} for its version: {why}", path.display()),
        )
        .action("check that it is executable and made for this processor")
    };
    let asked = tokio::process::Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|e| failed(e.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
