//! BERT's basic tokenizer: text → lower-case words and single punctuation marks.
//!
//! Follows the reference's order: clean, put spaces around CJK ideographs, split at whitespace,
//! lower-case, NFD without non-spacing marks, split at punctuation. Rust's lower-casing is
//! Unicode's full one, final sigma included, as is Python's. Characters are classified by Unicode
//! 16; the two can differ only in code points assigned since the reference's Unicode version.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// How letters are normalised: a choice made with the vocabulary, which no tensor records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalizer {
    pub lower_case: bool,
    /// Decomposes letters into base and marks, and drops the marks.
    pub strip_accents: bool,
    /// Makes every CJK ideograph a word of its own.
    pub split_ideographs: bool,
}

/// The reference's settings: accents are stripped along with lower-casing, and ideographs stand
/// alone.
impl From<bool> for Normalizer {
    fn from(do_lower_case: bool) -> Self {
        Normalizer {
            lower_case: do_lower_case,
            strip_accents: do_lower_case,
            split_ideographs: true,
        }
    }
}

/// Splits `text` into basic tokens, before word pieces; a `bool` stands for the reference's
/// `do_lower_case`.
///
/// Answer projection aligns these with the passage's own words.
pub fn basic_tokenize(text: &str, normalizer: impl Into<Normalizer>) -> Vec<String> {
    let mut tokens = Vec::new();
    let normalizer = normalizer.into();
    for_each_basic_token(text, normalizer, |token| tokens.push(token.to_owned()));
    tokens
}

/// Calls `visit` with each basic token of `text`, in order.
pub(crate) fn for_each_basic_token(
    text: &str,
    normalizer: Normalizer,
    mut visit: impl FnMut(&str),
) {
    let Normalizer {
        lower_case,
        strip_accents,
        split_ideographs,
    } = normalizer;
    if text.is_ascii() {
        for_each_ascii_token(text, lower_case, &mut visit);
        return;
    }
    let cleaned = clean(text, split_ideographs);
    for word in cleaned.split(is_blank).filter(|word| !word.is_empty()) {
        if word.is_ascii() {
            for_each_ascii_token(word, lower_case, &mut visit);
            continue;
        }
        match (lower_case, strip_accents) {
            (true, true) => split_punctuation(&without_accents(&word.to_lowercase()), &mut visit),
            (true, false) => split_punctuation(&word.to_lowercase(), &mut visit),
            (false, true) => split_punctuation(&without_accents(word), &mut visit),
            (false, false) => split_punctuation(word, &mut visit),
        }
    }
}

fn without_accents(word: &str) -> String {
    word.nfd()
        .filter(|&c| get_general_category(c) != GeneralCategory::NonspacingMark)
        .collect()
}

/// Does the same in a single pass: ASCII has no ideographs, accents or special lower-casing.
fn for_each_ascii_token(text: &str, lower_case: bool, visit: &mut impl FnMut(&str)) {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        let ends = byte == b' ' || (b'\t'..=b'\n').contains(&byte) || byte == b'\r';
        if ends || byte.is_ascii_punctuation() {
            if !token.is_empty() {
                visit(&token);
                token.clear();
            }
            if !ends {
                token.push(char::from(byte));
                visit(&token);
                token.clear();
            }
        } else if !byte.is_ascii_control() {
            token.push(char::from(if lower_case {
                byte.to_ascii_lowercase()
            } else {
                byte
            }));
        }
    }
    if !token.is_empty() {
        visit(&token);
    }
}

/// Drops control and invalid characters, turns every whitespace character into a space, and puts
/// spaces around ideographs if they are to be split.
fn clean(text: &str, split_ideographs: bool) -> String {
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' | ' ' => cleaned.push(' '),
            '!'..='~' => cleaned.push(c),
            '\0' | '\u{FFFD}' => {}
            _ if split_ideographs && is_ideograph(c) => {
                cleaned.push(' ');
                cleaned.push(c);
                cleaned.push(' ');
            }
            _ => match get_general_category(c) {
                GeneralCategory::SpaceSeparator => cleaned.push(' '),
                GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::Surrogate
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned => {}
                _ => cleaned.push(c),
            },
        }
    }
    cleaned
}

fn split_punctuation(word: &str, visit: &mut impl FnMut(&str)) {
    let mut start = 0;
    for (at, c) in word.char_indices() {
        if is_punctuation(c) {
            if start < at {
                visit(&word[start..at]);
            }
            start = at + c.len_utf8();
            visit(&word[at..start]);
        }
    }
    if start < word.len() {
        visit(&word[start..]);
    }
}

/// Counts every ASCII mark as punctuation, even those that Unicode calls symbols, such as `$`, `^`
/// and `` ` ``.
pub(crate) fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    matches!(
        get_general_category(c),
        GeneralCategory::ConnectorPunctuation
            | GeneralCategory::DashPunctuation
            | GeneralCategory::OpenPunctuation
            | GeneralCategory::ClosePunctuation
            | GeneralCategory::InitialPunctuation
            | GeneralCategory::FinalPunctuation
            | GeneralCategory::OtherPunctuation
    )
}

