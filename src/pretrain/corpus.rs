//! The files of a corpus, in the order in which they are read.
//!
//! Every file below the folder counts: text, plain or gzip, and JSON lines (`.jsonl`) with a key `text`. The
//! kind of every file is checked before the first is read, so that an unsuitable one cannot end a build after
//! hours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    error::Error,
    random::{Purpose, Stream},
    settings::hexadecimal,
};
use crate::{counted::counted, data::source::Source};

/// Maximum depth of nested folders; anything deeper is a cycle of links.
const DEEPEST: usize = 32;

/// Archives, which are not text.
const TAR: [&str; 3] = [".tar", ".tar.gz", ".tgz"];

/// A file of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusFile {
    /// Path relative to the folder, with `/` as separator.
    pub name: String,
    pub bytes: u64,
    /// As [`modified`].
    pub modified: u64,
    #[serde(skip)]
    pub path: PathBuf,
}

impl CorpusFile {
    /// Whether the file holds JSON rows, not lines of text.
    pub fn is_rows(&self) -> bool {
        let name = self.name.strip_suffix(".gz").unwrap_or(&self.name);
        name.ends_with(".jsonl") || name.ends_with(".ndjson")
    }
}

/// The files of a corpus, in the order in which they are read.
#[derive(Debug, Clone)]
pub struct Corpus {
    pub folder: PathBuf,
    pub files: Vec<CorpusFile>,
}

impl Corpus {
    /// Finds the files below `folder` and sorts them by name.
    ///
    /// # Errors
    /// If the folder cannot be read, is empty, or holds a file that is not text.
    pub fn find(folder: &Path) -> Result<Self, Error> {
        let wrong = |found: &str, advice| Error::Corpus {
            path: folder.to_owned(),
            found: found.to_owned(),
            advice,
        };
        if folder.is_file() {
            return Err(wrong("a file", "give the folder that contains it"));
        }
        let mut files = Vec::new();
        let mut hidden = 0;
        walk(folder, "", 0, &mut files, &mut hidden)?;
        if hidden > 0 {
            let files = counted(hidden, "hidden file");
            log::warn!("{}: {files} (.NAME) skipped", folder.display());
        }
        if files.is_empty() {
            return Err(wrong(
                "an empty folder",
                "put text files there, .txt, .txt.gz or .jsonl",
            ));
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for file in &files {
            look(file)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            files,
        })
    }

    /// Shuffles the files, as the reference does.
    pub fn shuffle(&mut self, seed: u64) {
        Stream::new(seed, Purpose::Files, 0, 0).shuffle(&mut self.files);
    }

