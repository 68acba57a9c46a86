//! Lengths in characters (code points): extremes and histograms.

use serde::Serialize;

use super::{distinct_questions::DistinctQuestions, judgement::Judgement};

/// Minimum, maximum and typical values of some lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Extremes {
    pub count: usize,
    pub min: usize,
    /// The lower of the two middle values if their number is even.
    pub median: usize,
    pub mean: f64,
    pub max: usize,
}

impl FromIterator<usize> for Extremes {
    fn from_iter<I: IntoIterator<Item = usize>>(lengths: I) -> Self {
        let mut lengths: Vec<usize> = lengths.into_iter().collect();
        lengths.sort_unstable();
        let count = lengths.len();
        Self {
            count,
            min: lengths.first().copied().unwrap_or(0),
            median: lengths
                .get(count.saturating_sub(1) / 2)
                .copied()
                .unwrap_or(0),
            mean: lengths.iter().sum::<usize>() as f64 / count.max(1) as f64,
            max: lengths.last().copied().unwrap_or(0),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The predicted answer, if one is given.
    Answer,
    Question,
    /// The passage, once for each of its questions.
    Context,
}

impl Measure {
    pub const ALL: [Measure; 3] = [Measure::Answer, Measure::Question, Measure::Context];

    pub fn name(self) -> &'static str {
        match self {
            Measure::Answer => "predicted answer",
            Measure::Question => "question",
            Measure::Context => "passage",
        }
    }

    /// Returns the length; `None` for an answer that is not given.
    pub fn of(self, judgement: &Judgement, questions: &DistinctQuestions) -> Option<usize> {
        let text = match self {
            Measure::Answer => &judgement.prediction,
            Measure::Question => &judgement.of(questions).text,
            Measure::Context => &judgement.paragraph(questions).context,
        };
        let length = text.chars().count();
        (self != Measure::Answer || length > 0).then_some(length)
    }
}

/// The lengths in a data file and its predictions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LengthSummary {
    /// Each gold answer of each predicted question.
    pub gold_answers: Extremes,
    pub predictions: Extremes,
    pub questions: Extremes,
    pub contexts: Extremes,
}

impl LengthSummary {
    pub fn new(questions: &DistinctQuestions, judgements: &[Judgement]) -> Self {
        let of = |measure: Measure| {
            let judged = judgements.iter();
            judged.filter_map(|j| measure.of(j, questions)).collect()
        };
        let gold = judgements.iter().flat_map(|j| &j.of(questions).answers);
        Self {
            gold_answers: gold.map(|answer| answer.text.chars().count()).collect(),
            predictions: of(Measure::Answer),
            questions: of(Measure::Question),
            contexts: of(Measure::Context),
        }
    }
}

/// Bins of equal width over lengths from 0; the last one holds everything longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bins {
    /// Characters per bin.
    pub width: usize,
    pub count: usize,
}

impl Bins {
    /// Returns at most `most` bins that cover all lengths except the longest half per cent.
    pub fn for_lengths(lengths: impl Iterator<Item = usize>, most: usize) -> Self {
        let mut lengths: Vec<usize> = lengths.collect();
        lengths.sort_unstable();
        let reach = lengths
            .len()
            .checked_sub(1 + lengths.len() / 200)
            .map_or(1, |place| lengths[place] + 1);
        let width = nice(reach.div_ceil(most.max(1)));
        Self {
            width,
            count: reach.div_ceil(width),
        }
    }

    pub fn place(&self, length: usize) -> usize {
        (length / self.width).min(self.count - 1)
    }
}

/// Rounds up to one of 1, 2, 5, 10, 20, 50, ….
fn nice(width: usize) -> usize {
    let mut unit = 1_usize;
    loop {
        for factor in [1, 2, 5] {
            let nice = unit.saturating_mul(factor);
            if nice >= width {
                return nice;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_by_hand() {
        let found: Extremes = [7, 1, 3, 5].into_iter().collect();
        let expected = Extremes {
            count: 4,
            min: 1,
            median: 3,
            mean: 4.0,
            max: 7,
        };
        assert_eq!(found, expected);
        assert_eq!(Extremes::from_iter([]), Extremes::default());
    }

    #[test]
    fn bins_are_of_round_width_and_leave_out_the_longest() {
        let bins = Bins::for_lengths((0..400).chain([100_000]), 50);
        assert_eq!(
            bins,
            Bins {
                width: 10,
                count: 40
            }
        );
        assert_eq!(
            [0, 9, 10, 399, 99_999].map(|l| bins.place(l)),
            [0, 0, 1, 39, 39]
        );
        let none = Bins::for_lengths([].into_iter(), 50);
        assert_eq!(none, Bins { width: 1, count: 1 });
        assert_eq!(none.place(12), 0);
        assert_eq!([1, 3, 51, 200].map(nice), [1, 5, 100, 200]);
    }
}
