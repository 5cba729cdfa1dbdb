//! What a foreign reader says of a file.

use std::path::Path;
use std::process::Command;

/// How long ffprobe says a file plays.
pub(crate) fn probed(path: &Path) -> f64 {
    let out = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    said.trim().parse().unwrap_or_else(|_| {
        panic!(
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&out.stderr)
        )
    })
}
