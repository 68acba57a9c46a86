//! The text of a corpus in blocks of bounded size, which end at ends of lines.
//!
//! A line longer than a block continues in the next. It is split between words, so that its tokens are the
//! same. The text of a JSON row consists of lines, and its end is the end of a document.

use serde::Deserialize;

use super::{
    corpus::{Corpus, CorpusFile},
    error::Error,
};
use crate::{
    data::{
        json_text::mend,
        line_reader::LineReader,
        source::{Source, text_of},
    },
    text::normalizer::is_ideograph,
};

/// Bytes of a block; a block of rows ends with the row that exceeds this.
const BLOCK: usize = 256 << 10;

/// A piece of a file's text.
#[derive(Debug, Default)]
pub struct Block {
    pub file: usize,
    pub text: String,
    /// Where documents end, besides the end of the file: offsets in the text, ascending, each at the end of a
    /// line.
    pub ends: Vec<usize>,
    /// Whether the last line continues in the next block.
    pub is_open: bool,
    /// Lines read before an interruption, possibly with the start of one more.
    pub skip: usize,
    /// Whether the file ends here.
    pub is_last: bool,
    /// Bytes of the file read so far.
    pub read: u64,
}

/// The blocks of a corpus, from a given line on.
pub struct Blocks<'a> {
    corpus: &'a Corpus,
    file: usize,
    open: Option<Reader>,
    skip: u64,
}

enum Reader {
    Text(TextReader),
    Rows(RowReader),
}

impl<'a> Blocks<'a> {
    /// Starts after the first `lines` lines of a file.
    pub fn from(corpus: &'a Corpus, file: usize, lines: u64) -> Self {
        Self {
            corpus,
            file,
            open: None,
            skip: lines,
        }
    }

    /// The next block; `None` at the end of the corpus.
    ///
    /// # Errors
    /// If a file cannot be read, or is not text.
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        loop {
            let Some(file) = self.corpus.files.get(self.file) else {
                return Ok(None);
            };
            let reader = match &mut self.open {
                Some(reader) => reader,
                closed => closed.insert(Reader::open(file)?),
            };
            let mut block = match reader {
                Reader::Text(reader) => reader.next_block()?,
                Reader::Rows(reader) => reader.next_block()?,
            };
            block.file = self.file;
            let lines = block.lines().count();
            let ended = lines - usize::from(block.is_open);
            if self.skip > 0 {
                // Skip all lines, or this block's, including the start of a partly skipped one.
                block.skip = usize::try_from(self.skip).unwrap_or(lines).min(lines);
                self.skip -= (block.skip.min(ended)) as u64;
            }
            if block.is_last {
                self.file += 1;
                self.open = None;
                self.skip = 0;
            }
            if block.skip < lines || block.is_last {
                return Ok(Some(block));
            }
        }
    }
}

impl Block {
    /// The lines, each with the offset of its end.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut end = 0;
        self.text.split_inclusive('\n').map(move |line| {
            end += line.len();
            (end, line)
        })
    }
}

impl Reader {
    fn open(file: &CorpusFile) -> Result<Self, Error> {
        Ok(match file.is_rows() {
            true => Self::Rows(RowReader {
                lines: LineReader::open(&file.path)?,
            }),
            false => Self::Text(TextReader {
                source: Source::open(&file.path)?,
                pending: Vec::new(),
                at: 0,
                ended: false,
                lines: 0,
            }),
        })
    }
}

struct TextReader {
    source: Source,
    pending: Vec<u8>,
    /// Offset of the first byte of `pending` that is not in a block yet.
    at: usize,
    ended: bool,
    /// Complete lines before it.
    lines: usize,
}

impl TextReader {
    fn next_block(&mut self) -> Result<Block, Error> {
        while !self.ended && self.pending.len() - self.at < BLOCK {
            self.pending.drain(..self.at);
            self.at = 0;
            self.ended = !self.source.read_piece(&mut self.pending)?;
        }
        let rest = &self.pending[self.at..];
        let cut = match rest.len() <= BLOCK {
            true if self.ended => rest.len(),
            _ => end_in(&rest[..BLOCK.min(rest.len())]),
        };
        let text = text_of(rest[..cut].to_vec(), &self.source, self.lines)?;
        self.at += cut;
        let is_last = self.ended && self.at == self.pending.len();
        self.lines += text.bytes().filter(|&byte| byte == b'\n').count();
        Ok(Block {
            is_open: !is_last && !text.ends_with('\n'),
            text,
            is_last,
            read: self.source.bytes_read(),
            ..Block::default()
        })
    }
}

/// Where a block ends: after its last line, or, in a line without an end, after its last word.
fn end_in(bytes: &[u8]) -> usize {
    let after =
        |is_end: &dyn Fn(u8) -> bool| bytes.iter().rposition(|&b| is_end(b)).map(|at| at + 1);
    after(&|byte| byte == b'\n')
        .or_else(|| after(&|byte| byte == b' ' || byte == b'\t'))
        .or_else(|| {
            let valid = match str::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
            };
            // An ideograph is a word.
            valid.rfind(is_ideograph).filter(|&at| at > 0)
        })
        // A quarter of a megabyte without white space is not text. Splitting a word changes its tokens, but
        // punctuation is a token in any case.
        .or_else(|| after(&|byte| byte.is_ascii_punctuation()))
        .unwrap_or_else(|| {
            let is_inside = |byte: &u8| byte & 0xC0 == 0x80;
            let begin = bytes.iter().rposition(|byte| !is_inside(byte));
            begin.filter(|&at| at > 0).unwrap_or(bytes.len())
        })
}

