//! The model's output for one window → the spans that may be answers.
//!
//! With joint prediction the spans are the beam's starts, each with its own ends; without it, the
//! best starts crossed with the best ends. A span is kept if it is inside the passage, this window
//! sees its start with the most context, it does not run backwards, and it is not too long.

use crate::tasks::qa::{error::Error, feature::Feature};

pub use crate::tasks::qa::beam::WindowOutput;

/// How answers are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NbestOptions {
    /// Most answers per question; without joint prediction also how many starts and ends of a
    /// window are crossed.
    pub n_best_size: usize,
    /// Most tokens in an answer.
    pub max_answer_length: usize,
    /// Whether ends were predicted given their start.
    pub joint_prediction: bool,
    /// Whether a classifier detects unanswerable questions.
    pub answerable_classifier: bool,
    /// Whether the task has unanswerable questions (SQuAD 2.0).
    pub v2: bool,
}

impl Default for NbestOptions {
    /// Returns the reference's defaults, for SQuAD 2.0.
    fn default() -> Self {
        NbestOptions {
            n_best_size: 20,
            max_answer_length: 30,
            joint_prediction: true,
            answerable_classifier: true,
            v2: true,
        }
    }
}

/// A span of tokens that may be the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Index of the window among those of its question.
    pub window: usize,
    /// First and last token of the span, inclusive, counted from the first passage token.
    pub start: usize,
    pub end: usize,
    pub start_logit: f32,
    pub end_logit: f32,
}

impl Candidate {
    /// Returns the score by which candidates are ranked.
    pub fn score(&self) -> f32 {
        self.start_logit + self.end_logit
    }
}

/// Appends the candidates of one window, in the order in which ties are broken.
///
/// # Errors
/// If the output's arrays do not match each other or the window, or a candidate's score is not
/// finite.
pub fn push_candidates(
    candidates: &mut Vec<Candidate>,
    window: usize,
    feature: &Feature,
    output: &WindowOutput,
    options: &NbestOptions,
) -> Result<(), Error> {
    let mut push = |start: (usize, f32), end: (usize, f32)| -> Result<(), Error> {
        let Some((first, last)) = admissible(feature, start.0, end.0, options) else {
            return Ok(());
        };
        let candidate = Candidate {
            window,
            start: first,
            end: last,
            start_logit: start.1,
            end_logit: end.1,
        };
        if !candidate.score().is_finite() {
            return Err(not_finite(feature, "span scores", candidate.score()));
        }
        candidates.push(candidate);
        Ok(())
    };
    if options.joint_prediction {
        let beam = output.start_top_index.len();
        expect(
            feature,
            "start_top_log_probs",
            output.start_top_log_probs.len(),
            beam,
        )?;
        let ends = output.end_top_index.len().checked_div(beam).unwrap_or(0);
        expect(
            feature,
            "end_top_index",
            output.end_top_index.len(),
            beam * ends,
        )?;
        expect(
            feature,
            "end_top_log_probs",
            output.end_top_log_probs.len(),
            beam * ends,
        )?;
        if ends == 0 {
            return Ok(());
        }
        let starts = positions(&output.start_top_index).zip(output.start_top_log_probs.iter());
        let rows = output
            .end_top_index
            .chunks_exact(ends)
            .zip(output.end_top_log_probs.chunks_exact(ends));
        for ((start, &start_logit), (row, logits)) in starts.zip(rows) {
            for (end, &end_logit) in positions(row).zip(logits) {
                push((start, start_logit), (end, end_logit))?;
            }
        }
    } else {
        let length = feature.input_ids.len();
        for (array, logits) in [
            ("start_logits", &output.start_logits),
            ("end_logits", &output.end_logits),
        ] {
            if logits.len() < length {
                return Err(shape(
                    feature,
                    array,
                    format!("at least {length}"),
                    logits.len(),
                ));
            }
        }
        let ends = best(&output.end_logits, options.n_best_size);
        for start in best(&output.start_logits, options.n_best_size) {
            for &end in &ends {
                push(start, end)?;
            }
        }
    }
    Ok(())
}

