//! The model's outputs for all windows → each question's best answers and null score.
//!
//! The candidates of a question's windows are ranked together and turned into the passage's own
//! text, and the best distinct texts are kept. Reproduces the reference's `write_predictions`,
//! except for a passage without words: see [`predict`].

use std::ops::Range;

use rayon::prelude::*;
use serde::Serialize;

use super::{
    answer::{detokenize, project},
    candidate::{Candidate, NbestOptions, null_score, push_candidates},
};
use crate::{
    counted::counted,
    tasks::qa::{
        error::Error,
        example::{Example, Examples, Passage},
        feature::Feature,
    },
    text::{normalizer::basic_tokenize, tokenizer::Tokenizer},
};

pub use super::candidate::WindowOutput;

/// What the reference writes if no span of a question's windows may be its answer.
const NO_CANDIDATE: &str = "empty";

/// The null score of a question without windows: the reference's initial value, above any that a
/// model gives.
const NO_WINDOW_NULL_SCORE: f32 = 1e6;

/// One of a question's best answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NbestEntry {
    pub text: String,
    /// Softmax over the question's entries.
    pub probability: f64,
    /// Log-probabilities with joint prediction, otherwise logits.
    pub start_logit: f32,
    pub end_logit: f32,
    /// The code points of the passage that it represents (`text` collapses blanks to single
    /// spaces); `None` for a text that is not from the passage.
    #[serde(skip)]
    pub place: Option<Range<usize>>,
}

/// The prediction for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionPrediction {
    pub qas_id: String,
    /// Best answers, best first; at least one.
    pub nbest: Vec<NbestEntry>,
    /// The best answer. For SQuAD 2.0 this is the best non-empty one, however high the null score;
    /// a threshold on [`Self::null_odds`] decides whether it stands.
    pub text: String,
    /// Location of the best answer, as in [`NbestEntry::place`].
    pub place: Option<Range<usize>>,
    /// For SQuAD 2.0, how much speaks against any answer.
    pub null_odds: Option<f64>,
}

/// Chooses each question's answers, in the order of the examples.
///
/// A question whose passage has no words has no window. It gets the empty answer and, for SQuAD
/// 2.0, null odds of 1,000,000, which every threshold treats as unanswerable. (The reference also
/// gives these odds, but with the answer "empty". It gives that answer, too, if the windows contain
/// no admissible span, and so does this function.)
///
/// # Errors
/// If a feature has no output or several, features do not belong to the examples, an output's
/// arrays do not match, or a score is not finite.
pub fn predict(
    examples: &Examples,
    features: &[Feature],
    outputs: &[WindowOutput],
    tokenizer: &Tokenizer,
    options: &NbestOptions,
) -> Result<Vec<QuestionPrediction>, Error> {
    let windows = windows_by_example(examples, features, outputs)?;
    let predictions: Vec<Result<QuestionPrediction, Error>> = examples
        .examples
        .par_iter()
        .zip(windows)
        .map(|(example, windows)| predict_question(examples, example, &windows, tokenizer, options))
        .collect();
    // Collected in order, so that the first question in error is the one reported.
    predictions.into_iter().collect()
}

type Windows<'a> = Vec<(&'a Feature, &'a WindowOutput)>;

/// Returns the windows of each example in the order of the features, each with its output.
fn windows_by_example<'a>(
    examples: &Examples,
    features: &'a [Feature],
    outputs: &'a [WindowOutput],
) -> Result<Vec<Windows<'a>>, Error> {
    let repeated = |feature: &Feature, found| Error::Outputs {
        question: feature.qas_id.to_string(),
        feature_id: feature.feature_id,
        found,
    };
    let mut output_of: Vec<Option<&WindowOutput>> = vec![None; features.len()];
    for output in outputs {
        let (Some(place), Some(feature)) = (
            output_of.get_mut(output.feature),
            features.get(output.feature),
        ) else {
            return Err(Error::NoSuchFeature {
                index: output.feature,
                count: features.len(),
            });
        };
        if place.replace(output).is_some() {
            return Err(repeated(feature, 2));
        }
    }
    let mut windows: Vec<Windows<'a>> = vec![Vec::new(); examples.examples.len()];
    for (feature, output) in features.iter().zip(output_of) {
        let output = output.ok_or_else(|| repeated(feature, 0))?;
        let example = examples.examples.get(feature.eid);
        let owned = example.is_some_and(|example| *example.qas_id == *feature.qas_id);
        let (true, Some(windows)) = (owned, windows.get_mut(feature.eid)) else {
            return Err(Error::Feature {
                question: feature.qas_id.to_string(),
                feature_id: feature.feature_id,
                expected: format!("its question to be example {}", feature.eid),
                found: example.map_or_else(
                    || counted(examples.examples.len(), "example"),
                    |example| format!("question {} there", example.qas_id),
                ),
            });
        };
        windows.push((feature, output));
    }
    Ok(windows)
}

