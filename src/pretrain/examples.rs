//! The examples of several files as one numbered list; the files are our own or the reference's.

use std::path::{Path, PathBuf};

use super::{
    error::Error, example::Example, file_pattern::files, settings::Vocabulary,
    tfrecord::RecordFile, token_file::TokenFile,
};
use crate::text::vocab::Vocab;

/// Where examples come from.
#[derive(Debug)]
pub enum Source {
    Tokens(TokenFile),
    Records(RecordFile),
}

impl Source {
    pub fn path(&self) -> &Path {
        match self {
            Source::Tokens(file) => file.path(),
            Source::Records(file) => file.path(),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Source::Tokens(file) => file.header().examples,
            Source::Records(file) => file.records(),
        }
    }

    fn max_seq_length(&self) -> usize {
        match self {
            Source::Tokens(file) => file.header().settings.max_seq_length,
            Source::Records(file) => file.max_seq_length(),
        }
    }
}

/// The examples of all files; any thread can read them.
#[derive(Debug)]
pub struct Examples {
    sources: Vec<Source>,
    /// Cumulative number of examples at the end of each file.
    ends: Vec<u64>,
    max_seq_length: usize,
}

impl Examples {
    /// Opens the files named by `pretrain_tfrecords`: patterns separated by commas.
    ///
    /// # Errors
    /// If no file matches, if a file cannot be read, is incomplete or was made with another vocabulary, or if
    /// there is no example.
    pub fn open(patterns: &str, vocab: &Vocab) -> Result<Self, Error> {
        let vocabulary = Vocabulary::of(vocab);
        let paths = files(patterns).map_err(|(path, source)| match source {
            Some(source) => super::token_file::unreadable(&path, source),
            None => nothing(path, "none"),
        })?;
        let mut sources = Vec::new();
        let (mut ends, mut end) = (Vec::new(), 0);
        let mut longest = 0;
        for path in &paths {
            let source = match TokenFile::is_one(path) {
                true => {
                    let file = TokenFile::open(path)?;
                    file.check_vocabulary(&vocabulary)?;
                    Source::Tokens(file)
                }
                false => Source::Records(RecordFile::open(path, &vocabulary)?),
            };
            // The reference opens a thousand files, however few examples they hold.
            if source.count() > 0 {
                end += source.count();
                longest = longest.max(source.max_seq_length());
                ends.push(end);
                sources.push(source);
            }
        }
        if sources.is_empty() {
            return Err(nothing(patterns.into(), "files without one"));
        }
        Ok(Self {
            sources,
            ends,
            max_seq_length: longest,
        })
    }

    /// The number of examples, at least 1.
    pub fn count(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The maximum number of tokens in an example, according to the files.
    pub fn max_seq_length(&self) -> usize {
        self.max_seq_length
    }

    /// A checksum of all examples in order, whatever their files are called.
    pub fn checksum(&self) -> u32 {
        let words = self.sources.iter().flat_map(|source| match source {
            Source::Tokens(file) => vec![file.header().ids_crc32c, file.header().index_crc32c],
            Source::Records(file) => vec![file.checksum()],
        });
        words.fold(0, |sum, word| {
            crc32c::crc32c_append(sum, &word.to_le_bytes())
        })
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Reads our own files whole and compares their checksums; the reference's have one for each record,
    /// which is compared when the record is read. `watch` receives the bytes read and those of all files.
    ///
    /// # Errors
    /// If one cannot be read, or is damaged.
    pub fn verify(&self, watch: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let files = || {
            self.sources.iter().filter_map(|source| match source {
                Source::Tokens(file) => Some(file),
                Source::Records(_) => None,
            })
        };
        let total = files().map(TokenFile::bytes).sum();
        let mut done = 0;
        for file in files() {
            file.verify(&mut |bytes| watch(done + bytes, total))?;
            done += file.bytes();
        }
        Ok(())
    }

    /// Reads the example with this number, which is below [`Examples::count`].
    ///
    /// # Errors
    /// If it cannot be read, or the file is damaged there.
    pub fn read(&self, number: u64, example: &mut Example) -> Result<(), Error> {
        let place = self.ends.partition_point(|&end| end <= number);
        let Some(source) = self.sources.get(place) else {
            return Err(nothing(
                PathBuf::from(format!("example {number}")),
                "the end of the files",
            ));
        };
        let number = number - (self.ends[place] - source.count());
        match source {
            Source::Tokens(file) => file.read(number, example),
            Source::Records(file) => file.read(number, example),
        }
    }
}

fn nothing(path: PathBuf, found: &str) -> Error {
    Error::Examples {
        path,
        expected: "files of examples".to_owned(),
        found: found.to_owned(),
        advice: "make one with electra data pretrain, or name the reference's tfrecords",
    }
}
