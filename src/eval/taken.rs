//! The first examples of a file, where no more of them are taken.

use std::fmt;

use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

use super::figures::{Figure, Scores};

/// The figures that tell it among those of the examples.
const FIRST: &str = "examples";
const OF: &str = "examples_in_file";

/// How many of a file's examples are taken, from its first on; shown as `100 of 11,873`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub first: usize,
    pub of: usize,
}

impl Taken {
    /// At most `most` of so many; `None` if that is all of them.
    pub fn new(most: Option<usize>, of: usize) -> Option<Self> {
        let first = most.filter(|&most| most < of)?;
        Some(Self { first, of })
    }

    /// Keeps as many of a file's examples.
    pub fn keep<T>(most: Option<usize>, examples: &mut Vec<T>) -> Option<Self> {
        let taken = Self::new(most, examples.len())?;
        examples.truncate(taken.first);
        Some(taken)
    }

    /// At most `most` of the `count` examples that were taken of a file before.
    pub fn again(before: Option<Self>, most: usize, count: usize) -> Option<Self> {
        let of = before.map_or(count, |before| before.of);
        Self::new(Some(most.min(count)), of)
    }

    /// What figures tell of their examples.
    pub fn of(scores: &Scores) -> Option<Self> {
        let count = |key| scores.get(key).map(|count| count as usize);
        Some(Self {
            first: count(FIRST)?,
            of: count(OF)?,
        })
    }

    /// Tells it among the figures of the examples.
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
