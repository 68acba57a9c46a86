//! Predicted tokens → the passage's own characters.
//!
//! Word pieces are lower-cased, without accents and split at punctuation. The answer should read as
//! in the passage, yet without anything attached to a word: of "Smith's" perhaps only "Smith".
//! Reproduces BERT's character alignment between the passage's words and their basic tokens.

use std::ops::Range;

use crate::tasks::qa::scorers::normalize::is_python_space;

/// Joins word pieces to text: `##` continues a word, and a single blank separates words.
pub fn detokenize<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    let tokens: Vec<&str> = tokens.into_iter().collect();
    let joined = tokens.join(" ").replace(" ##", "").replace("##", "");
    let words: Vec<&str> = joined
        .split(is_python_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// Returns the bytes of `original`, the passage's words joined by blanks, to which `predicted`
/// corresponds, given the basic tokens of `original`; all of `original` if the two cannot be
/// aligned character by character.
pub fn project(predicted: &str, original: &str, basic_tokens: &[String]) -> Range<usize> {
    aligned(predicted, original, &basic_tokens.join(" ")).unwrap_or(0..original.len())
}

fn aligned(predicted: &str, original: &str, tokenized: &str) -> Option<Range<usize>> {
    let found = tokenized.find(predicted)?;
    // The first and last non-blank characters of the prediction, by the bytes at which they start.
    // An empty prediction has no last character.
    let (last, _) = predicted.char_indices().next_back()?;
    let places = without_blanks(tokenized);
    let first = places.binary_search(&found).ok()?;
    let last = places.binary_search(&(found + last)).ok()?;

    let originals = without_blanks(original);
    if originals.len() != places.len() {
        return None;
    }
    let start = *originals.get(first)?;
    let end = *originals.get(last)?;
    let end = end + original.get(end..)?.chars().next()?.len_utf8();
    (start <= end).then_some(start..end)
}

/// Returns the byte at which each non-blank character starts.
fn without_blanks(text: &str) -> Vec<usize> {
    text.char_indices()
        .filter(|&(_, c)| c != ' ')
        .map(|(place, _)| place)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::normalizer::basic_tokenize;

    fn projected(predicted: &str, original: &str) -> String {
        let place = project(predicted, original, &basic_tokenize(original, true));
        original[place].to_owned()
    }

    #[test]
    fn pieces_are_joined() {
        assert_eq!(detokenize(["steve", "smith"]), "steve smith");
        assert_eq!(
            detokenize(["##ant", "##i", "-", "inf", "##lam"]),
            "anti - inflam"
        );
        assert_eq!(detokenize(["a", "##", "b"]), "a b");
        assert_eq!(detokenize(["a\u{3000}b", ""]), "a b");
        assert_eq!(detokenize([]), "");
    }

    #[test]
    fn only_the_predicted_characters_are_taken() {
        assert_eq!(projected("steve smith", "Steve Smith's"), "Steve Smith");
        assert_eq!(
            projected("( 1895 - 1943 )", "was (1895-1943)."),
            "(1895-1943)"
        );
        assert_eq!(projected("1943", "(1895-1943)."), "1943");
        // The first occurrence counts, even inside another word.
        assert_eq!(projected("art", "Party art"), "art");
    }

    #[test]
    fn accents_and_case_come_back() {
        assert_eq!(projected("elodie", "Élodie’s 𝒜 café"), "Élodie");
        assert_eq!(projected("cafe", "Élodie’s 𝒜 café,"), "café");
        assert_eq!(projected("’ s", "Élodie’s"), "’s");
    }

    #[test]
    fn what_cannot_be_aligned_is_given_whole() {
        // An unknown word is not found among the basic tokens.
        assert_eq!(projected("[UNK] oak", "日x oak."), "日x oak.");
        // The no-break space inside a word is dropped as a blank, so the lengths differ.
        assert_eq!(projected("oak", "an\u{A0}old oak."), "an\u{A0}old oak.");
        assert_eq!(projected("", "An oak."), "An oak.");
        assert_eq!(projected("oak", ""), "");
    }

    #[test]
    fn decomposed_letters_are_not_aligned() {
        // NFD decomposes Hangul, so the lengths differ.
        assert_eq!(projected("oak", "한 oak."), "한 oak.");
    }
}
