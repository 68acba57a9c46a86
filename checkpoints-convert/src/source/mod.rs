//! Where a checkpoint's files are: a zip archive, a folder or a checkpoint prefix enters, named
//! streams leave. The prefix is looked up in the text file `checkpoint`, as TensorFlow's
//! `latest_checkpoint` does, but a folder that was moved or renamed still works.

mod archive;
mod state;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::bundle::{MAX_INDEX_BYTES, shard_file_name};
use crate::hugging_face::Beside;
use crate::{plain_file, zip_error};
use archive::Archive;

const MAX_STATE_BYTES: u64 = 4 << 20;

/// Input that is not a checkpoint, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: nothing there; expected a zip archive, a folder with a checkpoint or a Hugging Face model, or a prefix such that PREFIX.index exists", path.display())]
    NotFound { path: PathBuf },
    #[error("{}: neither a zip archive nor part of a TensorFlow checkpoint; expected a zip archive, a folder, or a prefix such that PREFIX.index exists", path.display())]
    NotACheckpoint { path: PathBuf },
    #[error("{}: holds no *.index file, so there is no TensorFlow checkpoint in it, and no Hugging Face model either (config.json with model.safetensors or pytorch_model.bin)", path.display())]
    NoIndex { path: PathBuf },
    #[error("{}: holds several checkpoints ({}) and no file `checkpoint` that names one of them; give the prefix of the one to take", path.display(), prefixes.join(", "))]
    ManyIndexes {
        path: PathBuf,
        prefixes: Vec<String>,
    },
    #[error(
        "{}: the file `checkpoint` in it names {named:?}, which lies in another folder; give that prefix, or the prefix of the one to take here{}",
        path.display(), listed(here)
    )]
    Elsewhere {
        path: PathBuf,
        named: String,
        here: Vec<String>,
    },
    #[error(
        "{file}: holds a Hugging Face model ({member}); unpack the archive and give the folder"
    )]
    ZippedModel { file: String, member: String },
    #[error("{file}: holds *.index files in several folders ({}); expected one folder with one checkpoint", folders.join(", "))]
    ManyFolders { file: String, folders: Vec<String> },
    #[error("{file}: cannot read: {source}")]
    Read { file: String, source: io::Error },
    #[error(transparent)]
    File(plain_file::Error),
    #[error("{file}: cannot read the archive: {}", zip_error::words(cause))]
    Zip {
        file: String,
        cause: zip::result::ZipError,
    },
    #[error(
        "{file}: member {member:?} would leave the folder of the archive; such an archive is not to be trusted"
    )]
    MemberPath { file: String, member: String },
    #[error(
        "{file}: claims {size} bytes out of {compressed} compressed ones, which is not possible; download the archive again"
    )]
    MemberSize {
        file: String,
        size: u64,
        compressed: u64,
    },
    #[error(
        "{file}: its members claim {claimed} packed bytes, but the archive has {length}: they share bytes, as no right archive's do"
    )]
    SharedBytes {
        file: String,
        claimed: u64,
        length: u64,
    },
    #[error("{file}: {size} bytes, more than the {limit} that are read")]
    TooLarge { file: String, size: u64, limit: u64 },
    #[error("{file}: missing; the checkpoint is not whole: copy or download it again")]
    Missing { file: String },
}

impl From<plain_file::Error> for Error {
    fn from(error: plain_file::Error) -> Self {
        match error {
            plain_file::Error::Missing { file } => Self::Missing { file },
            error => Self::File(error),
        }
    }
}

/// An opened checkpoint, before anything but its place is known.
pub struct Source {
    /// As the user gave it.
    pub path: PathBuf,
    /// Name of the checkpoint inside its folder, e.g. `electra_large` or `model.ckpt-8000`.
    pub prefix: String,
    /// What was assumed to find it.
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
    /// Nothing there, or nothing that is exactly one TensorFlow checkpoint.
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

