//! Reads the reference's files of examples, `pretrain_data.tfrecord-*`, by number.
//!
//! A record is a `tf.Example` with three lists of `max_seq_length` integers: `input_ids`, `input_mask`,
//! `segment_ids`. Records vary in length and there is no index: opening a file reads all its frame headers
//! and stores the offset of every [`STRIDE`]th.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    error::Error, example::Example, position_read::read_exact_at, settings::Vocabulary,
    token_file::unreadable,
};
use crate::tensorboard::frame::{SUM, read_length, read_whole_record};

/// Records between stored offsets.
const STRIDE: u64 = 16;

/// <https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/example/example.proto>
#[derive(Clone, PartialEq, prost::Message)]
struct TfExample {
    #[prost(message, optional, tag = "1")]
    features: Option<Features>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Features {
    #[prost(map = "string, message", tag = "1")]
    feature: HashMap<String, Feature>,
}

/// A feature of integers; other kinds are ignored.
#[derive(Clone, PartialEq, prost::Message)]
struct Feature {
    #[prost(message, optional, tag = "3")]
    integers: Option<Integers>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Integers {
    #[prost(int64, repeated, tag = "1")]
    value: Vec<i64>,
}

/// An open file.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    file: File,
    places: Vec<u64>,
    records: u64,
    max_seq_length: usize,
    vocabulary: Vocabulary,
    checksum: u32,
}

const ADVICE: &str = "copy the file again, or leave it out of pretrain_tfrecords";

impl RecordFile {
    /// Opens a file and locates its records; checks the ids of the first against the vocabulary.
    ///
    /// # Errors
    /// If it cannot be read, is of another kind, is damaged or truncated.
    pub fn open(path: &Path, vocabulary: &Vocabulary) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let mut reader = BufReader::with_capacity(1 << 18, &file);
        let mut places = Vec::new();
        let (mut records, mut at, mut checksum) = (0, 0, 0);
        let length = file.metadata().map_err(|source| unreadable(path, source))?;
        let length = length.len();
        let broken = |source: io::Error, at: u64| match source.kind() {
            io::ErrorKind::UnexpectedEof => damaged(path, format!("the end in one at byte {at}")),
            io::ErrorKind::InvalidData => damaged(path, format!("{source}, at byte {at}")),
            _ => unreadable(path, source),
        };
        loop {
            let read = read_length(&mut reader).map_err(|source| broken(source, at))?;
            let Some(bytes) = read else { break };
            if records % STRIDE == 0 {
                places.push(at);
            }
            records += 1;
            let next = at + 8 + 2 * SUM as u64 + bytes;
            if next > length {
                return Err(broken(io::ErrorKind::UnexpectedEof.into(), at));
            }
            let passed = reader.seek_relative(bytes as i64);
            let mut sum = [0; SUM];
            passed
                .and_then(|()| reader.read_exact(&mut sum))
                .map_err(|source| broken(source, at))?;
            checksum = crc32c::crc32c_append(checksum, &sum);
            at = next;
        }
        drop(reader);
        let mut opened = Self {
            path: path.to_owned(),
            file,
            places,
            records,
            max_seq_length: usize::MAX,
            vocabulary: vocabulary.clone(),
            checksum,
        };
        if records > 0 {
            let mut example = Example::default();
            opened.max_seq_length = opened.read_padded(0, &mut example)?;
        }
        Ok(opened)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// The checksum of all records' checksums.
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The padded length of its examples, that of the first.
    pub fn max_seq_length(&self) -> usize {
        self.max_seq_length
    }

    /// Reads the example with this number, which is below [`RecordFile::records`].
    ///
    /// # Errors
    /// If it cannot be read, or is not an example.
    pub fn read(&self, number: u64, example: &mut Example) -> Result<(), Error> {
        let padded = self.read_padded(number, example)?;
        if padded != self.max_seq_length {
            let first = self.max_seq_length;
            let found = format!("record {number} of length {padded}, the first of {first}");
            return Err(damaged(&self.path, found));
        }
        Ok(())
    }

    fn read_padded(&self, number: u64, example: &mut Example) -> Result<usize, Error> {
        let wrong = |found: &str| damaged(&self.path, format!("record {number}: {found}"));
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::InvalidData => wrong(&source.to_string()),
            _ => unreadable(&self.path, source),
        };
        let group = (number / STRIDE) as usize;
        let place = self.places.get(group).filter(|_| number < self.records);
        let place = *place.ok_or_else(|| wrong("the end of the file"))?;
        let from = FromPlace {
            file: &self.file,
            at: place,
        };
        let mut reader = BufReader::with_capacity(1 << 13, from);
        for _ in 0..number % STRIDE {
            let length = read_length(&mut reader).map_err(failed)?.unwrap_or(0);
            let passed = reader.seek_relative((length + SUM as u64) as i64);
            passed.map_err(failed)?;
        }
        let record = read_whole_record(&mut reader).map_err(failed)?;
        let record = record.ok_or_else(|| wrong("the end of the file"))?;
        let read = <TfExample as prost::Message>::decode(record.as_slice());
        let mut features = read
            .map_err(|error| wrong(&format!("no tf.Example: {error}")))?
            .features
            .unwrap_or_default()
            .feature;
        let [ids, mask, segments] = ["input_ids", "input_mask", "segment_ids"].map(|name| {
            let feature = features.remove(name).and_then(|feature| feature.integers);
            feature.map(|integers| integers.value)
        });
        let (Some(ids), Some(mask), Some(segments)) = (ids, mask, segments) else {
            return Err(wrong(
                "no lists of integers input_ids, input_mask and segment_ids",
            ));
        };
        let real = mask.iter().take_while(|&&one| one == 1).count();
        let first = segments[..real.min(segments.len())]
            .iter()
            .take_while(|&&segment| segment == 0)
            .count();
        let rest_is = |list: &[i64], from: usize, value| list[from..].iter().all(|&n| n == value);
        if ids.len() != mask.len()
            || ids.len() != segments.len()
            || real < 2
            || first < 2
            || !rest_is(&mask, real, 0)
            || !rest_is(&segments[..real], first, 1)
        {
            return Err(wrong("an invalid mask or invalid segments"));
        }
        example.first = first;
        example.ids.clear();
        let tokens = self.vocabulary.tokens;
        let known = |&id: &i64| u32::try_from(id).ok().filter(|&id| (id as usize) < tokens);
        example.ids.extend(ids[..real].iter().map_while(known));
        let Vocabulary { cls, sep, .. } = self.vocabulary;
        let is_framed = example.ids.len() == real
            && example.ids[0] == cls
            && example.ids[first - 1] == sep
            && example.ids[real - 1] == sep;
        if !is_framed {
            return Err(Error::Examples {
                path: self.path.clone(),
                expected: format!("ids of a vocabulary of {tokens}, between [CLS] and [SEP]"),
                found: format!("others in record {number}"),
                advice: "give the vocabulary that the file was made with",
            });
        }
        Ok(ids.len())
    }
}

