//! Detects the scheme by which a file marks its spans, IOB1, IOB2 or BIOES, and the tags that
//! violate it.
//!
//! Reading accepts them as they are (`span::spans`); `electra data check` reports where they are.

use super::tag::{Mark, Tag};

/// A scheme for marking spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `B` only if a span directly follows another of its own type.
    Iob1,
    /// `B` at the beginning of every span.
    Iob2,
    /// `E` at the end of every span, `S` for a single word; BILOU and BMES are read as this.
    Bioes,
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Iob1 => "IOB1",
            Self::Iob2 => "IOB2",
            Self::Bioes => "BIOES",
        }
    }
}

/// A tag that is inconsistent with its neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    pub line: usize,
    pub tag: Tag,
    pub why: &'static str,
}

/// What a file's tags reveal about their scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether there is an `E` or an `S`.
    ends: bool,
    /// Whether a `B` occurs anywhere but after a span of its own type.
    begins: bool,
    /// `I` and `E` that do not follow a word of their span.
    uncontinued: Vec<Stray>,
    /// `B` and `I` that are not followed by `I` or `E`.
    open: Vec<Stray>,
}

impl Marks {
    /// Adds the tags of a sentence, each with its line.
    pub fn add<'a>(&mut self, tags: impl IntoIterator<Item = (&'a Tag, usize)>) {
        let mut last: Option<(Mark, &Tag, usize)> = None;
        for (tag, line) in tags {
            let Tag::In(mark, kind) = tag else {
                self.leave(last.take());
                continue;
            };
            let beside = last.filter(|(_, tag, _)| tag.kind() == Some(kind));
            let runs = matches!(beside, Some((Mark::Begin | Mark::Inside, ..)));
            self.ends |= matches!(mark, Mark::End | Mark::Single);
            let goes_on = matches!(mark, Mark::Inside | Mark::End);
            if goes_on && !runs {
                self.uncontinued.push(Stray {
                    line,
                    tag: tag.clone(),
                    why: match last {
                        None => "behind O or at the beginning",
                        Some(_) if beside.is_none() => "after a span of another type",
                        Some(_) => "behind the end of a span",
                    },
                });
            }
            self.begins |= *mark == Mark::Begin && beside.is_none();
            if !(goes_on && runs) {
                self.leave(last);
            }
            last = Some((*mark, tag, line));
        }
        self.leave(last);
    }

    /// Records a span that is not continued.
    fn leave(&mut self, last: Option<(Mark, &Tag, usize)>) {
        if let Some((Mark::Begin | Mark::Inside, tag, line)) = last {
            self.open.push(Stray {
                line,
                tag: tag.clone(),
                why: "without E, the end of its span",
            });
        }
    }

    /// Returns the scheme of the marks.
    pub fn scheme(&self) -> Scheme {
        match (self.ends, self.begins) {
            (true, _) => Scheme::Bioes,
            (false, false) if !self.uncontinued.is_empty() => Scheme::Iob1,
            (false, _) => Scheme::Iob2,
        }
    }

    /// Returns the tags that the scheme does not allow, by line.
    pub fn ill_formed(&self) -> Vec<&Stray> {
        let mut strays: Vec<&Stray> = match self.scheme() {
            Scheme::Iob1 => Vec::new(),
            Scheme::Iob2 => self.uncontinued.iter().collect(),
            Scheme::Bioes => self.uncontinued.iter().chain(&self.open).collect(),
        };
        strays.sort_by_key(|stray| stray.line);
        strays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::tagging::rules::Rules;

    fn marks(sentences: &[&str]) -> Marks {
        let mut marks = Marks::default();
        let mut line = 0;
        for sentence in sentences {
            let tags: Vec<Tag> = sentence
                .split(' ')
                .map(|tag| Tag::parse(tag, Rules::Usual).unwrap())
                .collect();
            let lines = line + 1..;
            marks.add(tags.iter().zip(lines));
            line += tags.len() + 1;
        }
        marks
    }

    #[test]
    fn tags_are_ill_formed_by_the_scheme_of_their_file() {
        for (sentences, scheme, expected) in [
            (&["I-A I-A B-A O I-B"][..], "IOB1", &[][..]),
            (&["B-A I-A O B-B", "O I-B"], "IOB2", &[7]),
            (&["B-A I-B"], "IOB2", &[2]),
            (&["O O"], "IOB2", &[]),
            (&["B-A I-A E-A S-B O", "B-A E-A"], "BIOES", &[]),
            (
                &["B-A O S-B", "E-B", "S-A I-A E-A", "B-A"],
                "BIOES",
                &[1, 5, 8, 11],
            ),
            (&["B-A B-A E-A", "B-A S-A"], "BIOES", &[1, 5]),
        ] {
            let marks = marks(sentences);
            assert_eq!(marks.scheme().name(), scheme, "{sentences:?}");
            let lines: Vec<usize> = marks.ill_formed().iter().map(|s| s.line).collect();
            assert_eq!(lines, expected, "{sentences:?}");
        }
    }
}