    /// "zip", or "folder".
    pub fn kind(&self) -> &'static str {
        match self.place {
            Place::Folder(_) => "folder",
            Place::Zip(_) => "zip",
        }
    }

    /// How errors and reports call one of the checkpoint's files.
    pub fn display(&self, name: &str) -> String {
        match &self.place {
            Place::Folder(folder) => folder.join(name).display().to_string(),
            Place::Zip(archive) => archive.display(name),
        }
    }

    /// Name of the index.
    pub fn index_name(&self) -> String {
        format!("{}.index", self.prefix)
    }

    /// Name of a data file.
    pub fn shard_name(&self, shard: u32, shards: u32) -> String {
        shard_file_name(&self.prefix, shard, shards)
    }

    /// The bytes of the index.
    ///
    /// # Errors
    /// Missing, larger than any index, or not readable.
    pub fn index(&mut self) -> Result<Vec<u8>, Error> {
        let name = self.index_name();
        self.small(&name, MAX_INDEX_BYTES)?
            .ok_or_else(|| Error::Missing {
                file: self.display(&name),
            })
    }

    /// The small files beside the checkpoint.
    ///
    /// # Errors
    /// One is there, but larger than any such file or not readable.
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

    /// The stated length of a file of the checkpoint.
    ///
    /// # Errors
    /// Missing, or not readable.
    pub fn length(&mut self, name: &str) -> Result<u64, Error> {
        let file = self.display(name);
        let length = match &mut self.place {
            Place::Folder(folder) => Some(plain_file::open(&folder.join(name))?.1),
            Place::Zip(archive) => archive.length(name)?,
        };
        length.ok_or(Error::Missing { file })
    }

    /// Checks that these files of the checkpoint, together, need no more bytes of an archive than
    /// it has.
    ///
    /// # Errors
    /// [`Error::SharedBytes`]: reading them would take far longer than the archive is long.
    pub fn check_packed(&mut self, names: &[String]) -> Result<(), Error> {
        match &mut self.place {
            Place::Folder(_) => Ok(()),
            Place::Zip(archive) => archive.check_packed(names),
        }
    }

    /// Calls `read` with a stream of a file of the checkpoint, from its beginning.
    ///
    /// # Errors
    /// Missing or not readable, and what `read` returns.
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

/// Whether there is a TensorFlow checkpoint at `path`: a folder that holds an `.index` file, a
/// zip archive that does, or a checkpoint prefix. Nothing is read but names.
pub(crate) fn is_tensorflow(path: &Path) -> bool {
    if path.is_dir() {
        return holds_index(path) || names_checkpoint(path);
    }
    if prefix_of(path).is_some() {
        return true;
    }
    match plain_file::open(path) {
        // What is damaged, or was not fetched, is a checkpoint that cannot be read: the reading says
        // why.
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

/// Whether `path` is a folder whose file `checkpoint` names one that exists, wherever it lies.
fn names_checkpoint(path: &Path) -> bool {
    let state = plain_file::read(&path.join("checkpoint"), MAX_STATE_BYTES);
    let named = state.ok().flatten().and_then(|text| named_by(&text));
    named.is_some_and(|named| prefix_of(&path.join(named)).is_some())
}

/// Whether `path` is a folder that holds an `.index` file.
pub(crate) fn holds_index(path: &Path) -> bool {
    path.is_dir() && folder_names(path).is_ok_and(|names| !prefixes(&names).is_empty())
}

/// Folder and prefix where `path` is a checkpoint prefix, or one of its files.
fn prefix_of(path: &Path) -> Option<(PathBuf, String)> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".index")
        .or_else(|| name.strip_suffix(".meta"))
        .or_else(|| name.rfind(".data-").map(|dot| &name[..dot]));
    let folder = path.parent()?;
    [Some(name), stem]
        .into_iter()
        .flatten()
        .find(|prefix| folder.join(format!("{prefix}.index")).is_file())
        .map(|prefix| (folder.into(), prefix.into()))
}

