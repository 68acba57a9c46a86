//! Protects inputs: a command never overwrites what it reads.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns whether both paths lead to the same file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::metadata(one), fs::metadata(other)) else {
        return false;
    };
    if !a.is_file() || !b.is_file() {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }
    #[cfg(not(unix))]
    {
        matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(a), Ok(b)) if a == b)
    }
}

/// An output path that would overwrite one of the command's inputs.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: is an input of this command too, and would be replaced; choose another output",
    path.display()
)]
pub struct ReplacesInput {
    path: PathBuf,
}

/// Rejects an output that is one of the inputs.
///
/// # Errors
/// If it is, under whatever name.
pub fn spare_inputs<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), ReplacesInput> {
    match inputs.into_iter().any(|input| is_same_file(output, input)) {
        true => Err(ReplacesInput {
            path: output.to_owned(),
        }),
        false => Ok(()),
    }
}
