//! Positions in a passage: offsets in code points, as data sets count them, and in bytes.

use crate::text::normalizer::is_blank;

/// A text that is repeatedly indexed by code point.
#[derive(Debug)]
pub struct CodePoints<'a> {
    text: &'a str,
    /// Byte offset of each code point, followed by the text's length.
    bytes: Vec<usize>,
}

impl<'a> CodePoints<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        Self { text, bytes }
    }

    /// Returns the `length` code points from number `start` on; `None` if the text ends before
    /// that.
    pub fn slice(&self, start: usize, length: usize) -> Option<&'a str> {
        let from = *self.bytes.get(start)?;
        let to = *self.bytes.get(start.checked_add(length)?)?;
        self.text.get(from..to)
    }

    /// Returns how many code points precede a byte.
    pub fn before(&self, byte: usize) -> usize {
        self.bytes.partition_point(|&begin| begin < byte)
    }
}

/// Returns the byte ranges of a text's tokens, as Python's `str.split` gives them.
pub fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut begin = None;
    for (byte, c) in text.char_indices() {
        if !is_blank(c) {
            begin.get_or_insert(byte);
        } else if let Some(begin) = begin.take() {
            tokens.push((begin, byte));
        }
    }
    tokens.extend(begin.map(|begin| (begin, text.len())));
    tokens
}

/// Returns whether a text has nothing to read.
pub fn is_empty(text: &str) -> bool {
    text.chars().all(is_blank)
}

/// Returns whether two texts differ at most in case and whitespace.
pub fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| {
        let words = text.split(is_blank).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect::<Vec<_>>()
    };
    words(a) == words(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_are_not_bytes() {
        let points = CodePoints::new("é😀 oak");
        assert_eq!(points.slice(1, 1), Some("😀"));
        assert_eq!(points.slice(3, 3), Some("oak"));
        assert_eq!(points.slice(6, 0), Some(""));
        assert_eq!(points.slice(4, 3), None);
        assert_eq!(points.slice(usize::MAX, 1), None);
        assert_eq!(points.slice(1, usize::MAX), None);
        assert_eq!(points.before("é😀 ".len()), 3);
    }

    #[test]
    fn tokens_part_at_any_white_space() {
        let text = "  an\u{A0}old\n oak";
        let found: Vec<&str> = tokens(text).iter().map(|&(a, b)| &text[a..b]).collect();
        assert_eq!(found, ["an", "old", "oak"]);
        assert!(tokens(" \u{1C}").is_empty());
    }

    #[test]
    fn words_are_compared_without_case_and_spaces() {
        assert!(same_words("An  OAK\n", "an oak"));
        assert!(!same_words("an oak", "anoak"));
        assert!(is_empty(" \n") && !is_empty(" a"));
    }
}
