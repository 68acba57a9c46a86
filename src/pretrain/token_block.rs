//! The tokens of a block's lines; any core can compute them.

use super::text_blocks::Block;
use crate::text::{normalizer::is_blank, tokenizer::Tokenizer, word_cache::WordCache};

/// The tokens of a block.
#[derive(Debug)]
pub struct TokenBlock {
    pub file: usize,
    /// The ids of all lines, one after the other, each up to the maximum that an example can use.
    pub ids: Vec<u32>,
    pub lines: Vec<Line>,
    /// Whether the file ends here.
    pub is_last: bool,
}

/// A line, or part of one that continues in the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The number of its ids in the block.
    pub ids: usize,
    /// The number of all its tokens.
    pub length: usize,
    /// The number of `[UNK]` among them.
    pub unknown: usize,
    pub is_blank: bool,
    /// Whether it ends here.
    pub is_whole: bool,
    /// Whether it ends a document, blank or not.
    pub ends_document: bool,
}

impl TokenBlock {
    /// Tokenises a block's lines, except those that it skips; an example uses at most `max_seq_length` tokens
    /// of a line.
    pub fn of(
        block: &Block,
        tokenizer: &Tokenizer,
        cache: &mut WordCache,
        max_seq_length: usize,
    ) -> Self {
        let unk = tokenizer.vocab().unk_id();
        // Text has about four bytes per token.
        let mut ids = Vec::with_capacity(block.text.len() / 4);
        let mut lines = Vec::new();
        let mut ends = block.ends.iter().copied().peekable();
        for (number, (end, line)) in block.lines().enumerate() {
            let ends_document = ends.next_if_eq(&end).is_some();
            if number < block.skip {
                continue;
            }
            let line = line.trim_matches(is_blank);
            let begin = ids.len();
            tokenizer.tokenize_with(line, cache, &mut ids);
            let length = ids.len() - begin;
            let unknown = ids[begin..].iter().filter(|&&id| id == unk).count();
            let kept = length.min(max_seq_length);
            ids.truncate(begin + kept);
            lines.push(Line {
                ids: kept,
                length,
                unknown,
                is_blank: line.is_empty(),
                is_whole: !block.is_open || end < block.text.len(),
                ends_document,
            });
        }
        Self {
            file: block.file,
            ids,
            lines,
            is_last: block.is_last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    #[test]
    fn lines_become_tokens() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let block = Block {
            text: "skipped\n A b b a\n \u{3000}\n\u{200B}\nc\nb".to_owned(),
            ends: vec![8, 28],
            is_open: true,
            skip: 1,
            ..Block::default()
        };
        let found = TokenBlock::of(&block, &tokenizer, &mut WordCache::default(), 3);
        assert_eq!(found.ids, [5, 6, 6, 1, 6]);
        let line = |ids, length, unknown, is_blank| Line {
            ids,
            length,
            unknown,
            is_blank,
            is_whole: true,
            ends_document: false,
        };
        let expected = [
            line(3, 4, 0, false),
            line(0, 0, 0, true),
            // A zero-width space is neither white space nor a token.
            line(0, 0, 0, false),
            Line {
                ends_document: true,
                ..line(1, 1, 1, false)
            },
            Line {
                is_whole: false,
                ..line(1, 1, 0, false)
            },
        ];
        assert_eq!(found.lines, expected);
    }
}
