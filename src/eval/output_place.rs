//! Checks that a file can be written before its content is computed for hours.

use std::{io, path::Path};

use super::error::Error;
use crate::durable_file::{folder_of, try_folder};

/// Creates the folders leading to `path`, and tests whether a file can be created there. Anything
/// at `path` itself is left untouched.
///
/// # Errors
/// If a folder cannot be created or written, or if a folder is in the file's place.
pub fn check(path: &Path) -> Result<(), Error> {
    probe(path).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Same as [`check`], for callers that word the error themselves.
///
/// # Errors
/// As for [`check`]; `IsADirectory` if there is a folder at `path`.
pub fn probe(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A device or a pipe is written to directly; no file is created beside it.
        Ok(there) if !there.is_file() => Ok(()),
        _ => try_folder(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/preds.json");
        check(&path).unwrap();
        let made = path.parent().unwrap();
        assert_eq!(std::fs::read_dir(made).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::fs::create_dir(folder.path().join("preds.json")).unwrap();
        for name in ["file/preds.json", "preds.json"] {
            let message = check(&folder.path().join(name)).unwrap_err().to_string();
            assert!(
                message.contains("preds.json: the file cannot be written"),
                "{message}"
            );
        }
    }
}
