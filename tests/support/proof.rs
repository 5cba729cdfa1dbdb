//! Whether the tests that a document names are there.

use std::fs;
use std::path::Path;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a test of that name stands in that file: `file::name`.
pub(crate) fn stands(proof: &str) -> bool {
    let (file, name) = proof.split_once("::").unwrap();
    let text = fs::read_to_string(root().join(file)).unwrap_or_default();
    if Path::new(file).extension().is_some_and(|e| e == "rs") {
        text.contains(&format!("fn {name}("))
    } else {
        text.contains(name)
    }
}