/// Returns start and end counted from the first passage token, if the span may be an answer.
fn admissible(
    feature: &Feature,
    start: usize,
    end: usize,
    options: &NbestOptions,
) -> Option<(usize, usize)> {
    // Position 0, the model's "no answer", also precedes the passage.
    let first = start.checked_sub(feature.question_length)?;
    let last = end.checked_sub(feature.question_length)?;
    let inside = last < feature.token_to_orig.len();
    let seen_best = feature.max_context.get(first).is_some_and(|&best| best);
    let ordered = first <= last;
    (inside && seen_best && ordered && last - first < options.max_answer_length)
        .then_some((first, last))
}

/// Returns the null score of a window: higher if no answer is more likely.
///
/// # Errors
/// If the output has no logits for position 0, or the score is not finite.
pub fn null_score(
    feature: &Feature,
    output: &WindowOutput,
    options: &NbestOptions,
) -> Result<f32, Error> {
    let at_zero = |array, logits: &[f32]| {
        logits
            .first()
            .copied()
            .ok_or_else(|| shape(feature, array, "at least 1".to_owned(), 0))
    };
    let score = if options.answerable_classifier {
        output.answerable_logit
    } else if options.joint_prediction {
        // Joint prediction has no end logits without a start, so the reference adds 0.
        at_zero("start_logits", &output.start_logits)?
    } else {
        at_zero("start_logits", &output.start_logits)? + at_zero("end_logits", &output.end_logits)?
    };
    if score.is_finite() {
        Ok(score)
    } else {
        Err(not_finite(feature, "no-answer score", score))
    }
}

/// Returns the `count` highest logits with their positions, highest first; ties by position.
fn best(logits: &[f32], count: usize) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f32)> = logits.iter().copied().enumerate().collect();
    // Adding 0 makes -0 equal to 0 in a total order.
    ranked.sort_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)));
    ranked.truncate(count);
    ranked
}

fn positions(index: &[u32]) -> impl Iterator<Item = usize> {
    // A position beyond usize would be outside the passage, as usize::MAX is.
    index
        .iter()
        .map(|&position| usize::try_from(position).unwrap_or(usize::MAX))
}

fn expect(
    feature: &Feature,
    array: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(shape(feature, array, expected.to_string(), found))
    }
}

fn shape(feature: &Feature, array: &'static str, expected: String, found: usize) -> Error {
    Error::Shape {
        question: feature.qas_id.to_string(),
        feature_id: feature.feature_id,
        array,
        expected,
        found,
    }
}

