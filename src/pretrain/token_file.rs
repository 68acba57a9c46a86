//! A file of examples as token ids, read by number.
//!
//! The first page of [`PAGE`] bytes describes the file: [`MAGIC`], the length and checksum of a JSON text,
//! the text ([`Header`]), zeros. The ids of all examples follow without padding, two bytes each, or four if
//! the vocabulary has more than 2¹⁶ tokens. Then comes the index: for each [`GROUP`] of examples the position
//! of its first id (eight bytes, counted in ids), and for each example its number of ids and the number in
//! the first segment (two bytes each). All numbers are little-endian, all checksums CRC-32C.
//!
//! The header is checked against the file's length before anything else is read.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    error::Error,
    example::Example,
    position_read::read_exact_at,
    settings::{Settings, Vocabulary},
};

/// The first bytes of a file.
pub const MAGIC: [u8; 16] = *b"electra-tokens-1";

/// Bytes before the ids.
pub const PAGE: u64 = 4096;

/// Bytes of the page before the JSON text.
const BEFORE_TEXT: usize = 24;

/// Examples in a group of the index.
pub const GROUP: u64 = 64;

/// Bytes of a group of the index.
pub const GROUP_BYTES: u64 = 8 + GROUP * 4;

/// The maximum length of an example, stored in two bytes.
pub const LONGEST: usize = u16::MAX as usize;

/// The description of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Checksums of the ids and of the index.
    pub examples: u64,
    pub ids: u64,
    pub id_bytes: u64,
    pub ids_crc32c: u32,
    pub index_crc32c: u32,
    #[serde(flatten)]
    pub settings: Settings,
    pub corpus: CorpusFacts,
    pub counts: Counts,
}

/// The corpus that examples were made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusFacts {
    pub files: u64,
    pub bytes: u64,
    /// Checksum of the files' names and sizes, in the order in which they were read.
    pub sha256: String,
}

/// Statistics of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Documents with at least one token.
    pub documents: u64,
    /// Tokens of the text.
    pub tokens: u64,
    /// The number of `[UNK]` among them.
    pub unknown: u64,
    /// The number of them that are in no example.
    pub lost: u64,
    /// Examples with one segment.
    pub one_segment: u64,
    /// Examples shorter than `max_seq_length`.
    pub short: u64,
}

impl Header {
    /// Bytes per id for this vocabulary.
    pub fn id_bytes_of(vocabulary: &Vocabulary) -> u64 {
        match vocabulary.tokens <= 1 << 16 {
            true => 2,
            false => 4,
        }
    }

    /// The first page, with this header.
    pub fn page(&self) -> Vec<u8> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut page = MAGIC.to_vec();
        page.extend((text.len() as u32).to_le_bytes());
        page.extend(crc32c::crc32c(text.as_bytes()).to_le_bytes());
        page.extend(text.as_bytes());
        page.resize(PAGE as usize, 0);
        page
    }

    fn of_page(page: &[u8]) -> Result<Self, String> {
        let number = |at: usize| {
            let bytes = page.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let (length, sum) = (number(16), number(20));
        let text = length
            .and_then(|length| page.get(BEFORE_TEXT..BEFORE_TEXT.checked_add(length as usize)?));
        let text = text.ok_or("a first page with a wrong length")?;
        if sum != Some(crc32c::crc32c(text)) {
            return Err("a first page whose checksum is wrong".to_owned());
        }
        serde_json::from_slice(text).map_err(|error| format!("a first page that says {error}"))
    }

    /// The offset of the index, and the length of the file.
    fn places(&self) -> Option<(u64, u64)> {
        let index = self.ids.checked_mul(self.id_bytes)?.checked_add(PAGE)?;
        let groups = self.examples.div_ceil(GROUP).checked_mul(GROUP_BYTES)?;
        Some((index, index.checked_add(groups)?))
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str, found: &dyn std::fmt::Display| {
            Err(format!("a first page that says {what} {found}"))
        };
        let length = self.settings.max_seq_length;
        if !(super::example_builder::SHORTEST..=LONGEST).contains(&length) {
            return wrong("max_seq_length", &length);
        }
        if self.id_bytes != Self::id_bytes_of(&self.settings.vocabulary) {
            return wrong("id_bytes", &self.id_bytes);
        }
        if self.examples == 0 {
            return wrong("examples", &self.examples);
        }
        Ok(())
    }
}

/// An open file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    file: File,
    header: Header,
    index: u64,
}

const MADE_ANEW: &str = "build it again with electra data pretrain, or copy it again";

