//! Writes examples one after the other, so that an interrupted build can resume from its last saved position.
//!
//! Ids go into the file that becomes the output; the lengths of examples go into one beside it, which becomes
//! the index at the end.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    example::Example,
    token_file::{GROUP, Header, PAGE},
};

/// How much has been written; anything beyond that in the files does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub examples: u64,
    pub ids: u64,
    pub ids_crc32c: u32,
}

pub(super) struct TokenWriter {
    ids_path: PathBuf,
    ids: BufWriter<File>,
    lengths: BufWriter<File>,
    wide: u64,
    written: Written,
    bytes: Vec<u8>,
}

/// Bytes of an example's lengths.
const LENGTHS: u64 = 4;

impl TokenWriter {
    /// Resumes writing the files in `folder`, after what was written.
    ///
    /// # Errors
    /// If they hold less, or cannot be opened.
    pub fn open(folder: &Path, wide: u64, written: Written) -> io::Result<Self> {
        let open = |name: &str, length: u64| {
            let path = folder.join(name);
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            if written.examples > 0 && file.metadata()?.len() < length {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok(BufWriter::with_capacity(1 << 18, file))
        };
        Ok(Self {
            ids_path: folder.join("ids"),
            ids: open("ids", PAGE + written.ids * wide)?,
            lengths: open("lengths", written.examples * LENGTHS)?,
            wide,
            written,
            bytes: Vec::new(),
        })
    }

    pub fn written(&self) -> Written {
        self.written
    }

    /// # Errors
    /// If the disk is full or fails.
    pub fn write(&mut self, example: &Example) -> io::Result<()> {
        self.bytes.clear();
        for &id in &example.ids {
            let id = id.to_le_bytes();
            self.bytes.extend(&id[..self.wide as usize]);
        }
        self.ids.write_all(&self.bytes)?;
        for length in [example.ids.len(), example.first] {
            self.lengths.write_all(&(length as u16).to_le_bytes())?;
        }
        let written = &mut self.written;
        written.examples += 1;
        written.ids += example.ids.len() as u64;
        written.ids_crc32c = crc32c::crc32c_append(written.ids_crc32c, &self.bytes);
        Ok(())
    }

    /// Flushes everything written to the disk.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn sync(&mut self) -> io::Result<()> {
        for file in [&mut self.ids, &mut self.lengths] {
            file.flush()?;
            file.get_ref().sync_data()?;
        }
        Ok(())
    }

    /// Appends the index, writes the first page, and flushes all to the disk; returns the file's path.
    /// `header` receives the checksum of the index.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn finish(mut self, header: impl FnOnce(u32) -> Header) -> io::Result<(PathBuf, Header)> {
        self.lengths.flush()?;
        let mut lengths = self.lengths.get_ref().try_clone()?;
        lengths.seek(SeekFrom::Start(0))?;
        let mut lengths = BufReader::with_capacity(1 << 18, lengths);
        let (mut sum, mut start) = (0, 0_u64);
        let mut left = self.written.examples;
        let mut group = [0; (GROUP * LENGTHS) as usize];
        while left > 0 {
            let examples = left.min(GROUP);
            let (told, padding) = group.split_at_mut((examples * LENGTHS) as usize);
            lengths.read_exact(told)?;
            padding.fill(0);
            let begin = start.to_le_bytes();
            let ids = told.chunks_exact(LENGTHS as usize);
            start += ids
                .map(|pair| u64::from(u16::from_le_bytes([pair[0], pair[1]])))
                .sum::<u64>();
            for part in [begin.as_slice(), &group] {
                sum = crc32c::crc32c_append(sum, part);
                self.ids.write_all(part)?;
            }
            left -= examples;
        }
        let header = header(sum);
        self.ids.flush()?;
        let mut ids = self.ids.get_ref();
        ids.seek(SeekFrom::Start(0))?;
        ids.write_all(&header.page())?;
        ids.sync_all()?;
        Ok((self.ids_path, header))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pretrain::{
        settings::{Settings, Vocabulary},
        token_file::{CorpusFacts, Counts, TokenFile},
    };

    const CLS: u32 = 2;
    const SEP: u32 = 3;

    fn settings(tokens: usize) -> Settings {
        Settings {
            max_seq_length: 40,
            blanks_separate_docs: true,
            do_lower_case: true,
            do_strip_accents: true,
            seed: 1,
            replay: None,
            vocabulary: Vocabulary {
                tokens,
                sha256: "0123456789abcdef".to_owned(),
                cls: CLS,
                sep: SEP,
            },
        }
    }

    /// An example of 3 to 40 ids, up to the vocabulary's last; some have a second segment.
    fn example(number: usize, tokens: usize) -> Example {
        let inner =
            |count: usize| (0..count).map(move |n| ((number * 31 + n * 977) % tokens) as u32);
        let mut ids = vec![CLS];
        ids.extend(inner(1 + number % 20));
        ids.push(SEP);
        let first = ids.len();
        if !number.is_multiple_of(3) {
            ids.extend(inner(1 + number % 16));
            ids.push(SEP);
        }
        Example { ids, first }
    }

