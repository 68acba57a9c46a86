//! One word's tag: `O`, or a mark and a type, such as `B-NP`.

use std::{fmt, sync::Arc};

use super::rules::Rules;

/// A word's position in its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    Begin,
    Inside,
    End,
    Single,
}

impl Mark {
    pub const ALL: [Self; 4] = [Self::Begin, Self::Inside, Self::End, Self::Single];

    /// Returns its letter in BIOES.
    pub fn letter(self) -> char {
        match self {
            Self::Begin => 'B',
            Self::Inside => 'I',
            Self::End => 'E',
            Self::Single => 'S',
        }
    }

    /// Parses a letter of IOB, BIOES, BILOU or BMES. The reference does not know the last two, and
    /// would continue a span at each of their letters.
    fn of(letters: &str) -> Option<Self> {
        Some(match letters {
            "B" => Self::Begin,
            "I" | "M" => Self::Inside,
            "E" | "L" => Self::End,
            "S" | "U" => Self::Single,
            _ => return None,
        })
    }
}

/// A word's tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    Outside,
    /// In a span of this type.
    In(Mark, Arc<str>),
}

/// Why a text is not a valid tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTag {
    pub expected: &'static str,
    pub advice: &'static str,
}

impl Tag {
    /// Parses a tag.
    ///
    /// # Errors
    /// If it is neither `O` nor a mark, a hyphen and a type.
    pub fn parse(text: &str, rules: Rules) -> Result<Self, NoTag> {
        if text == "O" {
            return Ok(Self::Outside);
        }
        let Some((mark, kind)) = text.split_once('-') else {
            return Err(NoTag {
                expected: "O, or a tag with a hyphen such as B-NP",
                advice: "name the column that has the tags; tags that mark no spans, such as parts of \
                         speech, cannot be learnt",
            });
        };
        // The reference splits at every hyphen into exactly two names, and fails if there are more.
        if rules == Rules::Reference && kind.contains('-') {
            return Err(NoTag {
                expected: "a tag with exactly one hyphen",
                advice: "write the type without a hyphen: B-GPE_LOC",
            });
        }
        if kind.is_empty() {
            return Err(NoTag {
                expected: "a type after the hyphen",
                advice: "write the tag as B-NP, or O outside any span",
            });
        }
        let mark = Mark::of(mark).ok_or(NoTag {
            expected: "a tag that begins with B-, I-, E- or S-, or as BILOU and BMES do",
            advice: "write tags as IOB1, IOB2, BIOES or BILOU does, the mark before the type",
        })?;
        Ok(Self::In(mark, kind.into()))
    }

    /// Returns the type of its span, if it is in one.
    pub fn kind(&self) -> Option<&Arc<str>> {
        match self {
            Self::Outside => None,
            Self::In(_, kind) => Some(kind),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("O"),
            Self::In(mark, kind) => write!(f, "{}-{kind}", mark.letter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_mark_and_a_type() {
        for (text, shown) in [
            ("O", "O"),
            ("B-NP", "B-NP"),
            ("L-NP", "E-NP"),
            ("U-NP", "S-NP"),
            ("M-NP", "I-NP"),
            ("S-é", "S-é"),
        ] {
            for rules in [Rules::Reference, Rules::Usual] {
                assert_eq!(Tag::parse(text, rules).unwrap().to_string(), shown);
            }
        }
        for text in ["", "o", "NN", "X-NP", "-NP", "B-", "b-NP", "PER-B", "BI-NP"] {
            for rules in [Rules::Reference, Rules::Usual] {
                assert!(Tag::parse(text, rules).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn a_type_has_hyphens_by_the_usual_rules_only() {
        let tag = Tag::parse("B-creative-work", Rules::Usual).unwrap();
        assert_eq!(tag.kind().unwrap().as_ref(), "creative-work");
        let no_tag = Tag::parse("B-creative-work", Rules::Reference).unwrap_err();
        assert_eq!(no_tag.expected, "a tag with exactly one hyphen");
    }
}
