//! Limits a file to its first examples.

use std::fmt;

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

use super::figures::{Figure, Scores};

/// The keys under which this is stored among the metrics.
const FIRST: &str = "examples";
const OF: &str = "examples_in_file";

/// How many of a file's leading examples are used; shown as `100 of 11,873`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub first: usize,
    pub of: usize,
}

impl Taken {
    /// Limits `of` examples to at most `most`; `None` if that is all of them.
    pub fn new(most: Option<usize>, of: usize) -> Option<Self> {
        let first = most.filter(|&most| most < of)?;
        Some(Self { first, of })
    }

    /// Truncates a file's examples to at most `most`.
    pub fn keep<T>(most: Option<usize>, examples: &mut Vec<T>) -> Option<Self> {
        let taken = Self::new(most, examples.len())?;
        examples.truncate(taken.first);
        Some(taken)
    }

    /// Limits the `count` examples that were already taken from a file to at most `most`.
    pub fn again(before: Option<Self>, most: usize, count: usize) -> Option<Self> {
        let of = before.map_or(count, |before| before.of);
        Self::new(Some(most.min(count)), of)
    }

    /// Reads it from metrics.
    pub fn of(scores: &Scores) -> Option<Self> {
        let count = |key| scores.get(key).map(|count| count as usize);
        Some(Self {
            first: count(FIRST)?,
            of: count(OF)?,
        })
    }

    /// Adds it to the metrics.
    pub fn push(self, scores: &mut Scores) {
        scores.push(FIRST, Figure::Count(self.first));
        scores.push(OF, Figure::Count(self.of));
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, of] = [self.first, self.of].map(|count| HumanCount(count as u64));
        write!(f, "{first} of {of}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_of_how_many_examples_they_are() {
        let mut examples = vec![0; 2000];
        assert_eq!(Taken::keep(None, &mut examples), None);
        assert_eq!(Taken::keep(Some(2000), &mut examples), None);
        let taken = Taken::keep(Some(50), &mut examples).unwrap();
        assert_eq!(
            (examples.len(), taken.to_string()),
            (50, "50 of 2,000".to_owned())
        );
        let again = |before, most| Taken::again(before, most, 50);
        assert_eq!(
            again(Some(taken), 20),
            Some(Taken {
                first: 20,
                of: 2000
            })
        );
        assert_eq!(again(Some(taken), 60), Some(taken));
        assert_eq!(again(None, 20), Some(Taken { first: 20, of: 50 }));
        assert_eq!(again(None, 50), None);
        let mut scores = Scores::default();
        assert_eq!(Taken::of(&scores), None);
        taken.push(&mut scores);
        assert_eq!(Taken::of(&scores), Some(taken));
        assert_eq!(scores.line(), "examples: 50.00 - examples_in_file: 2000.00");
    }
}
