//! An answer's text → the words that are compared with gold answers.
//!
//! All three official scorers normalise alike: lower-case, drop ASCII punctuation, replace the
//! articles by blanks, split at whitespace. They use Python's string methods, whose notions of
//! space and of word character are reproduced here.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Returns whether Python's `str.split` splits at `c`: Unicode's white space and the four
/// information separators.
pub fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c)
}

/// Returns the words of a normalised answer, in order; joined by blanks they are what the official
/// scripts call the normalised answer, so equal words are an exact match.
pub fn normalize(answer: &str) -> Vec<String> {
    let mut text = answer.to_lowercase();
    text.retain(|c| !c.is_ascii_punctuation());

    // Articles are dropped between word boundaries, not only between blanks: "the–end" loses one.
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let in_word = is_word(first);
        let end = rest.find(|c| is_word(c) != in_word).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        let article = in_word && matches!(run, "a" | "an" | "the");
        kept.push_str(if article { " " } else { run });
        rest = tail;
    }
    kept.split(is_python_space)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns whether `c` matches `\w` in Python's `re`: letters and numbers of any script. Marks do
/// not, although Rust's `is_alphanumeric` accepts some. (`_` does, but has already been dropped as
/// punctuation.)
pub fn is_word(c: char) -> bool {
    use GeneralCategory as Category;
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    matches!(
        get_general_category(c),
        Category::UppercaseLetter
            | Category::LowercaseLetter
            | Category::TitlecaseLetter
            | Category::ModifierLetter
            | Category::OtherLetter
            | Category::DecimalNumber
            | Category::LetterNumber
            | Category::OtherNumber
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_articles_fall_away() {
        assert_eq!(
            normalize("The  Beyoncé's \"AN apple\" a_b."),
            ["beyoncés", "apple", "ab"]
        );
        assert_eq!(normalize("A, the, an!"), [""; 0]);
        assert_eq!(
            normalize("another theory at a U.S.A. base"),
            ["another", "theory", "at", "usa", "base"]
        );
    }

    #[test]
    fn only_ascii_punctuation_falls_away() {
        assert_eq!(normalize("1641–1679 «x»"), ["1641–1679", "«x»"]);
    }

    /// Values printed by Python 3.11's `re.sub(r'\b(a|an|the)\b', ' ', text).split()`.
    #[test]
    fn word_boundaries_are_those_of_python() {
        // A dash bounds a word; an accented or Chinese letter does not.
        assert_eq!(normalize("the–end of a–b"), ["–end", "of", "–b"]);
        assert_eq!(normalize("aé 中a a中 ²a"), ["aé", "中a", "a中", "²a"]);
        // A combining mark is not a word character, even one that Unicode calls alphabetic.
        assert_eq!(normalize("a\u{301} a\u{345}b"), ["\u{301}", "\u{345}b"]);
    }

    #[test]
    fn spaces_are_those_of_python() {
        assert_eq!(
            normalize("x\u{A0}y\u{1F}z\u{2028}u\u{200B}v\u{85}w"),
            ["x", "y", "z", "u\u{200B}v", "w"]
        );
    }

    #[test]
    fn lower_casing_is_the_full_one() {
        assert_eq!(normalize("ΟΔΟΣ İ"), ["οδος", "i\u{307}"]);
    }
}
