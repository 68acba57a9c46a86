//! Paths of the reference's files: those in the repository, and the whole reference if available.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// Returns a file or folder of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Returns the vocabulary of both tiny models.
pub fn tiny_vocabulary() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/quickstart/vocab.txt")
}

/// Returns a file or folder of the whole reference, which ELECTRA_SHARED names or which is in a
/// folder `shared` beside the repository; prints a message if it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ELECTRA_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is absent (ELECTRA_SHARED names its folder)",
        path.display()
    );
    None
}
