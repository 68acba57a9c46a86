//! One prediction against its gold answers → exact match and F1, before any threshold.
//!
//! The scorers differ only for an answer with no words left, and in which of the two functions they
//! use.

use super::{
    normalize::normalize,
    overlap::{f1, f1_or_no_answer},
};

/// The score of a prediction: its best over the gold answers, each metric in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// 1 or 0.
    pub exact: f64,
    pub f1: f64,
}

/// Scores as SQuAD 2.0 does: gold answers without words are ignored, and no answer matches no
/// answer.
pub fn mark_or_no_answer(answers: &[String], prediction: &str) -> Mark {
    let mut golden: Vec<Vec<String>> = answers
        .iter()
        .map(|answer| normalize(answer))
        .filter(|words| !words.is_empty())
        .collect();
    if golden.is_empty() {
        golden.push(Vec::new());
    }
    best(&golden, prediction, f1_or_no_answer)
}

/// Scores as SQuAD 1.1 and MRQA do; 0 without gold answers.
pub fn mark_answerable(answers: &[String], prediction: &str) -> Mark {
    let golden: Vec<Vec<String>> = answers.iter().map(|answer| normalize(answer)).collect();
    best(&golden, prediction, f1)
}

fn best(golden: &[Vec<String>], prediction: &str, f1: fn(&[String], &[String]) -> f64) -> Mark {
    let words = normalize(prediction);
    Mark {
        exact: f64::from(u8::from(golden.contains(&words))),
        f1: golden
            .iter()
            .map(|gold| f1(gold, &words))
            .fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(answers: &[&str], prediction: &str) -> [(f64, f64); 2] {
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        [mark_or_no_answer, mark_answerable].map(|mark| {
            let mark = mark(&answers, prediction);
            (mark.exact, mark.f1)
        })
    }

    #[test]
    fn the_best_gold_answer_counts() {
        let both = marks(&["red elm", "the old oak"], "old oak!");
        assert_eq!(both, [(1.0, 1.0); 2]);
        assert_eq!(marks(&["red elm", "oak"], "elm tree"), [(0.0, 0.5); 2]);
    }

    #[test]
    fn the_scorers_part_where_no_word_is_left() {
        assert_eq!(marks(&["the"], ""), [(1.0, 1.0), (1.0, 0.0)]);
        assert_eq!(marks(&[], ""), [(1.0, 1.0), (0.0, 0.0)]);
        assert_eq!(marks(&["the", "oak"], ""), [(0.0, 0.0), (1.0, 0.0)]);
    }
}
