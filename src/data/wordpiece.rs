//! WordPiece: one basic token → vocabulary pieces, greedy and longest first.
//!
//! The piece at a word's start and the pieces that continue it (`##…` in the vocabulary) are
//! looked up in two tables, so that no string is built per attempt. A word of more than 200
//! code points, or one with a stretch that no piece covers, is `[UNK]` as a whole.

use std::collections::HashMap;

use super::vocab::Vocab;

/// The longest word, in code points, that is taken apart.
const MAX_WORD_CHARS: usize = 200;

/// The pieces of a vocabulary, arranged for look-up.
#[derive(Debug, Clone)]
pub struct WordPiece {
    starts: Pieces,
    continuations: Pieces,
    unk_id: u32,
}

#[derive(Debug, Clone, Default)]
struct Pieces {
    ids: HashMap<Box<str>, u32>,
    /// Bytes of the longest piece: no longer stretch need be tried.
    longest: usize,
}

impl Pieces {
    fn insert(&mut self, piece: &str, id: u32) {
        self.longest = self.longest.max(piece.len());
        self.ids.insert(piece.into(), id);
    }

    /// The longest piece that `rest` begins with, as its id and length in bytes.
    fn longest_prefix(&self, rest: &str) -> Option<(u32, usize)> {
        let mut end = rest.floor_char_boundary(self.longest);
        while end > 0 {
            if let Some(&id) = self.ids.get(&rest[..end]) {
                return Some((id, end));
            }
            end = rest.floor_char_boundary(end - 1);
        }
        None
    }
}

impl WordPiece {
    pub fn new(vocab: &Vocab) -> Self {
        let mut starts = Pieces::default();
        let mut continuations = Pieces::default();
        for (token, id) in vocab.ids() {
            starts.insert(token, id);
            if let Some(continuation) = token.strip_prefix("##") {
                continuations.insert(continuation, id);
            }
        }
        WordPiece {
            starts,
            continuations,
            unk_id: vocab.unk_id(),
        }
    }

    /// Appends the ids of `word`'s pieces to `ids`. An empty word has none.
    pub fn pieces(&self, word: &str, ids: &mut Vec<u32>) {
        // Fewer bytes than that are certainly fewer code points.
        if word.len() > MAX_WORD_CHARS && word.chars().count() > MAX_WORD_CHARS {
            ids.push(self.unk_id);
            return;
        }
        let first = ids.len();
        let mut rest = word;
        let mut table = &self.starts;
        while !rest.is_empty() {
            let Some((id, length)) = table.longest_prefix(rest) else {
                ids.truncate(first);
                ids.push(self.unk_id);
                return;
            };
            ids.push(id);
            rest = &rest[length..];
            table = &self.continuations;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::Model;

    use super::*;

    const VOCAB: &str =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n##a\na\n##b\nb\nab\n##ab\né\n##é\n##ßb\n##";

    fn pieces(word: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        WordPiece::new(&Vocab::parse(VOCAB, "v").unwrap()).pieces(word, &mut ids);
        ids
    }

    #[test]
    fn longest_piece_first() {
        assert_eq!(pieces("unaffable"), [4, 5, 6]);
        assert_eq!(pieces("abab"), [11, 12]);
        assert_eq!(pieces("aébßb"), [8, 14, 9, 15]);
        assert_eq!(pieces(""), [0; 0]);
    }

    #[test]
    fn a_word_with_a_gap_is_unknown_as_a_whole() {
        assert_eq!(pieces("unaffx"), [1]);
        assert_eq!(pieces("x"), [1]);
        // Greedy: "ab" is taken first, although "a" + "##b…" might have gone on.
        assert_eq!(pieces("abx"), [1]);
    }

    #[test]
    fn two_hundred_code_points_are_the_limit() {
        assert_eq!(pieces(&"é".repeat(200)).len(), 200);
        assert_eq!(pieces(&"é".repeat(201)), [1]);
        assert_eq!(pieces(&"a".repeat(150)).len(), 150);
    }

    proptest! {
        /// Another implementation, set to the reference's limit, finds the same pieces.
        #[test]
        fn agrees_with_the_tokenizers_crate(word in "[abéßunf#x]{0,210}|(ab|un|aff|é){60,220}") {
            let theirs = tokenizers::models::wordpiece::WordPiece::builder()
                .vocab(tokenizers::models::wordpiece::WordPiece::read_bytes(VOCAB.as_bytes()).unwrap())
                .max_input_chars_per_word(MAX_WORD_CHARS)
                .build()
                .unwrap();
            let expected: Vec<u32> =
                theirs.tokenize(&word).unwrap().into_iter().map(|token| token.id).collect();
            prop_assert_eq!(pieces(&word), expected);
        }
    }
}
