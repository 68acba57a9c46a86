//! Places in a passage: offsets in code points, as data sets count them, and in bytes.

use crate::text::normalizer::is_blank;

/// A text that is asked for its code points again and again.
#[derive(Debug)]
pub struct CodePoints<'a> {
    text: &'a str,
    /// First byte of each code point, and the text's end.
    bytes: Vec<usize>,
}

impl<'a> CodePoints<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut bytes: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
        bytes.push(text.len());
        Self { text, bytes }
    }

    /// The `length` code points from the one numbered `start`; `None` where the text ends before.
    pub fn slice(&self, start: usize, length: usize) -> Option<&'a str> {
        let from = *self.bytes.get(start)?;
        let to = *self.bytes.get(start.checked_add(length)?)?;
        self.text.get(from..to)
    }

    /// How many code points stand before a byte.
    pub fn before(&self, byte: usize) -> usize {
        self.bytes.partition_point(|&begin| begin < byte)
    }
}

/// Byte ranges of the tokens of a text, which Python's `str.split` gives.
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

/// Whether there is nothing to read in a text.
pub fn is_empty(text: &str) -> bool {
    text.chars().all(is_blank)
}

/// Whether two texts differ in case and white space at most.
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
