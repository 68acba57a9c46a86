//! Checks that the quickstart may write into a folder: a new one, an empty one, or one that an
//! earlier quickstart created and nobody has added anything to.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::durable_file::write_whole;

/// Marks a folder as created by the quickstart.
const MARKER: &str = ".electra-quickstart";

const MARKER_TEXT: &str = "This folder was made by `electra quickstart` and may be removed.\n";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{}: holds files that the quickstart did not write; give a new folder with --output",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "{}: holds something other than the quickstart would write there, and would be replaced; \
         move it away, or give a new folder with --output",
        path.display()
    )]
    Replaces { path: PathBuf },
    #[error("{}: {source}; give another folder with --output", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A file that the quickstart writes.
pub struct OwnFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

/// Writes `files` below `folder`.
///
/// # Errors
/// If the folder holds other files, or different contents under these names. Then nothing is
/// changed.
pub fn lay_out(folder: &Path, files: &[OwnFile]) -> Result<(), Error> {
    let found = files
        .iter()
        .map(|file| {
            let content = fs::read(&file.path).map(Some);
            content.or_else(|error| missing(&file.path, error))
        })
        .collect::<Result<Vec<Option<Vec<u8>>>, Error>>()?;
    let marker = folder.join(MARKER);
    // Created before there were markers: all of its files exist as they would be written.
    let complete = found.iter().all(Option::is_some);
    if !complete && !marker.is_file() && !is_empty(folder)? {
        return Err(Error::Foreign {
            path: folder.to_owned(),
        });
    }
    for (file, found) in files.iter().zip(&found) {
        if found.as_ref().is_some_and(|found| *found != file.content) {
            return Err(Error::Replaces {
                path: file.path.clone(),
            });
        }
    }
    write(&marker, MARKER_TEXT.as_bytes())?;
    for (file, _) in files
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
    {
        write(&file.path, &file.content)?;
    }
    Ok(())
}

fn missing<T>(path: &Path, source: io::Error) -> Result<Option<T>, Error> {
    match source.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(Error::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Returns whether `folder` is empty or does not exist.
fn is_empty(folder: &Path) -> Result<bool, Error> {
    let entries = fs::read_dir(folder).map(Some);
    let entries = entries.or_else(|error| missing(folder, error))?;
    Ok(entries.is_none_or(|mut entries| entries.next().is_none()))
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    write_whole(path, |out| out.write_all(content)).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<OwnFile> {
        ["finetuning_data/squad/train.json", "models/m.zip"]
            .map(|name| OwnFile {
                path: folder.join(name),
                content: name.into(),
            })
            .into()
    }

    #[test]
    fn a_folder_of_its_own_is_written_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        for folder in [folder.path(), &new] {
            let files = files(folder);
            lay_out(folder, &files).unwrap();
            // What a run leaves beside them makes no difference.
            fs::write(folder.join("models/results.txt"), "").unwrap();
            fs::remove_file(&files[1].path).unwrap();
            lay_out(folder, &files).unwrap();
            assert!(files.iter().all(|file| file.path.is_file()));
        }
        // As created before there were markers.
        fs::remove_file(new.join(MARKER)).unwrap();
        lay_out(&new, &files(&new)).unwrap();
    }

    #[test]
    fn the_files_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let other = folder.path().join("mine.txt");
        fs::write(&other, "mine").unwrap();
        let refused = lay_out(folder.path(), &files).unwrap_err().to_string();
        assert!(
            refused.contains("did not write; give a new folder"),
            "{refused}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        // A file that somebody put in place of one of ours is not replaced either.
        fs::remove_file(&other).unwrap();
        lay_out(folder.path(), &files).unwrap();
        fs::write(&files[0].path, "mine").unwrap();
        let refused = lay_out(folder.path(), &files).unwrap_err().to_string();
        assert!(
            refused.contains("train.json: holds something other"),
            "{refused}"
        );
        assert_eq!(fs::read(&files[0].path).unwrap(), b"mine");
    }
}