fn damaged(path: &Path, found: String) -> Error {
    Error::Examples {
        path: path.to_owned(),
        expected: "the reference's examples (tfrecord)".to_owned(),
        found,
        advice: ADVICE,
    }
}

/// Reads a file from an offset on, without moving the file's own cursor.
struct FromPlace<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromPlace<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.file.metadata()?.len().saturating_sub(self.at);
        let count = left.min(bytes.len() as u64) as usize;
        read_exact_at(self.file, &mut bytes[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for FromPlace<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use prost::Message;

    use super::*;
    use crate::tensorboard::frame::write_record;

    fn vocabulary() -> Vocabulary {
        Vocabulary {
            tokens: 10,
            sha256: String::new(),
            cls: 2,
            sep: 3,
        }
    }

    fn record(ids: &[i64], mask: &[i64], segments: &[i64]) -> Vec<u8> {
        let lists = [
            ("input_ids", ids),
            ("input_mask", mask),
            ("segment_ids", segments),
        ];
        let feature = lists.map(|(name, list)| {
            let integers = Some(Integers {
                value: list.to_vec(),
            });
            (name.to_owned(), Feature { integers })
        });
        let features = Some(Features {
            feature: feature.into(),
        });
        TfExample { features }.encode_to_vec()
    }

    fn file(records: &[Vec<u8>]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pretrain_data.tfrecord-0-of-1");
        let mut bytes = Vec::new();
        for record in records {
            write_record(&mut bytes, record).unwrap();
        }
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn of_number(number: i64) -> Vec<u8> {
        let ids = [2, number % 10, 3, 5, 3, 0];
        record(&ids, &[1, 1, 1, 1, 1, 0], &[0, 0, 0, 1, 1, 0])
    }

    #[test]
    fn records_are_read_by_number() {
        let records: Vec<_> = (0..40).map(of_number).collect();
        let (_folder, path) = file(&records);
        let file = RecordFile::open(&path, &vocabulary()).unwrap();
        assert_eq!((file.records(), file.max_seq_length()), (40, 6));
        let mut example = Example::default();
        for number in [39, 0, 15, 16, 17] {
            file.read(number, &mut example).unwrap();
            assert_eq!(example.ids, [2, number as u32 % 10, 3, 5, 3]);
            assert_eq!(example.first, 3);
        }
        assert!(file.read(40, &mut example).is_err());
    }

    #[test]
    fn damage_and_other_vocabularies_are_named() {
        let whole = [of_number(4), of_number(5)];
        let (_folder, path) = file(&whole);
        let bytes = fs::read(&path).unwrap();
        let open = |vocabulary: &Vocabulary| {
            let file = RecordFile::open(&path, vocabulary)?;
            (0..file.records()).try_for_each(|n| file.read(n, &mut Example::default()))
        };
        let refused = |vocabulary: &Vocabulary| open(vocabulary).unwrap_err().to_string();
        open(&vocabulary()).unwrap();
        for (vocabulary, number) in [
            (
                Vocabulary {
                    tokens: 5,
                    ..vocabulary()
                },
                0,
            ),
            (
                Vocabulary {
                    cls: 7,
                    ..vocabulary()
                },
                0,
            ),
        ] {
            let message = refused(&vocabulary);
            let expected = format!("others in record {number}");
            assert!(message.contains(&expected), "{message}");
        }
        for cut in 1..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            if cut == bytes.len() / 2 {
                continue;
            }
            let message = refused(&vocabulary());
            assert!(message.contains("the end in one"), "{cut}: {message}");
        }
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 4;
            fs::write(&path, damaged).unwrap();
            assert!(refused(&vocabulary()).contains("checksum"), "{byte}");
        }
        for (ids, mask, segments) in [
            (vec![2, 3], vec![1, 1, 1], vec![0, 0]),
            (vec![2, 4, 3], vec![1, 0, 1], vec![0, 0, 0]),
            (vec![2, 4, 3], vec![1, 1, 1], vec![0, 1, 0]),
            (vec![], vec![], vec![]),
        ] {
            let (_folder, path) = file(&[record(&ids, &mask, &segments)]);
            let message = RecordFile::open(&path, &vocabulary()).unwrap_err();
            assert!(
                message.to_string().contains("invalid segments"),
                "{message}"
            );
        }
        let (_folder, path) = file(&[b"\x0A\x00".to_vec()]);
        let message = RecordFile::open(&path, &vocabulary()).unwrap_err();
        assert!(message.to_string().contains("no lists"), "{message}");
    }
}
