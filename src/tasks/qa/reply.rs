//! A question's prediction → the reply: the answer with its place in the passage or that there is
//! none, the alternatives, and the model's confidence.
//!
//! `electra ask` prints a reply; `electra ask --json` and `electra serve` return it as JSON.

use std::ops::Range;

use serde::Serialize;

use super::answers::nbest::{NbestEntry, QuestionPrediction};
use crate::config::Config;

/// The reply to a question. Positions count the passage's code points from 0; an end is one past
/// the last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuestionReply {
    /// Empty if the passage is judged not to contain the answer.
    pub answer: String,
    pub start: Option<usize>,
    pub end: Option<usize>,
    /// How much speaks against any answer; only models trained on unanswerable questions have it.
    pub null_odds: Option<f64>,
    /// The classifier's probability that the passage does not contain the answer.
    pub no_answer_probability: Option<f64>,
    /// Null odds above this mean that there is no answer.
    pub threshold: f64,
    /// Possible answers, best first, whether or not one stands.
    pub nbest: Vec<Alternative>,
}

/// A possible answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alternative {
    pub text: String,
    /// Probability among the candidates, assuming that the question is answerable.
    pub probability: f64,
    pub start_logit: f32,
    pub end_logit: f32,
    pub start: Option<usize>,
    pub end: Option<usize>,
}

impl QuestionReply {
    /// Builds the reply; the threshold decides whether the answer stands.
    pub fn new(prediction: QuestionPrediction, config: &Config, threshold: f64) -> Self {
        let null_odds = prediction.null_odds;
        let stands = null_odds.is_none_or(|odds| odds <= threshold);
        let (answer, place) = if stands {
            (prediction.text, prediction.place)
        } else {
            (String::new(), None)
        };
        let (start, end) = edges(place);
        QuestionReply {
            answer,
            start,
            end,
            null_odds,
            no_answer_probability: null_odds
                .filter(|_| config.answerable_classifier)
                .map(|logit| 1.0 / (1.0 + (-logit).exp())),
            threshold,
            nbest: prediction.nbest.into_iter().map(Alternative::new).collect(),
        }
    }

    /// Returns the answer's place, if it has one.
    pub fn place(&self) -> Option<Range<usize>> {
        Some(self.start?..self.end?)
    }
}

impl Alternative {
    fn new(entry: NbestEntry) -> Self {
        let (start, end) = edges(entry.place);
        Alternative {
            text: entry.text,
            probability: entry.probability,
            start_logit: entry.start_logit,
            end_logit: entry.end_logit,
            start,
            end,
        }
    }
}

fn edges(place: Option<Range<usize>>) -> (Option<usize>, Option<usize>) {
    match place {
        Some(place) => (Some(place.start), Some(place.end)),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn reply(null_odds: Option<f64>, hparams: serde_json::Value) -> QuestionReply {
        let mut hparams = hparams.as_object().cloned().unwrap();
        hparams.insert("task_names".to_owned(), json!(["squad"]));
        let (config, _) = Config::resolve(Path::new(""), "m", &hparams).unwrap();
        let entry = |text: &str, place| NbestEntry {
            text: text.to_owned(),
            probability: 0.5,
            start_logit: -0.5,
            end_logit: -0.25,
            place,
        };
        let prediction = QuestionPrediction {
            qas_id: "q".to_owned(),
            nbest: vec![entry("oak", Some(3..6)), entry("elm", Some(8..11))],
            text: "oak".to_owned(),
            place: Some(3..6),
            null_odds,
        };
        QuestionReply::new(prediction, &config, config.qa_na_threshold)
    }

    #[test]
    fn the_threshold_decides_whether_the_answer_stands() {
        let hparams = || json!({"qa_na_threshold": -1.0});
        let stands = reply(Some(-1.0), hparams());
        assert_eq!(
            (stands.answer.as_str(), stands.place()),
            ("oak", Some(3..6))
        );
        assert_eq!(stands.no_answer_probability, Some(1.0 / (1.0 + 1f64.exp())));
        let none = reply(Some(-0.5), hparams());
        assert_eq!((none.answer.as_str(), none.place()), ("", None));
        assert_eq!((none.threshold, none.nbest.len()), (-1.0, 2));
        assert_eq!(
            (none.nbest[1].start, none.nbest[1].end),
            (Some(8), Some(11))
        );
    }

    #[test]
    fn only_the_classifier_gives_a_probability() {
        let sure = reply(None, json!({}));
        assert_eq!(
            (sure.answer.as_str(), sure.no_answer_probability),
            ("oak", None)
        );
        let without = reply(Some(-5.0), json!({"answerable_classifier": false}));
        assert_eq!(
            (without.null_odds, without.no_answer_probability),
            (Some(-5.0), None)
        );
        // The null odds of a passage without words.
        assert_eq!(reply(Some(1e6), json!({})).no_answer_probability, Some(1.0));
    }
}