fn not_finite(feature: &Feature, array: &'static str, value: f32) -> Error {
    Error::NotFinite {
        question: feature.qas_id.to_string(),
        feature_id: feature.feature_id,
        array,
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Question of 3 tokens, passage tokens at positions 3 to 6, [SEP] at 7.
    fn feature() -> Feature {
        Feature {
            feature_id: 4001,
            qas_id: "q4".into(),
            eid: 4,
            input_ids: vec![2, 10, 3, 11, 12, 13, 14, 3],
            question_length: 3,
            start: 0,
            end: 0,
            is_impossible: false,
            token_to_orig: vec![0, 1, 1, 2],
            max_context: vec![true, true, true, false],
        }
    }

    const JOINT: NbestOptions = NbestOptions {
        n_best_size: 3,
        max_answer_length: 2,
        joint_prediction: true,
        answerable_classifier: true,
        v2: true,
    };
    const CROSSED: NbestOptions = NbestOptions {
        joint_prediction: false,
        answerable_classifier: false,
        ..JOINT
    };

    fn spans(output: &WindowOutput, options: &NbestOptions) -> Vec<(usize, usize, f32)> {
        let mut candidates = Vec::new();
        push_candidates(&mut candidates, 1, &feature(), output, options).unwrap();
        assert!(candidates.iter().all(|candidate| candidate.window == 1));
        candidates
            .iter()
            .map(|candidate| (candidate.start, candidate.end, candidate.score()))
            .collect()
    }

    fn joint(starts: &[u32], ends: &[&[u32]]) -> WindowOutput {
        let ends = ends.concat();
        WindowOutput {
            start_top_log_probs: vec![-1.0; starts.len()],
            start_top_index: starts.to_vec(),
            end_top_log_probs: (0..ends.len()).map(|i| -0.5 * i as f32).collect(),
            end_top_index: ends,
            ..WindowOutput::default()
        }
    }

    #[test]
    fn joint_spans_must_lie_in_the_passage() {
        // Each start with its own ends: only (4, 4), (4, 5) and (5, 6) are left.
        let output = joint(
            &[0, 4, 2, 5, 7],
            &[&[0, 3, 4], &[4, 5, 6], &[3, 4, 5], &[4, 6, 7], &[7, 3, 4]],
        );
        assert_eq!(
            spans(&output, &JOINT),
            [(1, 1, -2.5), (1, 2, -3.0), (2, 3, -6.0)]
        );
    }

    #[test]
    fn starts_without_most_context_are_dropped() {
        assert!(spans(&joint(&[6], &[&[6]]), &JOINT).is_empty());
        // The end may be such a token.
        assert_eq!(spans(&joint(&[5], &[&[6]]), &JOINT), [(2, 3, -1.0)]);
    }

    #[test]
    fn crossed_spans_take_the_best_logits() {
        let output = WindowOutput {
            // Best three: positions 0, 3, 4 (the tie of 4 and 5 goes to the earlier).
            start_logits: vec![9.0, 0.0, 0.0, 3.0, 2.0, 2.0, 1.0, 0.0, -1000.0],
            // Best three: positions 5, 4, 3.
            end_logits: vec![0.5, 0.0, 0.0, 1.0, 2.0, 4.0, 0.0, 0.0],
            ..WindowOutput::default()
        };
        assert_eq!(
            spans(&output, &CROSSED),
            [(0, 1, 5.0), (0, 0, 4.0), (1, 2, 6.0), (1, 1, 4.0)]
        );
        assert_eq!(null_score(&feature(), &output, &CROSSED).unwrap(), 9.5);
    }

    #[test]
    fn null_scores_come_from_the_classifier_or_position_0() {
        let output = WindowOutput {
            start_logits: vec![9.0],
            answerable_logit: -2.0,
            ..WindowOutput::default()
        };
        assert_eq!(null_score(&feature(), &output, &JOINT).unwrap(), -2.0);
        let without = NbestOptions {
            answerable_classifier: false,
            ..JOINT
        };
        assert_eq!(null_score(&feature(), &output, &without).unwrap(), 9.0);
        let message = null_score(&feature(), &output, &CROSSED)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("end_logits") && message.contains("q4"),
            "{message}"
        );
    }

    fn refused(output: &WindowOutput, options: &NbestOptions) -> String {
        push_candidates(&mut Vec::new(), 0, &feature(), output, options)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn arrays_must_fit() {
        let mut output = joint(&[3, 4], &[&[3, 4], &[4, 5]]);
        output.start_top_log_probs.pop();
        let message = refused(&output, &JOINT);
        for part in ["q4", "4001", "start_top_log_probs of length 2", "found 1"] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
        let message = refused(&joint(&[3, 4], &[&[3, 4], &[4]]), &JOINT);
        assert!(
            message.contains("end_top_index of length 2, found 3"),
            "{message}"
        );
        let message = refused(&WindowOutput::default(), &CROSSED);
        assert!(
            message.contains("start_logits of length at least 8"),
            "{message}"
        );
        assert!(spans(&WindowOutput::default(), &JOINT).is_empty());
    }

    #[test]
    fn scores_must_be_finite_where_they_count() {
        let mut output = joint(&[0, 3], &[&[0], &[3]]);
        // Scores outside the passage are not checked.
        output.start_top_log_probs[0] = f32::NEG_INFINITY;
        assert_eq!(spans(&output, &JOINT), [(0, 0, -1.5)]);
        output.start_top_log_probs[1] = f32::NAN;
        let message = refused(&output, &JOINT);
        assert!(
            message.contains("NaN") && message.contains("q4"),
            "{message}"
        );
        output.answerable_logit = f32::INFINITY;
        assert!(null_score(&feature(), &output, &JOINT).is_err());
    }
}
