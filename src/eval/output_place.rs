//! Whether a file can be written, asked before what it is to hold is computed for hours.

use std::{io, path::Path};

use super::error::Error;
use crate::durable_file::{folder_of, try_folder};

/// Makes the folders that lead to `path`, and tries whether a file can be made there. What stands
/// at `path` itself stays as it is.
///
/// # Errors
/// When a folder cannot be made or written, or when a folder stands in the file's place.
pub fn check(path: &Path) -> Result<(), Error> {
    probe(path).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// As [`check`], for whoever says in other words what is wrong.
///
/// # Errors
/// As [`check`]; `IsADirectory` when a folder stands at `path`.
pub fn probe(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // A device or a pipe is written into; nothing is made beside it.
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
