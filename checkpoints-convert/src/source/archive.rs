//! A zip archive that holds a checkpoint in one folder, as `electra_large.zip` does. Members are
//! read as streams; nothing is unpacked to disk. The archive's claims are not trusted: names that
//! escape the folder, and impossible sizes, are rejected.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::error::Error;
use crate::hugging_face::is_weights;
use crate::{plain_file, zip_error};

/// Deflate's best ratio: 258 bytes from two bits, minus the block header.
const MAX_RATIO: u64 = 1032;

/// An open archive.
pub(super) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// Size of the archive itself in bytes.
    length: u64,
    /// Folder of the checkpoint inside, with its trailing slash, or empty.
    folder: String,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (file, length) = plain_file::open(path)?;
        let zip = ZipArchive::new(BufReader::with_capacity(256 << 10, file)).map_err(|cause| {
            Error::Zip {
                file: path.display().to_string(),
                cause,
            }
        })?;
        for name in zip.file_names() {
            if escapes(name) {
                return Err(Error::MemberPath {
                    file: path.display().to_string(),
                    member: name.into(),
                });
            }
        }
        let folders: BTreeSet<&str> = zip
            .file_names()
            .filter_map(|name| {
                let (folder, file) = split(name);
                (file.ends_with(".index") && !file.starts_with('.')).then_some(folder)
            })
            .collect();
        let folder = match folders.iter().collect::<Vec<_>>()[..] {
            [] => {
                let mut names = zip.file_names();
                return Err(match names.find(|name| is_weights(split(name).1)) {
                    Some(member) => Error::ZippedModel {
                        file: path.display().to_string(),
                        member: member.into(),
                    },
                    None => Error::NoIndex { path: path.into() },
                });
            }
            [folder] => (*folder).to_owned(),
            _ => {
                return Err(Error::ManyFolders {
                    file: path.display().to_string(),
                    folders: folders.iter().take(8).map(|f| f.to_string()).collect(),
                });
            }
        };
        Ok(Self {
            path: path.into(),
            zip,
            length,
            folder,
        })
    }

    /// Returns the names of the members in the checkpoint's folder.
    pub fn names(&self) -> Vec<String> {
        self.zip
            .file_names()
            .filter_map(|name| name.strip_prefix(self.folder.as_str()))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    /// Returns the name of a member for errors and reports.
    pub fn display(&self, name: &str) -> String {
        format!("{}:{}{name}", self.path.display(), self.folder)
    }

    /// Returns the stated length of a member, if it exists.
    pub fn length(&mut self, name: &str) -> Result<Option<u64>, Error> {
        Ok(self.member(name)?.map(|member| member.size()))
    }

    /// Checks that the compressed sizes of these members add up to no more than the archive's size.
    /// In an archive that expands a thousand times more than deflate can, members share their
    /// bytes.
    pub fn check_packed(&mut self, names: &[String]) -> Result<(), Error> {
        let mut claimed = 0u64;
        for name in names {
            if let Some(member) = self.member(name)? {
                claimed = claimed.saturating_add(member.compressed_size());
            }
        }
        if claimed > self.length {
            return Err(Error::SharedBytes {
                file: self.path.display().to_string(),
                claimed,
                length: self.length,
            });
        }
        Ok(())
    }

    /// Opens a member for reading from its beginning.
    pub fn reader(&mut self, name: &str) -> Result<Option<impl Read + '_>, Error> {
        Ok(self.member(name)?.map(zip_error::Reader))
    }

    fn member(&mut self, name: &str) -> Result<Option<ZipFile<'_, BufReader<File>>>, Error> {
        let display = self.display(name);
        let Some(number) = self.zip.index_for_name(&format!("{}{name}", self.folder)) else {
            return Ok(None);
        };
        let member = self.zip.by_index(number).map_err(|cause| Error::Zip {
            file: display.clone(),
            cause,
        })?;
        let most = member.compressed_size().saturating_mul(MAX_RATIO);
        if member.size() > most {
            return Err(Error::MemberSize {
                file: display,
                size: member.size(),
                compressed: member.compressed_size(),
            });
        }
        Ok(Some(member))
    }
}

fn split(name: &str) -> (&str, &str) {
    name.rfind('/')
        .map_or(("", name), |slash| name.split_at(slash + 1))
}

/// Returns whether unpacking a member of this name could write outside the target folder.
fn escapes(name: &str) -> bool {
    name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.as_bytes().get(1) == Some(&b':')
        || name.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_seen() {
        for name in [
            "/etc/x",
            "../x",
            "a/../../x",
            r"a\..\x",
            "C:/x",
            r"\\host\x",
            "a/..",
        ] {
            assert!(escapes(name), "{name}");
        }
        for name in [
            "electra_large/checkpoint",
            "model..index",
            "a/b/c",
            "a/",
            ".hidden",
        ] {
            assert!(!escapes(name), "{name}");
        }
    }
}