fn predict_question(
    examples: &Examples,
    example: &Example,
    windows: &Windows<'_>,
    tokenizer: &Tokenizer,
    options: &NbestOptions,
) -> Result<QuestionPrediction, Error> {
    let mut lowest_null = NO_WINDOW_NULL_SCORE;
    let mut candidates = Vec::new();
    for (number, (feature, output)) in windows.iter().enumerate() {
        if options.v2 {
            lowest_null = lowest_null.min(null_score(feature, output, options)?);
        }
        push_candidates(&mut candidates, number, feature, output, options)?;
    }
    // A stable sort: among equals the earlier window goes first, then the better start. Adding 0
    // makes -0 equal to 0 in a total order.
    candidates.sort_by(|a, b| (b.score() + 0.0).total_cmp(&(a.score() + 0.0)));

    let passage = examples.passages.get(example.passage);
    let word_starts = passage.map(Passage::word_starts).unwrap_or_default();
    let mut nbest: Vec<NbestEntry> = Vec::new();
    for candidate in &candidates {
        if nbest.len() >= options.n_best_size {
            break;
        }
        let Some((feature, _)) = windows.get(candidate.window) else {
            continue;
        };
        let span = span_words(passage, feature, candidate, tokenizer)?;
        let text = span.text();
        if nbest.iter().all(|entry| entry.text != text) {
            nbest.push(NbestEntry {
                text: text.to_owned(),
                probability: 0.0,
                start_logit: candidate.start_logit,
                end_logit: candidate.end_logit,
                place: span.place(&word_starts),
            });
        }
    }
    if nbest.is_empty() {
        let text = if windows.is_empty() { "" } else { NO_CANDIDATE };
        nbest.push(NbestEntry {
            text: text.to_owned(),
            probability: 0.0,
            start_logit: 0.0,
            end_logit: 0.0,
            place: None,
        });
    }
    share_probability(&mut nbest);

    let best = nbest.first();
    let best = match nbest.iter().find(|entry| !entry.text.is_empty()) {
        Some(entry) if options.v2 => Some(entry),
        _ => best,
    };
    let null_odds = match best {
        Some(best) if !options.answerable_classifier && !windows.is_empty() => {
            lowest_null - best.start_logit - best.end_logit
        }
        _ => lowest_null,
    };
    Ok(QuestionPrediction {
        qas_id: example.qas_id.clone(),
        text: best.map(|entry| entry.text.clone()).unwrap_or_default(),
        place: best.and_then(|entry| entry.place.clone()),
        null_odds: options.v2.then_some(f64::from(null_odds)),
        nbest,
    })
}

/// The words of the passage that a candidate touches, and which part of them it covers.
struct SpanWords {
    first_word: usize,
    /// The words joined by blanks.
    joined: String,
    /// The candidate's bytes of `joined`.
    part: Range<usize>,
}

impl SpanWords {
    fn text(&self) -> &str {
        self.joined.get(self.part.clone()).unwrap_or_default()
    }

    /// Returns the code points in the passage, given those at which its words start.
    fn place(&self, word_starts: &[usize]) -> Option<Range<usize>> {
        // Where the character of `joined` that starts at this byte is in the passage.
        let stands = |byte: usize| {
            let before = self.joined.get(..byte)?;
            let word = self.first_word + before.matches(' ').count();
            let in_word = before
                .rfind(' ')
                .map_or(before, |blank| &before[blank + 1..]);
            Some(word_starts.get(word)? + in_word.chars().count())
        };
        let (last, _) = self.text().char_indices().next_back()?;
        Some(stands(self.part.start)?..stands(self.part.start + last)? + 1)
    }
}