struct RowReader {
    lines: LineReader,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

impl RowReader {
    fn next_block(&mut self) -> Result<Block, Error> {
        let mut block = Block::default();
        while block.text.len() < BLOCK {
            let file = self.lines.file().to_owned();
            let Some((number, line)) = self.lines.next_line()? else {
                block.is_last = true;
                break;
            };
            if line.trim().is_empty() {
                continue;
            }
            let row = row(line).map_err(|found| Error::Row {
                file,
                line: number,
                found,
            })?;
            block.text.push_str(&row.text);
            block.text.push('\n');
            block.ends.push(block.text.len());
        }
        block.read = self.lines.bytes_read();
        Ok(block)
    }
}

fn row(line: &str) -> Result<Row, String> {
    // A list of one text would be accepted.
    if !line.trim_start().starts_with('{') {
        return Err("it begins with no brace".to_owned());
    }
    let refused = match serde_json::from_str(line) {
        Ok(row) => return Ok(row),
        Err(error) => error,
    };
    // Half a surrogate pair, which Python can write.
    let mut mended = line.to_owned();
    mend(&mut mended);
    serde_json::from_str(&mended).map_err(|_| refused.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn blocks(name: &str, bytes: &[u8], skip: u64) -> Result<Vec<Block>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let corpus = Corpus::find(folder.path()).map_err(|error| error.to_string())?;
        let mut blocks = Blocks::from(&corpus, 0, skip);
        let mut found = Vec::new();
        while let Some(block) = blocks.next_block().map_err(|error| error.to_string())? {
            assert!(block.text.len() <= BLOCK || name.ends_with("jsonl"));
            found.push(block);
        }
        assert_eq!(found.iter().filter(|block| block.is_last).count(), 1);
        Ok(found)
    }

    /// The lines after the skipped ones, joined again.
    fn lines(blocks: &[Block]) -> Vec<String> {
        let (mut lines, mut begun) = (Vec::new(), String::new());
        for block in blocks {
            let all = block.lines().count();
            for (place, (_, line)) in block.lines().enumerate().skip(block.skip) {
                begun.push_str(line);
                if !(block.is_open && place + 1 == all) {
                    lines.push(std::mem::take(&mut begun));
                }
            }
        }
        assert_eq!(begun, "");
        lines
    }

    #[test]
    fn blocks_are_the_text() {
        let long = "word ".repeat(BLOCK / 2);
        let text = format!("a\n\n{long}\n{}end", "b c\n".repeat(BLOCK));
        let whole = blocks("a.txt", text.as_bytes(), 0).unwrap();
        assert!(whole.len() > 7, "{}", whole.len());
        let joined: String = whole.iter().map(|block| block.text.as_str()).collect();
        assert!(joined == text);
        let expected: Vec<&str> = text.split_inclusive('\n').collect();
        assert!(lines(&whole) == expected);
        assert_eq!(whole.last().unwrap().read, text.len() as u64);
        for skip in [1, 2, 3, 4, 70_000, expected.len() - 1] {
            let rest = blocks("a.txt", text.as_bytes(), skip as u64).unwrap();
            assert!(lines(&rest) == expected[skip..], "{skip}");
        }
        assert_eq!(blocks("a.txt", b"", 0).unwrap().len(), 1);
    }

    #[test]
    fn a_long_line_is_parted_between_words() {
        for (unit, parted) in [
            ("word ", "word "),
            ("東京", "東"),
            ("a,b", ","),
            ("é", "é"),
            ("x", "x"),
        ] {
            let text = unit.repeat(2 * BLOCK / unit.len() + 7);
            let found = blocks("a.txt", text.as_bytes(), 0).unwrap();
            assert!(found.len() > 2 && found[0].is_open);
            let (before, after) = (&found[0].text, &found[1].text);
            assert!(
                before.ends_with(parted) || after.starts_with(parted),
                "{unit}: …{:?}",
                &before[before.len() - 6..]
            );
            assert!(lines(&found) == [text]);
        }
    }

    #[test]
    fn rows_are_documents() {
        let rows =
            "{\"text\": \"a\\n\\nb\", \"meta\": {\"x\": 1}}\n\n{\"text\": \"c \\ud83d\"}\r\n";
        let found = blocks("a.jsonl", rows.as_bytes(), 0).unwrap();
        let [block] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(block.text, "a\n\nb\nc \u{FFFD}\n");
        assert_eq!(block.ends, [5, 11]);
        let rest = blocks("a.jsonl", rows.as_bytes(), 2).unwrap();
        assert_eq!(lines(&rest), ["b\n", "c \u{FFFD}\n"]);
    }

    #[test]
    fn what_is_no_text_is_named_by_its_line() {
        let rows = |row: &str| format!("{{\"text\": \"a\"}}\n{row}\n").into_bytes();
        let late = [b"a b\n".repeat(BLOCK), b"\xE9\n".to_vec()].concat();
        for (name, bytes, expected) in [
            (
                "a.jsonl",
                rows("{\"body\": \"a\"}"),
                "line 2: expected an object with the key text",
            ),
            ("a.jsonl", rows("[\"a\"]"), "line 2"),
            ("a.jsonl", rows("{\"text\": 1}"), "line 2"),
            ("a.txt", b"a\n\xE9\n".to_vec(), "other bytes on line 2"),
            ("a.txt", late, "other bytes on line 262145"),
            ("a.txt", b"a\0b".to_vec(), "a NUL byte"),
        ] {
            let message = blocks(name, &bytes, 0).unwrap_err();
            assert!(
                message.contains(name) && message.contains(expected),
                "{message}"
            );
        }
    }
}