/// Returns whether `c` is in one of the eight blocks that BERT splits. Kana and Hangul are not
/// among them.
pub(crate) fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{4E00}'..='\u{9FFF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}'
        | '\u{2B740}'..='\u{2B81F}'
        | '\u{2B820}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{2F800}'..='\u{2FA1F}')
}

/// Returns whether Python's `str.split` and `str.strip` treat `c` as whitespace: Unicode's white
/// space and the four information separators.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(text: &str) -> Vec<String> {
        basic_tokenize(text, true)
    }

    #[test]
    fn splits_at_ascii_marks_and_lower_cases() {
        assert_eq!(
            lower("The U.S.  (1895-1943) costs $5^2 `x`~"),
            [
                "the", "u", ".", "s", ".", "(", "1895", "-", "1943", ")", "costs", "$", "5", "^",
                "2", "`", "x", "`", "~"
            ]
        );
        assert_eq!(basic_tokenize("Ab-Cé", false), ["Ab", "-", "Cé"]);
    }

    #[test]
    fn drops_accents_only_with_lower_casing() {
        assert_eq!(
            lower("Élan NAÏVE e\u{301}t\u{E9}"),
            ["elan", "naive", "ete"]
        );
        assert_eq!(basic_tokenize("Élan", false), ["Élan"]);
        // A vowel sign (Mc) stays; a nukta and a virama (Mn) are dropped.
        assert_eq!(lower("\u{915}\u{93C}\u{94D}\u{93F}"), ["\u{915}\u{93F}"]);
    }

    #[test]
    fn accents_and_ideographs_are_as_the_model_has_them() {
        let tokens = |lower_case, strip_accents, split_ideographs| {
            let normalizer = Normalizer {
                lower_case,
                strip_accents,
                split_ideographs,
            };
            basic_tokenize("Müller İ Ça\u{300} 第50回", normalizer)
        };
        // As the `tokenizers` crate gives them with BertNormalizer's settings.
        assert_eq!(
            tokens(true, false, true),
            ["müller", "i\u{307}", "ça\u{300}", "第", "50", "回"]
        );
        assert_eq!(
            tokens(false, true, true),
            ["Muller", "I", "Ca", "第", "50", "回"]
        );
        assert_eq!(tokens(true, true, false), ["muller", "i", "ca", "第50回"]);
        assert_eq!(
            tokens(false, false, false),
            ["Müller", "İ", "Ça\u{300}", "第50回"]
        );
    }

    #[test]
    fn lower_cases_as_python_does() {
        // Dotted capital I becomes i + U+0307, and NFD then drops the mark.
        assert_eq!(lower("İstanbul"), ["istanbul"]);
        // Final sigma, even before a mark that is not a letter.
        assert_eq!(lower("ΟΔΟΣ ΟΔΟΣ. ΣΑΣ"), ["οδος", "οδος", ".", "σας"]);
        assert_eq!(lower("STRAẞE"), ["straße"]);
        // Kelvin sign; an ideograph's compatibility form is decomposed.
        assert_eq!(lower("\u{212A}\u{F900}"), ["k", "\u{8C48}"]);
    }

    #[test]
    fn control_characters_vanish_without_parting_words() {
        assert_eq!(
            lower("a\u{0}b\u{FFFD}c\u{7F}d\u{AD}e\u{200B}f\u{E000}g\u{B}h\u{1C}i\u{85}j"),
            ["abcdefghij"]
        );
        assert_eq!(lower("a\u{1}b\u{1F}c"), ["abc"]);
        assert_eq!(lower("\u{200D}"), Vec::<String>::new());
    }

    #[test]
    fn every_space_parts_tokens() {
        assert_eq!(
            lower("a\tb\nc\rd\u{A0}e\u{2009}f\u{202F}g\u{3000}h"),
            ["a", "b", "c", "d", "e", "f", "g", "h"]
        );
        // Line and paragraph separators are neither control nor Zs; the final split removes them.
        assert_eq!(lower("a\u{2028}b\u{2029}c"), ["a", "b", "c"]);
    }

    #[test]
    fn ideographs_stand_alone_but_kana_and_hangul_do_not() {
        assert_eq!(lower("第50回abc"), ["第", "50", "回", "abc"]);
        // NFD decomposes Hangul and strips the voicing mark from kana.
        assert_eq!(lower("ガタ한"), ["カタ\u{1112}\u{1161}\u{11AB}"]);
        assert_eq!(
            lower("x\u{20000}y\u{2CEAF}z"),
            ["x", "\u{20000}", "y", "\u{2CEAF}", "z"]
        );
        // Extension F is outside the eight blocks.
        assert_eq!(lower("x\u{2CEB0}y"), ["x\u{2CEB0}y"]);
    }

    #[test]
    fn unicode_punctuation_stands_alone_but_symbols_do_not() {
        assert_eq!(
            lower("“aé”—b…c¡d、e"),
            ["“", "ae", "”", "—", "b", "…", "c", "¡", "d", "、", "e"]
        );
        assert_eq!(lower("5€é+2°"), ["5€e", "+", "2°"]);
    }
}
