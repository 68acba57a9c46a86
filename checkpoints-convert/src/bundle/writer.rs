//! Writes a bundle: takes tensors one at a time, in any order of names, and writes data files and a
//! sorted index that TensorFlow and this crate's reader accept. All files are written under
//! temporary names and renamed at the end, the index last, so a bundle that has an index is
//! complete.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use tempfile::{Builder, NamedTempFile, TempPath};

use super::index::FORMAT_VERSION;
use super::proto::{BundleEntry, BundleHeader, Dim, Shape, Version};
use super::table_writer::TableWriter;
use super::{Error, shard_file_name};
use crate::tensor::{DType, mask_crc};

/// Prefix of temporary file names; identifies a folder that a killed export left behind.
pub(crate) const TEMPORARY: &str = ".bundle-";

/// A bundle being written.
pub struct BundleWriter {
    folder: PathBuf,
    prefix: String,
    shards: Vec<Shard>,
    entries: BTreeMap<String, BundleEntry>,
}

struct Shard {
    file: BufWriter<File>,
    path: TempPath,
    length: u64,
}

impl BundleWriter {
    /// Starts the bundle `folder/prefix` with `shards` data files; `folder` must exist.
    ///
    /// # Errors
    /// If the folder is not writable.
    pub fn create(folder: &Path, prefix: &str, shards: u32) -> Result<Self, Error> {
        let shards = (0..shards)
            .map(|_| {
                // Kept apart from its path, since an error of the plain file does not reveal the
                // temporary name.
                let (file, path) = temporary(folder)?.into_parts();
                Ok(Shard {
                    file: BufWriter::with_capacity(1 << 20, file),
                    path,
                    length: 0,
                })
            })
            .collect::<io::Result<_>>()
            .map_err(|source| Error::Write {
                file: folder.display().to_string(),
                source,
            })?;
        Ok(Self {
            folder: folder.into(),
            prefix: prefix.into(),
            shards,
            entries: BTreeMap::new(),
        })
    }

    /// Adds a whole tensor; `bytes` are its little-endian values.
    ///
    /// # Errors
    /// As for [`add_streaming`](Self::add_streaming).
    pub fn add(
        &mut self,
        shard: u32,
        name: &str,
        dtype: DType,
        shape: &[u64],
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.add_streaming(shard, name, dtype, shape, &mut |out| out.write_all(bytes))
    }

    /// Adds a tensor whose little-endian values `produce` writes, so that it need not be in memory
    /// as a whole.
    ///
    /// # Errors
    /// If the name is already used, the bundle does not have the data file, `produce` writes more
    /// or fewer bytes than type and shape need, or a write fails.
    pub fn add_streaming(
        &mut self,
        shard: u32,
        name: &str,
        dtype: DType,
        shape: &[u64],
        produce: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let file = self.path_of_shard(shard).display().to_string();
        if self.entries.contains_key(name) {
            return Err(Error::DuplicateName {
                file,
                name: name.into(),
            });
        }
        let shards = self.shards.len() as u32;
        let Some(place) = self.shards.get_mut(shard as usize) else {
            let shard = shard as i32;
            return Err(Error::ShardOutOfRange {
                file,
                name: name.into(),
                shard,
                shards,
            });
        };
        let mut counted = Counted {
            inner: &mut place.file,
            crc: 0,
            length: 0,
        };
        produce(&mut counted).map_err(|source| Error::Write {
            file: file.clone(),
            source,
        })?;
        let Counted { crc, length, .. } = counted;

        let expected = shape
            .iter()
            .try_fold(dtype.width().unwrap_or(1), |product, &dim| {
                product.checked_mul(dim)
            })
            .unwrap_or(u64::MAX);
        if dtype.width().is_some() && length != expected {
            return Err(Error::GivenSize {
                file,
                name: name.into(),
                dtype: dtype.to_string(),
                shape: shape.to_vec(),
                expected,
                found: length,
            });
        }
        let entry = BundleEntry {
            dtype: dtype.to_tensorflow(),
            shape: Some(Shape {
                dim: shape
                    .iter()
                    .map(|&size| Dim { size: size as i64 })
                    .collect(),
                unknown_rank: false,
            }),
            shard_id: shard as i32,
            offset: place.length as i64,
            size: length as i64,
            crc32c: mask_crc(crc),
            slices: Vec::new(),
        };
        place.length += length;
        self.entries.insert(name.into(), entry);
        Ok(())
    }

    /// Flushes everything to disk and renames the files to their final names, the index last.
    ///
    /// # Errors
    /// If a write or a rename fails; the temporary files are then removed.
    pub fn finish(self) -> Result<(), Error> {
        let paths: Vec<PathBuf> = (0..self.shards.len() as u32)
            .map(|shard| self.path_of_shard(shard))
            .collect();
        let header = BundleHeader {
            num_shards: self.shards.len() as i32,
            endianness: 0,
            version: Some(Version {
                producer: FORMAT_VERSION,
                min_consumer: 0,
            }),
        };
        let mut table = TableWriter::default();
        table.add(b"", &header.encode_to_vec());
        for (name, entry) in &self.entries {
            table.add(name.as_bytes(), &entry.encode_to_vec());
        }
        for (shard, path) in self.shards.into_iter().zip(paths) {
            let failed = |source| Error::Write {
                file: path.display().to_string(),
                source,
            };
            let file = shard
                .file
                .into_inner()
                .map_err(|error| failed(error.into_error()))?;
            persist(&file, shard.path, &path)?;
        }
        let path = self.folder.join(format!("{}.index", self.prefix));
        write_file(&path, &table.finish())
    }

    fn path_of_shard(&self, shard: u32) -> PathBuf {
        self.folder.join(shard_file_name(
            &self.prefix,
            shard,
            self.shards.len() as u32,
        ))
    }
}

/// Writes the text file `checkpoint` of a folder, which names its current checkpoint.
///
/// # Errors
/// If the write fails.
pub fn write_checkpoint_state(folder: &Path, prefix: &str) -> Result<(), Error> {
    let quoted = prefix.replace('\\', "\\\\").replace('"', "\\\"");
    let text =
        format!("model_checkpoint_path: \"{quoted}\"\nall_model_checkpoint_paths: \"{quoted}\"\n");
    write_file(&folder.join("checkpoint"), text.as_bytes())
}

/// Creates a temporary file that is deleted unless it is persisted.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        file: path.display().to_string(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = temporary(folder).map_err(failed)?;
    let (mut file, temporary) = new.into_parts();
    file.write_all(bytes).map_err(failed)?;
    persist(&file, temporary, path)
}

fn persist(file: &File, temporary: TempPath, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write {
        file: path.display().to_string(),
        source,
    };
    file.sync_all().map_err(failed)?;
    let named = temporary.persist(path);
    named.map_err(|error| failed(error.error))?;
    open_to_readers(file).map_err(failed)
}

/// Widens the permissions: temporary files are private to their owner, but a checkpoint should be
/// as readable as any other file.
#[cfg(unix)]
fn open_to_readers(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_readers(_: &File) -> io::Result<()> {
    Ok(())
}

/// Passes bytes on and tracks their count and checksum.
struct Counted<W> {
    inner: W,
    crc: u32,
    length: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