/// Returns the passage's own words for a candidate.
fn span_words(
    passage: Option<&Passage>,
    feature: &Feature,
    candidate: &Candidate,
    tokenizer: &Tokenizer,
) -> Result<SpanWords, Error> {
    let stray = |expected: &str, found: String| Error::Feature {
        question: feature.qas_id.to_string(),
        feature_id: feature.feature_id,
        expected: expected.to_owned(),
        found,
    };
    let passage = passage.ok_or_else(|| stray("a passage", "none".to_owned()))?;
    let (start, end) = (candidate.start, candidate.end);
    let ids = feature
        .input_ids
        .get(feature.question_length + start..=feature.question_length + end)
        .ok_or_else(|| {
            stray(
                "a token for each entry of token_to_orig",
                counted(feature.input_ids.len(), "token"),
            )
        })?;
    let words = match (
        feature.token_to_orig.get(start),
        feature.token_to_orig.get(end),
    ) {
        (Some(&first), Some(&last)) => {
            let (first, last) = (first as usize, last as usize);
            passage.words.get(first..=last).map(|words| (first, words))
        }
        _ => None,
    };
    let (first_word, words) = words.ok_or_else(|| {
        stray(
            "words of its passage in token_to_orig",
            format!("another order or a word beyond the {}", passage.words.len()),
        )
    })?;
    let joined = words.join(" ");
    let basic_tokens = basic_tokenize(&joined, tokenizer.normalizer());
    let predicted = detokenize(tokenizer.tokens(ids));
    Ok(SpanWords {
        first_word,
        part: project(&predicted, &joined, &basic_tokens),
        joined,
    })
}

