//! Caches the pieces of words seen before: a long text mostly consists of the same few words.

use ahash::AHashMap;

use super::wordpiece::WordPiece;

/// Most words kept; after that the cache starts over.
const WORDS: usize = 1 << 16;

/// The pieces of one vocabulary's words.
#[derive(Debug, Default)]
pub struct WordCache {
    /// Where a word's ids are in `ids`.
    places: AHashMap<Box<str>, (usize, usize)>,
    ids: Vec<u32>,
}

impl WordCache {
    /// Same as [`WordPiece::pieces`], with a WordPiece that must be the same in every call.
    pub(super) fn pieces(&mut self, wordpiece: &WordPiece, word: &str, ids: &mut Vec<u32>) {
        if let Some(&(begin, end)) = self.places.get(word) {
            ids.extend_from_slice(&self.ids[begin..end]);
            return;
        }
        if self.places.len() >= WORDS {
            self.places.clear();
            self.ids.clear();
        }
        let begin = self.ids.len();
        wordpiece.pieces(word, &mut self.ids);
        ids.extend_from_slice(&self.ids[begin..]);
        self.places.insert(word.into(), (begin, self.ids.len()));
    }
}
