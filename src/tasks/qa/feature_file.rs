//! The features file: one JSON object per line, in the order of the features.
//!
//! Training features have `start`, `end` and `is_impossible`, the others `token_to_orig` and
//! `max_context`; `eid` is the feature's id. All cores format lines in blocks while the previous
//! block is written, and the file appears under its name only once it is complete.

use std::io::{self, Write};
use std::path::Path;

use rayon::prelude::*;

use super::feature::Feature;
use crate::{
    data::{error::Error, split::Split},
    durable_file::write_whole,
};

/// Features formatted by one task; about 256 KiB of text at 512 tokens.
const CHUNK: usize = 64;
/// Chunks held at once while the previous block is written.
const CHUNKS_PER_BLOCK: usize = 32;

/// Writes a features file. An existing file of that name is replaced once the new one is complete.
///
/// # Errors
/// If the folder cannot be created or written, or the disk is full.
pub fn write_features(path: &Path, features: &[Feature], split: Split) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    write_whole(path, |mut out| write_lines(&mut out, features, split)).map_err(failed)
}

/// Writes the lines of a features file to `out`.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_lines(
    out: &mut (impl Write + Send),
    features: &[Feature],
    split: Split,
) -> io::Result<()> {
    let mut blocks = features.chunks(CHUNK * CHUNKS_PER_BLOCK);
    let mut ready = blocks.next().map(|block| format_block(block, split));
    while let Some(lines) = ready {
        let next = blocks.next();
        let (written, formatted) = rayon::join(
            || lines.iter().try_for_each(|chunk| out.write_all(chunk)),
            || next.map(|block| format_block(block, split)),
        );
        written?;
        ready = formatted;
    }
    out.flush()
}

fn format_block(block: &[Feature], split: Split) -> Vec<Vec<u8>> {
    block
        .par_chunks(CHUNK)
        .map(|chunk| {
            let tokens: usize = chunk.iter().map(|feature| feature.input_ids.len()).sum();
            let mut lines = Lines {
                // Ids, segments, positions, words and marks take about 26 bytes per token.
                bytes: Vec::with_capacity(tokens * 26 + chunk.len() * 160),
                digits: itoa::Buffer::new(),
            };
            for feature in chunk {
                lines.push(feature, split);
            }
            lines.bytes
        })
        .collect()
}

struct Lines {
    bytes: Vec<u8>,
    digits: itoa::Buffer,
}

impl Lines {
    fn push(&mut self, feature: &Feature, split: Split) {
        let length = feature.input_ids.len();
        self.text("{\"qas_id\":");
        self.string(&feature.qas_id);
        self.text(",\"eid\":");
        self.integer(feature.feature_id);
        self.text(",\"length\":");
        self.integer(length);
        self.text(",\"input_ids\":[");
        for &id in &feature.input_ids {
            self.integer(id);
            self.text(",");
        }
        self.close_list();
        self.text(",\"segment_ids\":[");
        let zeros = feature.question_length.min(length);
        self.repeat(b"0,", zeros);
        self.repeat(b"1,", length - zeros);
        self.close_list();
        if split == Split::Train {
            self.text(",\"start\":");
            self.integer(feature.start);
            self.text(",\"end\":");
            self.integer(feature.end);
            self.text(if feature.is_impossible {
                ",\"is_impossible\":true"
            } else {
                ",\"is_impossible\":false"
            });
        } else {
            self.text(",\"token_to_orig\":[");
            for (position, &word) in (feature.question_length..).zip(&feature.token_to_orig) {
                self.text("[");
                self.integer(position);
                self.text(",");
                self.integer(word);
                self.text("],");
            }
            self.close_list();
            self.text(",\"max_context\":[");
            for (position, &best) in (feature.question_length..).zip(&feature.max_context) {
                if best {
                    self.integer(position);
                    self.text(",");
                }
            }
            self.close_list();
        }
        self.text("}\n");
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, integer: impl itoa::Integer) {
        self.bytes
            .extend_from_slice(self.digits.format(integer).as_bytes());
    }

    fn repeat(&mut self, entry: &[u8], count: usize) {
        for _ in 0..count {
            self.bytes.extend_from_slice(entry);
        }
    }

    /// Closes a list whose entries each ended with a comma.
    fn close_list(&mut self) {
        match self.bytes.last_mut() {
            Some(last) if *last == b',' => *last = b']',
            _ => self.bytes.push(b']'),
        }
    }

    /// Writes a JSON string; quotes, backslashes and control characters are escaped.
    fn string(&mut self, text: &str) {
        let quoted = serde_json::Value::from(text).to_string();
        self.text(&quoted);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn feature(number: u64) -> Feature {
        Feature {
            feature_id: number,
            qas_id: "a \"quoted\" é\n".into(),
            eid: 0,
            input_ids: vec![101, 7, 102, 30521, 8, 102],
            question_length: 3,
            start: 4,
            end: 4,
            is_impossible: false,
            token_to_orig: vec![11, 12],
            max_context: vec![false, true],
        }
    }

    fn lines(features: &[Feature], split: Split) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        write_lines(&mut out, features, split).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn keys_of_each_split() {
        assert_eq!(
            lines(&[feature(1001)], Split::Train),
            [json!({
                "qas_id": "a \"quoted\" é\n", "eid": 1001, "length": 6,
                "input_ids": [101, 7, 102, 30521, 8, 102], "segment_ids": [0, 0, 0, 1, 1, 1],
                "start": 4, "end": 4, "is_impossible": false,
            })]
        );
        for split in [Split::Dev, Split::Test] {
            assert_eq!(
                lines(&[feature(0)], split),
                [json!({
                    "qas_id": "a \"quoted\" é\n", "eid": 0, "length": 6,
                    "input_ids": [101, 7, 102, 30521, 8, 102], "segment_ids": [0, 0, 0, 1, 1, 1],
                    "token_to_orig": [[3, 11], [4, 12]], "max_context": [4],
                })]
            );
        }
    }

    #[test]
    fn empty_lists_are_lists() {
        let mut feature = feature(0);
        feature.max_context = vec![false, false];
        assert_eq!(lines(&[feature], Split::Dev)[0]["max_context"], json!([]));
        assert!(lines(&[], Split::Dev).is_empty());
    }

    #[test]
    fn blocks_keep_the_order() {
        let count = (CHUNK * CHUNKS_PER_BLOCK * 2 + CHUNK + 1) as u64;
        let features: Vec<Feature> = (0..count).map(feature).collect();
        let ids: Vec<u64> = lines(&features, Split::Train)
            .iter()
            .map(|line| line["eid"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn files_are_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.jsonl");
        std::fs::write(&path, "old").unwrap();
        write_features(&path, &[feature(0)], Split::Train).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        // A missing folder is created, but not where there is a file.
        let lost = path.join("none").join("features.jsonl");
        let message = write_features(&lost, &[], Split::Train)
            .unwrap_err()
            .to_string();
        assert!(message.contains("none"), "{message}");
    }
}