    /// Keeps the files with these names only, in this order.
    ///
    /// # Errors
    /// If one is missing.
    pub fn take(&mut self, names: &[String]) -> Result<(), Error> {
        let find = |name: &String| {
            let file = self.files.iter().find(|file| file.name == *name);
            file.cloned().ok_or_else(|| Error::Corpus {
                path: self.folder.clone(),
                found: format!("no file {name}, which the recorded case has"),
                advice: "give the corpus that it was recorded on",
            })
        };
        self.files = names.iter().map(find).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// A checksum of the files' names and sizes, in order.
    pub fn sha256(&self) -> String {
        let mut sum = Sha256::new();
        for file in &self.files {
            sum.update(&file.name);
            sum.update([0]);
            sum.update(file.bytes.to_le_bytes());
        }
        hexadecimal(&sum.finalize())
    }
}

fn walk(
    folder: &Path,
    above: &str,
    depth: usize,
    files: &mut Vec<CorpusFile>,
    hidden: &mut usize,
) -> Result<(), Error> {
    let failed = |path: &Path, source: io::Error| Error::Io {
        path: path.to_owned(),
        action: "reading",
        source,
        advice: "check the path and its permissions",
    };
    if depth > DEEPEST {
        return Err(Error::Corpus {
            path: folder.to_owned(),
            found: "endlessly nested folders".to_owned(),
            advice: "remove the link that leads back",
        });
    }
    let entries = fs::read_dir(folder).map_err(|source| failed(folder, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let metadata = fs::metadata(&path).map_err(|source| failed(&path, source))?;
        if name.starts_with('.') {
            *hidden += 1;
        } else if metadata.is_dir() {
            walk(&path, &format!("{above}{name}/"), depth + 1, files, hidden)?;
        } else {
            files.push(CorpusFile {
                name: format!("{above}{name}"),
                bytes: metadata.len(),
                modified: modified(&metadata),
                path,
            });
        }
    }
    Ok(())
}

/// When a file was last modified, in nanoseconds since 1970; 0 if the system does not say.
pub(super) fn modified(metadata: &fs::Metadata) -> u64 {
    let since = metadata.modified().ok();
    let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Refuses a file whose first bytes show that it is not text.
fn look(file: &CorpusFile) -> Result<(), Error> {
    let wrong = |found: &str, advice| Error::Corpus {
        path: file.path.clone(),
        found: found.to_owned(),
        advice,
    };
    let advice = "unpack it into a folder of text files first";
    if TAR.iter().any(|ending| file.name.ends_with(ending)) {
        return Err(wrong("a tar archive", advice));
    }
    if is_records(&file.name) {
        return Err(wrong(
            "a file of the reference's examples",
            "train on such files as they are: pretrain_tfrecords takes them",
        ));
    }
    Source::open(&file.path)?;
    Ok(())
}

/// Whether a file has a name that the reference gives to files of examples.
fn is_records(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.contains(".tfrecord")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Result<Corpus, Error>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let found = Corpus::find(folder.path());
        (folder, found)
    }

    fn names(corpus: &Corpus) -> Vec<&str> {
        corpus.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn files_are_found_in_folders_and_sorted() {
        let (_folder, found) = corpus(&[
            ("b.txt", b"xy"),
            ("a/2.txt", b""),
            ("a/10.jsonl", b"{}"),
            ("a.txt", b"z"),
            (".hidden", b"PAR1"),
        ]);
        let mut found = found.unwrap();
        // Byte order, as the reference sorts names: `.` before `/`.
        assert_eq!(names(&found), ["a.txt", "a/10.jsonl", "a/2.txt", "b.txt"]);
        assert_eq!(found.bytes(), 5);
        assert!(found.files[1].is_rows() && !found.files[2].is_rows());
        let sorted = found.sha256();
        let orders: Vec<String> = (0..8)
            .map(|seed| {
                let mut shuffled = found.clone();
                shuffled.shuffle(seed);
                shuffled.sha256()
            })
            .collect();
        assert!(orders.iter().any(|order| *order != sorted), "{orders:?}");
        found.take(&["b.txt".into(), "a.txt".into()]).unwrap();
        assert_eq!(names(&found), ["b.txt", "a.txt"]);
        let message = found.take(&["c.txt".into()]).unwrap_err().to_string();
        assert!(message.contains("no file c.txt"), "{message}");
    }

    #[test]
    fn what_is_no_corpus_is_named() {
        for (name, bytes, expected) in [
            ("a.parquet", b"PAR1".as_slice(), "Parquet"),
            ("a.tar", b"x", "a tar archive; unpack it"),
            ("a.zip", b"PK\x03\x04", "zip"),
            (
                "pretrain_data.tfrecord-0-of-1000",
                b"x",
                "pretrain_tfrecords",
            ),
        ] {
            let (_folder, found) = corpus(&[("x.txt", b"x"), (name, bytes)]);
            let message = found.unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(expected),
                "{message}"
            );
        }
        let (folder, found) = corpus(&[]);
        assert!(found.unwrap_err().to_string().contains("an empty folder"));
        let lost = Corpus::find(&folder.path().join("lost")).unwrap_err();
        assert!(lost.to_string().contains("lost: reading failed"), "{lost}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        let message = Corpus::find(folder.path()).unwrap_err().to_string();
        assert!(message.contains("endlessly nested"), "{message}");
    }
}