/// Sets the probabilities: softmax over the scores.
fn share_probability(nbest: &mut [NbestEntry]) {
    let score = |entry: &NbestEntry| f64::from(entry.start_logit + entry.end_logit);
    let highest = nbest.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for entry in nbest.iter_mut() {
        entry.probability = (score(entry) - highest).exp();
        sum += entry.probability;
    }
    for entry in nbest.iter_mut() {
        entry.probability /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    fn tokenizer() -> Tokenizer {
        // Ids 4…: old oak ##s ' elm
        let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nold\noak\n##s\n'\nelm";
        Tokenizer::new(Vocab::parse(vocab, "v").unwrap(), true)
    }

    /// "Old Oaks' elm" in two windows: tokens old oak ##s ' elm.
    fn data() -> (Examples, Vec<Feature>) {
        let feature = |number: u64, ids: &[u32], words: &[u32]| Feature {
            feature_id: number,
            qas_id: "question".into(),
            eid: 0,
            input_ids: [&[2, 3], ids, &[3]].concat(),
            question_length: 2,
            start: 0,
            end: 0,
            is_impossible: false,
            token_to_orig: words.to_vec(),
            max_context: vec![true; words.len()],
        };
        (
            Examples::of_one("", "Old Oaks' elm"),
            vec![
                feature(0, &[4, 5, 6, 7], &[0, 1, 1, 1]),
                feature(1, &[5, 6, 7, 8], &[1, 1, 1, 2]),
            ],
        )
    }

    /// One span per window, counted from the first passage token.
    fn output(feature: usize, span: (u32, u32), score: f32, answerable_logit: f32) -> WindowOutput {
        WindowOutput {
            feature,
            start_top_log_probs: vec![score],
            start_top_index: vec![2 + span.0],
            end_top_log_probs: vec![0.0],
            end_top_index: vec![2 + span.1],
            answerable_logit,
            ..WindowOutput::default()
        }
    }

    fn one(outputs: &[WindowOutput]) -> QuestionPrediction {
        let (examples, features) = data();
        let options = NbestOptions::default();
        let mut found = predict(&examples, &features, outputs, &tokenizer(), &options).unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    #[test]
    fn windows_compete_and_the_lowest_null_score_counts() {
        let found = one(&[output(0, (0, 1), -2.0, 0.5), output(1, (3, 3), -1.0, -0.5)]);
        assert_eq!(
            (found.qas_id.as_str(), found.text.as_str()),
            ("question", "elm")
        );
        assert_eq!(found.null_odds, Some(-0.5));
        let texts: Vec<&str> = found
            .nbest
            .iter()
            .map(|entry| entry.text.as_str())
            .collect();
        assert_eq!(texts, ["elm", "Old Oak"]);
        assert_eq!(found.place, Some(10..13));
        assert_eq!(found.nbest[1].place, Some(0..7));
        // e^-1 against e^-2.
        let first = 1.0 / (1.0 + (-1f64).exp());
        assert!((found.nbest[0].probability - first).abs() < 1e-12);
    }

    #[test]
    fn places_count_the_passages_own_code_points() {
        let (mut examples, features) = data();
        examples.passages[0] = Passage::new("𝒜\u{202F} Old \n Öaks'  elm.");
        let mut features = features;
        for feature in &mut features {
            feature.token_to_orig.iter_mut().for_each(|word| *word += 1);
        }
        let outputs = [output(0, (0, 1), -2.0, 0.5), output(1, (0, 3), -1.0, -0.5)];
        let options = NbestOptions::default();
        let found = predict(&examples, &features, &outputs, &tokenizer(), &options).unwrap();
        let places: Vec<_> = found[0]
            .nbest
            .iter()
            .map(|entry| (entry.text.as_str(), entry.place.clone().unwrap()))
            .collect();
        // "elm" without its full stop; of "Öaks'" only what the prediction has.
        assert_eq!(places, [("Öaks' elm", 9..19), ("Old Öak", 3..12)]);
    }

    #[test]
    fn equal_texts_count_once_and_ties_keep_their_order() {
        // The same words from both windows: the better score is kept.
        let found = one(&[output(0, (1, 2), -2.0, 0.0), output(1, (0, 1), -1.0, 0.0)]);
        assert_eq!(found.nbest.len(), 1);
        assert_eq!(
            (found.text.as_str(), found.nbest[0].start_logit),
            ("Oaks", -1.0)
        );
        // 0 and -0 tie, so the earlier window goes first.
        let found = one(&[output(0, (0, 0), -0.0, 0.0), output(1, (3, 3), 0.0, 0.0)]);
        assert_eq!(found.text, "Old");
    }

    fn refused(features: &[Feature], outputs: &[WindowOutput]) -> String {
        let (examples, _) = data();
        predict(
            &examples,
            features,
            outputs,
            &tokenizer(),
            &NbestOptions::default(),
        )
        .unwrap_err()
        .to_string()
    }

    #[test]
    fn each_feature_needs_one_output() {
        let (_, features) = data();
        let (a, b) = (output(0, (0, 0), 0.0, 0.0), output(1, (0, 0), 0.0, 0.0));
        let twice = refused(&features, &[a.clone(), b, a.clone()]);
        assert!(
            twice.contains("window 0") && twice.contains("found 2"),
            "{twice}"
        );
        let lacking = refused(&features, std::slice::from_ref(&a));
        assert!(
            lacking.contains("window 1") && lacking.contains("found 0"),
            "{lacking}"
        );
        let stray = refused(&features, &[WindowOutput { feature: 2, ..a }]);
        assert!(
            stray.contains("feature 2") && stray.contains("2 features"),
            "{stray}"
        );
    }

    #[test]
    fn features_must_belong_to_the_examples() {
        let outputs = [output(0, (0, 3), 0.0, 0.0), output(1, (3, 3), 0.0, 0.0)];
        let change = |change: fn(&mut Feature)| {
            let (_, mut features) = data();
            change(&mut features[1]);
            refused(&features, &outputs)
        };
        let other = change(|feature| feature.qas_id = "other".into());
        assert!(
            other.contains("question other") && other.contains("example 0"),
            "{other}"
        );
        let beyond = change(|feature| feature.eid = 7);
        assert!(
            beyond.contains("example 7") && beyond.contains("1 example"),
            "{beyond}"
        );
        let words = change(|feature| feature.token_to_orig[3] = 3);
        assert!(words.contains("beyond the 3"), "{words}");
        let tokens = change(|feature| feature.input_ids.truncate(4));
        assert!(tokens.contains("found 4 tokens"), "{tokens}");
    }
}
