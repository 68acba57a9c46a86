//! Judges a prediction against its gold answers: whether it is correct, and the kind of error.

use super::{
    distinct_questions::DistinctQuestions,
    error_class::ErrorClass,
    question_type::{HowType, QuestionType},
};
use crate::{
    eval::figures::Scores,
    tasks::qa::{
        answers::question_map::QuestionMap,
        error::Error,
        no_answer::threshold_effect::ThresholdEffect,
        raw::paragraph::{Paragraph, Question},
        scorers::{
            mark::{mark_answerable, mark_or_no_answer},
            metric::Metric,
            mrqa,
            normalize::normalize,
            squad1, squad2,
        },
    },
};

/// The judgement of one predicted question.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Its index among the [`DistinctQuestions`], from 0.
    pub question: usize,
    /// The answer that counts: empty if there is none.
    pub prediction: String,
    /// The model's answer, if its no-answer score exceeds the threshold.
    pub held_back: Option<String>,
    /// Higher if no answer is more likely.
    pub odds: Option<f64>,
    pub answerable: bool,
    /// An exact match.
    pub right: bool,
    /// An exact match, or an answer that contains a gold answer or is contained in one.
    pub right_relaxed: bool,
    /// In [0, 1].
    pub f1: f64,
    /// `None` if correct.
    pub class: Option<ErrorClass>,
    pub question_type: QuestionType,
    pub how: Option<HowType>,
}

impl Judgement {
    /// Returns the judged question; `questions` are those of [`judge`].
    pub fn of<'a>(&self, questions: &'a DistinctQuestions) -> &'a Question {
        questions.question(self.question)
    }

    /// Returns the question's passage; `questions` are those of [`judge`].
    pub fn paragraph<'a>(&self, questions: &'a DistinctQuestions) -> &'a Paragraph {
        questions.paragraph(self.question)
    }
}

/// All judgements of a data file, and the scorer's metrics.
pub(super) struct Judged {
    pub scores: Scores,
    pub threshold: Option<f64>,
    pub effect: Option<ThresholdEffect>,
    pub missing: usize,
    pub unknown: usize,
    pub empty: usize,
    /// For the questions that have a prediction, in the order of the data.
    pub judgements: Vec<Judgement>,
}

/// Judges every prediction; those whose no-answer score exceeds `threshold` are held back.
pub(super) fn judge(
    questions: &DistinctQuestions,
    metric: Metric,
    predictions: &QuestionMap<String>,
    odds: Option<&QuestionMap<f64>>,
    threshold: f64,
) -> Result<Judged, Error> {
    let gold = questions.gold();
    let report = match metric {
        Metric::Squad2 => {
            let no_answer = odds.map(|odds| squad2::NoAnswer {
                odds,
                threshold,
                curves: false,
            });
            squad2::score(&gold, predictions, no_answer)?
        }
        Metric::Squad1 => squad1::score(&gold, predictions)?,
        Metric::Mrqa => mrqa::score(&gold, predictions)?,
    };
    let threshold = report.threshold.as_ref().map(|_| threshold);
    let mark = match metric {
        Metric::Squad2 => mark_or_no_answer,
        Metric::Squad1 | Metric::Mrqa => mark_answerable,
    };
    let mut judgements = Vec::new();
    for (index, (question, gold)) in questions.iter().zip(&gold).enumerate() {
        let Some(predicted) = predictions.get(&question.id) else {
            continue;
        };
        let odds = odds.and_then(|odds| odds.get(&question.id)).copied();
        let held_back = match (odds, threshold) {
            (Some(odds), Some(threshold)) => odds > threshold,
            _ => false,
        };
        let prediction = if held_back { "" } else { predicted.as_str() };
        // Under a threshold, the only questions that are correct without an answer are the
        // unanswerable ones: the script does not look at the words of the gold answers there.
        let answerable = !gold.answers.is_empty();
        let (right, f1) = if held_back {
            (!answerable, f64::from(u8::from(!answerable)))
        } else {
            let mark = mark(&gold.answers, prediction);
            (mark.exact == 1.0, mark.f1)
        };
        let class = (!right).then(|| classify(&gold.answers, prediction));
        judgements.push(Judgement {
            question: index,
            prediction: prediction.to_owned(),
            held_back: (held_back && !predicted.is_empty()).then(|| predicted.clone()),
            odds,
            answerable,
            right,
            right_relaxed: class.is_none_or(ErrorClass::is_right_relaxed),
            f1,
            class,
            question_type: QuestionType::of(&question.text, question.followup.as_deref()),
            how: HowType::of(&question.text),
        });
    }
    Ok(Judged {
        scores: report.scores,
        threshold,
        effect: report.threshold,
        missing: report.missing.len(),
        unknown: report.unknown.len(),
        empty: report.empty,
        judgements,
    })
}