impl TokenFile {
    /// Whether a file starts like one of this kind.
    pub fn is_one(path: &Path) -> bool {
        let mut begin = [0; MAGIC.len()];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
        // Of any version.
        read.is_ok() && begin[..15] == MAGIC[..15]
    }

    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    /// If it cannot be read, is of another kind, or is incomplete.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let length = file.metadata().map_err(|source| unreadable(path, source))?;
        let length = length.len();
        let wrong = |found: String, advice| Error::Examples {
            path: path.to_owned(),
            expected: "a file of examples".to_owned(),
            found,
            advice,
        };
        let mut page = vec![0; PAGE.min(length) as usize];
        read_exact_at(&file, &mut page, 0).map_err(|source| unreadable(path, source))?;
        if page.len() < MAGIC.len() || !page.starts_with(&MAGIC[..15]) {
            let advice =
                "give a file that electra data pretrain made, or the reference's tfrecords";
            return Err(wrong("another file".to_owned(), advice));
        }
        if page[15] != MAGIC[15] {
            let version = char::from(page[15]).escape_default();
            let advice = "read it with the version of electra that made it, or build it again";
            return Err(wrong(format!("one of version {version}"), advice));
        }
        let header = Header::of_page(&page).map_err(|found| wrong(found, MADE_ANEW))?;
        header.check().map_err(|found| wrong(found, MADE_ANEW))?;
        let (index, expected) = header
            .places()
            .ok_or_else(|| wrong("lengths beyond any file".to_owned(), MADE_ANEW))?;
        if length != expected {
            let found = format!("{length} bytes of {expected}");
            return Err(wrong(found, MADE_ANEW));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            index,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the ids and of the index.
    pub fn bytes(&self) -> u64 {
        let (_, end) = self.header.places().unwrap_or_default();
        end.saturating_sub(PAGE)
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Refuses a vocabulary other than that of the ids.
    ///
    /// # Errors
    /// If it differs.
    pub fn check_vocabulary(&self, vocabulary: &Vocabulary) -> Result<(), Error> {
        let own = &self.header.settings.vocabulary;
        if own == vocabulary {
            return Ok(());
        }
        let described = |vocabulary: &Vocabulary| {
            let sum = vocabulary.sha256.get(..12).unwrap_or_default();
            format!("{} tokens ({sum}…)", vocabulary.tokens)
        };
        Err(Error::Examples {
            path: self.path.clone(),
            expected: format!("ids of the vocabulary of {}", described(vocabulary)),
            found: format!("those of one of {}", described(own)),
            advice: "give the vocabulary that the file was made with, or build the file again",
        })
    }

    /// Reads the example with this number, which is below `header().examples`.
    ///
    /// # Errors
    /// If it cannot be read, or the file is damaged there.
    pub fn read(&self, number: u64, example: &mut Example) -> Result<(), Error> {
        let failed = |source| unreadable(&self.path, source);
        let damaged = |found: String| Error::Examples {
            path: self.path.clone(),
            expected: format!("example {number} of {}", self.header.examples),
            found,
            advice: MADE_ANEW,
        };
        if number >= self.header.examples {
            return Err(damaged("the end of the file".to_owned()));
        }
        let mut group = [0; GROUP_BYTES as usize];
        let at = self.index + number / GROUP * GROUP_BYTES;
        read_exact_at(&self.file, &mut group, at).map_err(failed)?;
        let [a, b, c, d, e, f, g, h, lengths @ ..] = group;
        let mut start = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let length = |place: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|byte| lengths[place * 4 + byte]);
            (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
        };
        let place = (number % GROUP) as usize;
        for before in 0..place {
            start = start.saturating_add(length(before).0.into());
        }
        let (ids, first) = length(place);
        let (ids, first) = (usize::from(ids), usize::from(first));
        let end = start.saturating_add(ids as u64);
        let most = self.header.settings.max_seq_length;
        if !(2..=ids).contains(&first) || ids > most || end > self.header.ids {
            return Err(damaged(format!(
                "{ids} ids at {start}, {first} of the first segment, in a damaged index"
            )));
        }
        let wide = self.header.id_bytes as usize;
        let mut bytes = vec![0; ids * wide];
        let at = PAGE + start * wide as u64;
        read_exact_at(&self.file, &mut bytes, at).map_err(failed)?;
        example.first = first;
        example.ids.clear();
        example.ids.extend(ids_of(&bytes, wide));
        let vocabulary = &self.header.settings.vocabulary;
        let is_known = |&id: &u32| (id as usize) < vocabulary.tokens;
        let is_framed = example.ids[0] == vocabulary.cls
            && example.ids[first - 1] == vocabulary.sep
            && example.ids[ids - 1] == vocabulary.sep;
        if !is_framed || !example.ids.iter().all(is_known) {
            return Err(damaged("invalid ids, in a damaged file".to_owned()));
        }
        Ok(())
    }

    /// Reads the whole file and verifies its checksums.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn verify(&self, watch: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let mut read = 0;
        let (_, end) = self.header.places().unwrap_or_default();
        let parts = [
            ("ids", PAGE, self.index, self.header.ids_crc32c),
            ("an index", self.index, end, self.header.index_crc32c),
        ];
        let mut piece = vec![0; 1 << 20];
        for (what, mut at, end, expected) in parts {
            let mut sum = 0;
            while at < end {
                let bytes = (end - at).min(piece.len() as u64) as usize;
                let piece = &mut piece[..bytes];
                read_exact_at(&self.file, piece, at)
                    .map_err(|source| unreadable(&self.path, source))?;
                sum = crc32c::crc32c_append(sum, piece);
                at += bytes as u64;
                read += bytes as u64;
                watch(read);
            }
            if sum != expected {
                return Err(Error::Examples {
                    path: self.path.clone(),
                    expected: format!("{what} with the checksum {expected:08x}"),
                    found: format!("{sum:08x}: the file is damaged"),
                    advice: MADE_ANEW,
                });
            }
        }
        Ok(())
    }
}

fn ids_of(bytes: &[u8], wide: usize) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(wide).map(|id| match *id {
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => u32::MAX,
    })
}

pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        action: "reading",
        source,
        advice: "check the path, its permissions and the disk",
    }
}
