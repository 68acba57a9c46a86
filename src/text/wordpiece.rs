//! WordPiece: one basic token → vocabulary pieces, greedy longest match first.
//!
//! The pieces come from the `tokenizers` crate, set to the reference's limit: a word of more than
//! 200 code points, or one with a stretch that no piece covers, becomes `[UNK]` as a whole. The
//! preceding basic tokenizer is our own: the crate's normalizer differs from the reference's.

use ahash::AHashMap;
use tokenizers::{Model, models::wordpiece};

use super::vocab::Vocab;

/// Longest word, in code points, that is split into pieces.
const MAX_WORD_CHARS: usize = 200;

/// The pieces of a vocabulary.
#[derive(Debug, Clone)]
pub struct WordPiece {
    model: wordpiece::WordPiece,
    unk_id: u32,
}

impl WordPiece {
    pub fn new(vocab: &Vocab) -> Self {
        let pieces: AHashMap<String, u32> = vocab
            .ids()
            .map(|(token, id)| (token.to_owned(), id))
            .collect();
        let model = wordpiece::WordPiece::builder()
            .vocab(pieces)
            .max_input_chars_per_word(MAX_WORD_CHARS)
            .build()
            .expect("building from a table reads no file");
        WordPiece {
            model,
            unk_id: vocab.unk_id(),
        }
    }

    /// Appends the ids of `word`'s pieces to `ids`. An empty word has none.
    pub fn pieces(&self, word: &str, ids: &mut Vec<u32>) {
        match self.model.tokenize(word) {
            Ok(pieces) => ids.extend(pieces.into_iter().map(|piece| piece.id)),
            // Fails only for a vocabulary without [UNK], which `Vocab` rejects.
            Err(_) => ids.push(self.unk_id),
        }
    }
}

#[cfg(test)]
mod tests {
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
        // Greedy: "ab" is taken first, although "a" + "##b…" might have succeeded.
        assert_eq!(pieces("abx"), [1]);
    }

    #[test]
    fn two_hundred_code_points_are_the_limit() {
        assert_eq!(pieces(&"é".repeat(200)).len(), 200);
        assert_eq!(pieces(&"é".repeat(201)), [1]);
        assert_eq!(pieces(&"a".repeat(150)).len(), 150);
    }
}