    /// A file of `examples` examples, interrupted twice.
    fn file(folder: &Path, examples: usize, tokens: usize) -> PathBuf {
        let settings = settings(tokens);
        let wide = Header::id_bytes_of(&settings.vocabulary);
        let mut written = Written::default();
        for end in [examples / 3, examples / 3 + 1] {
            let mut writer = TokenWriter::open(folder, wide, written).unwrap();
            for number in written.examples as usize..end {
                writer.write(&example(number, tokens)).unwrap();
            }
            written = writer.written();
            // Data that is not saved.
            writer.write(&example(9, tokens)).unwrap();
            writer.sync().unwrap();
        }
        let mut writer = TokenWriter::open(folder, wide, written).unwrap();
        for number in written.examples as usize..examples {
            writer.write(&example(number, tokens)).unwrap();
        }
        let written = writer.written();
        let header = |index_crc32c| Header {
            examples: written.examples,
            ids: written.ids,
            id_bytes: wide,
            ids_crc32c: written.ids_crc32c,
            index_crc32c,
            settings,
            corpus: CorpusFacts {
                files: 1,
                bytes: 1,
                sha256: String::new(),
            },
            counts: Counts::default(),
        };
        writer.finish(header).unwrap().0
    }

    #[test]
    fn examples_come_back_by_number() {
        for (examples, tokens) in [(1, 100), (64, 65_536), (65, 65_537), (200, 250_000)] {
            let folder = tempfile::tempdir().unwrap();
            let path = file(folder.path(), examples, tokens);
            let file = TokenFile::open(&path).unwrap();
            assert_eq!(file.header().examples, examples as u64);
            file.verify(&mut |_| {}).unwrap();
            let mut read = Example::default();
            for number in (0..examples).rev() {
                file.read(number as u64, &mut read).unwrap();
                assert_eq!(read, example(number, tokens), "{number} of {examples}");
            }
            assert!(file.read(examples as u64, &mut read).is_err());
            file.check_vocabulary(&settings(tokens).vocabulary).unwrap();
            let other = file.check_vocabulary(&settings(tokens + 1).vocabulary);
            let message = other.unwrap_err().to_string();
            assert!(
                message.contains(&format!("one of {tokens} tokens")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_file_that_is_cut_or_says_what_it_has_not_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 70, 100);
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            TokenFile::open(&path).unwrap_err().to_string()
        };
        for length in [0, 1, 15, 16, 24, 100, 4095, 4096, 4097, whole.len() - 1] {
            let message = refused(&whole[..length]);
            assert!(message.contains("ids: expected"), "{length}: {message}");
        }
        let longer = [whole.clone(), vec![0]].concat();
        assert!(refused(&longer).contains(&format!("of {}", whole.len())));
        // A first page with this text and a correct checksum.
        type Change = fn(&mut Header);
        fs::write(&path, &whole).unwrap();
        let header = TokenFile::open(&path).unwrap().header().clone();
        let said = |change: Change| {
            let mut header = header.clone();
            change(&mut header);
            let mut bytes = whole.clone();
            bytes[..PAGE as usize].copy_from_slice(&header.page());
            refused(&bytes)
        };
        let changes: [(Change, &str); 7] = [
            (|h| h.examples = 0, "examples 0"),
            (|h| h.examples = u64::MAX, "lengths beyond any file"),
            (|h| h.ids = u64::MAX / 2 + 1, "lengths beyond any file"),
            (|h| h.ids += 1, "bytes of"),
            (|h| h.id_bytes = 3, "id_bytes 3"),
            (|h| h.settings.max_seq_length = 4, "max_seq_length 4"),
            (
                |h| h.settings.max_seq_length = 65_536,
                "max_seq_length 65536",
            ),
        ];
        for (change, expected) in changes {
            let message = said(change);
            assert!(message.contains(expected), "{expected}: {message}");
        }
        let mut newer = whole.clone();
        newer[15] = b'2';
        assert!(refused(&newer).contains("one of version 2"));
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), 70, 100);
        let whole = fs::read(&path).unwrap();
        let mut read = Example::default();
        for byte in (PAGE as usize..whole.len()).step_by(3) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 0x81;
            fs::write(&path, damaged).unwrap();
            let file = TokenFile::open(&path).unwrap();
            let message = file.verify(&mut |_| {}).unwrap_err().to_string();
            assert!(message.contains("the file is damaged"), "{message}");
            for number in 0..70 {
                if file.read(number, &mut read).is_ok() {
                    assert!(read.ids.len() <= 40 && read.first <= read.ids.len());
                    assert!(read.ids.iter().all(|&id| id < 100));
                }
            }
        }
    }

    #[test]
    fn lost_files_are_no_place_to_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let written = Written {
            examples: 3,
            ids: 30,
            ids_crc32c: 0,
        };
        let error = TokenWriter::open(folder.path(), 2, written).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