fn classify(answers: &[String], prediction: &str) -> ErrorClass {
    let prediction = normalize(prediction).join(" ");
    if !answers.is_empty() && prediction.is_empty() {
        return ErrorClass::Missed;
    }
    let gold: Vec<String> = answers
        .iter()
        .map(|answer| normalize(answer).join(" "))
        .filter(|answer| !answer.is_empty())
        .collect();
    if gold.is_empty() && !answers.is_empty() {
        return ErrorClass::Wrong;
    }
    ErrorClass::of(&gold, &prediction)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::tasks::qa::raw::question_set::QuestionSet;

    fn set(questions: &[(&str, &str, &[&str])]) -> DistinctQuestions {
        let qas = questions.iter().map(|(id, text, answers)| {
            let answers = answers.iter().map(|text| json!({"text": text}));
            json!({"id": id, "question": text, "answers": answers.collect::<Vec<_>>()})
        });
        let text = json!([{"context": "", "qas": qas.collect::<Vec<_>>()}]).to_string();
        DistinctQuestions::new(Arc::new(QuestionSet::parse(text, "d.json", None).unwrap()))
    }

    fn map<T: Clone>(entries: &[(&str, T)]) -> QuestionMap<T> {
        entries
            .iter()
            .map(|(id, value)| ((*id).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn answers_above_the_threshold_are_held_back() {
        let questions = set(&[
            ("a", "What?", &["old oak"]),
            ("b", "Who?", &[]),
            ("c", "Why?", &["elm"]),
        ]);
        let predictions =
            map(&[("a", "an Oak"), ("b", "Ada"), ("c", "elm")]
                .map(|(id, text)| (id, text.to_owned())));
        let odds = map(&[("a", -3.0), ("b", 2.0), ("c", -1.0)]);
        let judged = judge(&questions, Metric::Squad2, &predictions, Some(&odds), -1.0).unwrap();
        assert_eq!(judged.threshold, Some(-1.0));
        assert_eq!(judged.scores.get("exact"), Some(200.0 / 3.0));
        let [a, b, c] = &judged.judgements[..] else {
            panic!("{} judgements", judged.judgements.len());
        };
        assert_eq!(a.class, Some(ErrorClass::TooShort));
        assert!(!a.right && a.right_relaxed && a.answerable);
        assert_eq!(a.f1, 2.0 / 3.0);
        assert_eq!(b.held_back.as_deref(), Some("Ada"));
        assert!(b.right && b.prediction.is_empty() && b.f1 == 1.0);
        assert!(c.right && c.held_back.is_none());
    }

    #[test]
    fn questions_without_prediction_are_not_judged() {
        let questions = set(&[("a", "What?", &["oak"]), ("b", "Who?", &["Ada"])]);
        let predictions = map(&[("b", String::new())]);
        for metric in [Metric::Squad2, Metric::Squad1, Metric::Mrqa] {
            let judged = judge(&questions, metric, &predictions, None, 1.0).unwrap();
            assert_eq!((judged.missing, judged.judgements.len()), (1, 1));
            assert_eq!(judged.judgements[0].question, 1);
            assert_eq!(judged.judgements[0].class, Some(ErrorClass::Missed));
            assert_eq!(judged.threshold, None);
        }
    }

    #[test]
    fn gold_answers_without_words_hold_nothing() {
        let questions = set(&[("a", "What?", &["the"])]);
        let predictions = map(&[("a", "oak".to_owned())]);
        let judged = judge(&questions, Metric::Squad2, &predictions, None, 1.0).unwrap();
        assert_eq!(judged.judgements[0].class, Some(ErrorClass::Wrong));
    }
}
