//! Locates a checkpoint's files in a zip archive, in a folder or by a checkpoint prefix, and opens
//! them as streams. The prefix is looked up in the text file `checkpoint`, as TensorFlow's
//! `latest_checkpoint` does, but a folder that was moved or renamed still works.

mod archive;
mod error;
mod find;
mod state;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bundle::{MAX_INDEX_BYTES, shard_file_name};
use crate::hugging_face::Beside;
use crate::plain_file;
use crate::record_files::RECORD_FILE;
use archive::Archive;
pub use error::Error;
pub(crate) use find::holds_index;
use find::{choose, find_in_folder, folder_names, named_by, names_checkpoint, prefix_of};
use state::MAX_STATE_BYTES;

/// An opened checkpoint, of which only the location is known so far.
pub struct Source {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// Name of the checkpoint inside its folder, e.g. `electra_large` or `model.ckpt-8000`.
    pub prefix: String,
    /// The assumptions that were made to find it.
    pub warnings: Vec<String>,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Zip(Archive),
}

impl Source {
    /// Finds the checkpoint at `path`.
    ///
    /// # Errors
    /// If there is nothing, or not exactly one TensorFlow checkpoint.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let found = |prefix, warnings, place| Self {
            path: path.into(),
            prefix,
            warnings,
            place,
        };
        if path.is_dir() {
            let (folder, prefix, warnings) = find_in_folder(path)?;
            return Ok(found(prefix, warnings, Place::Folder(folder)));
        }
        if let Some((folder, prefix)) = prefix_of(path) {
            return Ok(found(prefix, Vec::new(), Place::Folder(folder)));
        }
        if !path.exists() {
            return Err(Error::NotFound { path: path.into() });
        }
        let (file, _) = plain_file::open(path)?;
        if !is_zip(file) {
            if path.ends_with(RECORD_FILE) {
                return Err(Error::IsRecord { path: path.into() });
            }
            return Err(Error::NotACheckpoint { path: path.into() });
        }
        let mut archive = Archive::open(path)?;
        let names = archive.names();
        let display = archive.display("checkpoint");
        let state = match archive.reader("checkpoint")? {
            Some(mut reader) => Some(read_small(&mut reader, &display, MAX_STATE_BYTES)?),
            None => None,
        };
        let named = state.as_deref().map(named_by);
        let (prefix, warnings) = choose(path, &names, named)?;
        Ok(found(prefix, warnings, Place::Zip(archive)))
    }

    /// Returns "zip" or "folder".
    pub fn kind(&self) -> &'static str {
        match self.place {
            Place::Folder(_) => "folder",
            Place::Zip(_) => "zip",
        }
    }

    /// Returns the name of one of the checkpoint's files for errors and reports.
    pub fn display(&self, name: &str) -> String {
        match &self.place {
            Place::Folder(folder) => folder.join(name).display().to_string(),
            Place::Zip(archive) => archive.display(name),
        }
    }

    /// Returns the name of the index.
    pub fn index_name(&self) -> String {
        format!("{}.index", self.prefix)
    }

    /// Returns the name of a data file.
    pub fn shard_name(&self, shard: u32, shards: u32) -> String {
        shard_file_name(&self.prefix, shard, shards)
    }

    /// Reads the index.
    ///
    /// # Errors
    /// If it is missing, larger than any index, or not readable.
    pub fn index(&mut self) -> Result<Vec<u8>, Error> {
        let name = self.index_name();
        self.small(&name, MAX_INDEX_BYTES)?
            .ok_or_else(|| Error::Missing {
                file: self.display(&name),
            })
    }

    /// Reads the small files beside the checkpoint.
    ///
    /// # Errors
    /// If one of them is larger than any such file, or not readable.
    pub fn beside(&mut self) -> Result<Beside, Error> {
        let (names, shown) = match &self.place {
            Place::Folder(folder) => {
                let names = folder_names(folder).map_err(|source| Error::Read {
                    file: folder.display().to_string(),
                    source,
                })?;
                (names, folder.join("").display().to_string())
            }
            Place::Zip(archive) => (archive.names(), archive.display("")),
        };
        let display = |name: &str| format!("{shown}{name}");
        Beside::read(&names, &display, &mut |name, limit| self.small(name, limit))
    }

    /// Returns the stated length of a file of the checkpoint.
    ///
    /// # Errors
    /// If it is missing or not readable.
    pub fn length(&mut self, name: &str) -> Result<u64, Error> {
        let file = self.display(name);
        let length = match &mut self.place {
            Place::Folder(folder) => Some(plain_file::open(&folder.join(name))?.1),
            Place::Zip(archive) => archive.length(name)?,
        };
        length.ok_or(Error::Missing { file })
    }

    /// Checks that these files together need no more bytes of an archive than it has.
    ///
    /// # Errors
    /// [`Error::SharedBytes`]: reading them would take far longer than the archive's size suggests.
    pub fn check_packed(&mut self, names: &[String]) -> Result<(), Error> {
        match &mut self.place {
            Place::Folder(_) => Ok(()),
            Place::Zip(archive) => archive.check_packed(names),
        }
    }

    /// Calls `read` with a stream of a file of the checkpoint, from its beginning.
    ///
    /// # Errors
    /// If the file is missing or not readable, or `read` fails.
    pub fn with_reader<T, E: From<Error>>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let file = self.display(name);
        match &mut self.place {
            Place::Folder(folder) => {
                let (mut reader, _) =
                    plain_file::open(&folder.join(name)).map_err(|error| E::from(error.into()))?;
                read(&mut reader)
            }
            Place::Zip(archive) => match archive.reader(name)? {
                Some(mut reader) => read(&mut reader),
                None => Err(Error::Missing { file }.into()),
            },
        }
    }

    fn small(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let file = self.display(name);
        match self.with_reader(name, |reader| read_small(reader, &file, limit)) {
            Err(Error::Missing { .. }) => Ok(None),
            result => result.map(Some),
        }
    }
}

/// Returns whether there is a TensorFlow checkpoint at `path`: a folder or a zip archive that holds
/// an `.index` file, or a checkpoint prefix. Reads only names.
pub(crate) fn is_tensorflow(path: &Path) -> bool {
    if path.is_dir() {
        return holds_index(path) || names_checkpoint(path);
    }
    if prefix_of(path).is_some() {
        return true;
    }
    match plain_file::open(path) {
        // A damaged or unfetched file counts as a checkpoint that cannot be read; reading it will
        // report why.
        Err(error) => matches!(error, plain_file::Error::LfsPointer { .. }),
        Ok((file, _)) => {
            is_zip(file)
                && matches!(
                    Archive::open(path),
                    Ok(_) | Err(Error::Zip { .. } | Error::ZippedModel { .. })
                )
        }
    }
}

fn is_zip(mut file: File) -> bool {
    let mut magic = [0; 4];
    file.read_exact(&mut magic).is_ok() && magic == *b"PK\x03\x04"
}

/// Reads a small file; fails if it has more than `limit` bytes.
fn read_small(reader: &mut dyn Read, file: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read {
            file: file.into(),
            source,
        })?;
    let size = bytes.len() as u64;
    if size > limit {
        return Err(Error::TooLarge {
            file: file.into(),
            size,
            limit,
        });
    }
    Ok(bytes)
}