/// Folder, prefix and warnings for a folder that holds a checkpoint.
fn find_in_folder(path: &Path) -> Result<(PathBuf, String, Vec<String>), Error> {
    let unreadable = |source| Error::Read {
        file: path.display().to_string(),
        source,
    };
    let names = folder_names(path).map_err(unreadable)?;
    let state = path.join("checkpoint");
    let named = match state.is_dir() {
        // A folder of that name is the user's own affair.
        true => None,
        false => plain_file::read(&state, MAX_STATE_BYTES)?.map(|text| named_by(&text)),
    };
    // TensorFlow takes a path that exists as it was written; `join` keeps an absolute one. But a
    // folder that was copied still names the files that it was copied from.
    let mut elsewhere = None;
    if let Some(Some(named)) = &named
        && let Some((folder, prefix)) = prefix_of(&path.join(named))
    {
        if is_inside(&folder, path) {
            return Ok((folder, prefix, Vec::new()));
        }
        if !prefixes(&names).contains(&prefix.as_str()) {
            let here = prefixes(&names).into_iter().take(8).map(str::to_owned);
            return Err(Error::Elsewhere {
                path: path.into(),
                named: named.clone(),
                here: here.collect(),
            });
        }
        elsewhere = Some(format!(
            "the file `checkpoint` names {named:?} in another folder; took {prefix:?} beside it"
        ));
    }
    let (prefix, mut warnings) = choose(path, &names, named)?;
    warnings.extend(elsewhere);
    Ok((path.into(), prefix, warnings))
}

/// Whether `folder` is `outer` or lies in it, links followed.
fn is_inside(folder: &Path, outer: &Path) -> bool {
    match (folder.canonicalize(), outer.canonicalize()) {
        (Ok(folder), Ok(outer)) => folder.starts_with(outer),
        _ => false,
    }
}

/// `: a, b`, or nothing for none.
fn listed(prefixes: &[String]) -> String {
    match prefixes {
        [] => String::new(),
        _ => format!(": {}", prefixes.join(", ")),
    }
}

/// The prefix that the file `checkpoint` names by its last component, else the only one there
/// is. `named` is `None` where there is no such file, `Some(None)` where it names nothing.
fn choose(
    path: &Path,
    names: &[String],
    named: Option<Option<String>>,
) -> Result<(String, Vec<String>), Error> {
    let prefixes = prefixes(names);
    let last = named
        .as_ref()
        .and_then(Option::as_deref)
        .map(state::last_component);
    if let Some(last) = last
        && prefixes.contains(&last)
    {
        return Ok((last.into(), Vec::new()));
    }
    match prefixes[..] {
        [] => Err(Error::NoIndex { path: path.into() }),
        [only] => {
            let why = match (named.is_some(), last) {
                (_, Some(last)) => {
                    format!("the file `checkpoint` names {last:?}, which is not there")
                }
                (true, None) => "the file `checkpoint` names no checkpoint".into(),
                (false, None) => "there is no file `checkpoint`".into(),
            };
            Ok((
                only.into(),
                vec![format!("{why}; took the only one, {only:?}")],
            ))
        }
        _ => Err(Error::ManyIndexes {
            path: path.into(),
            prefixes: prefixes.iter().take(8).map(|p| p.to_string()).collect(),
        }),
    }
}

fn named_by(state: &[u8]) -> Option<String> {
    state::model_checkpoint_path(&String::from_utf8_lossy(state))
}

/// Prefixes of the `.index` files among `names`; hidden files (macOS's `._x.index`) are not
/// checkpoints.
fn prefixes(names: &[String]) -> Vec<&str> {
    let mut prefixes: Vec<&str> = names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(".index"))
        .collect();
    prefixes.sort_unstable();
    prefixes
}

fn folder_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in path.read_dir()? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

fn is_zip(mut file: File) -> bool {
    let mut magic = [0; 4];
    file.read_exact(&mut magic).is_ok() && magic == *b"PK\x03\x04"
}

/// The bytes of a small file, refused where there are more than `limit`.
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
