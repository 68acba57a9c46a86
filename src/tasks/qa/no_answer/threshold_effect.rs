//! The effect of a no-answer threshold on a file's answers, and that of a better one.
//!
//! The reference's threshold is that of one published model. If it holds back every answer of
//! another model, the metrics alone make that model look useless.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{threshold::signed, threshold_curve::points};
use crate::{
    eval::figures::{Remark, Scores},
    tasks::qa::scorers::marked::Marked,
};

/// What a run calls its threshold.
pub const THRESHOLD: &str = "qa_na_threshold";

/// Key of the remark on it in the results JSON.
const ADVICE: &str = "threshold_advice";

/// Share of answerable questions held back from which on this is reported.
const MOST: f64 = 0.9;

/// Smaller differences between metrics are due to another order of summation.
const ROUNDING: f64 = 1e-9;

/// The threshold with the best F1 on a file, and the metrics of applying it, in per cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BestThreshold {
    /// `None` if no threshold does better than answering nothing.
    pub threshold: Option<f64>,
    pub exact: f64,
    pub f1: f64,
}

/// Exact match and F1 of some questions, in per cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub exact: f64,
    pub f1: f64,
}

/// How many answers a threshold holds back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdEffect {
    pub threshold: f64,
    pub questions: usize,
    pub held_back: usize,
    pub answerable: usize,
    pub answerable_held_back: usize,
    /// Unanswerable questions that are answered nevertheless.
    pub wrongly_answered: usize,
    pub best: BestThreshold,
    /// Metrics of the answerable questions with none held back; `None` if there are none.
    pub answers_alone: Option<Figures>,
}

impl ThresholdEffect {
    /// Computes the effect; `ranked` are the questions by ascending no-answer score, and `official`
    /// is the result of the official search.
    pub(crate) fn new(ranked: &[&Marked], threshold: f64, official: Option<f64>) -> Self {
        let is_held_back = |question: &&&Marked| question.odds > threshold;
        let answerable = || ranked.iter().filter(|question| question.has_answer);
        let alone = |worth: fn(&Marked) -> f64| {
            100.0 * answerable().map(|question| worth(question)).sum::<f64>()
                / answerable().count() as f64
        };
        ThresholdEffect {
            threshold,
            questions: ranked.len(),
            held_back: ranked.iter().filter(is_held_back).count(),
            answerable: answerable().count(),
            answerable_held_back: answerable().filter(is_held_back).count(),
            wrongly_answered: ranked
                .iter()
                .filter(|question| !question.has_answer && question.predicts_text)
                .filter(|question| !is_held_back(question))
                .count(),
            best: best(ranked, official),
            answers_alone: (answerable().count() > 0).then(|| Figures {
                exact: alone(|question| question.mark.exact),
                f1: alone(|question| question.mark.f1),
            }),
        }
    }

    /// Returns the remark on metrics at this threshold.
    pub(crate) fn remark(&self) -> Remark {
        let details = match json!(self) {
            Value::Object(details) => details,
            _ => Map::new(),
        };
        Remark {
            key: ADVICE.to_owned(),
            text: self.advice(THRESHOLD),
            details,
        }
    }

    /// Parses the remark on a run's metrics; `None` if there is none.
    pub fn of(scores: &Scores) -> Option<Self> {
        let remark = scores.remark().filter(|remark| remark.key == ADVICE)?;
        serde_json::from_value(Value::Object(remark.details.clone())).ok()
    }

    /// Returns whether applying the best threshold would change the metrics.
    #[cfg(test)]
    fn best_differs(&self) -> bool {
        self.best.threshold != Some(self.threshold)
    }

    /// Explains what happened and what helps, if the threshold `name` separates next to nothing.
    pub fn advice(&self, name: &str) -> Option<String> {
        let threshold = format!("{name} {}", signed(self.threshold));
        let share = self.answerable_held_back as f64 / self.answerable.max(1) as f64;
        let what = if self.questions > 0 && self.held_back == self.questions {
            format!("all questions held back by {threshold}")
        } else if self.answerable > 0 && self.answerable_held_back == self.answerable {
            format!("all answerable questions held back by {threshold}")
        } else if share >= MOST {
            format!(
                "{} of {} answerable questions held back by {threshold}",
                self.answerable_held_back, self.answerable
            )
        } else if self.held_back == 0 && self.wrongly_answered > 0 {
            format!(
                "no question held back by {threshold}, though {} answered ones have no answer",
                self.wrongly_answered
            )
        } else {
            return None;
        };
        let mut parts = vec![what, self.best_line()];
        if let Some(alone) = self.answers_alone.filter(|_| self.held_back > 0) {
            parts.push(format!(
                "answers alone: {:.2} / {:.2}",
                alone.exact, alone.f1
            ));
        }
        Some(parts.join("; "))
    }

    /// Describes the metrics of the best threshold.
    fn best_line(&self) -> String {
        let f1 = self.best.f1;
        match self.best.threshold {
            Some(threshold) => {
                format!("at {}, chosen on this file: F1 {f1:.2}", signed(threshold))
            }
            None => format!("best on this file: answer nothing, F1 {f1:.2}"),
        }
    }
}

/// Returns the threshold with the best F1 among those that can be applied. The official search also
/// looks between questions whose scores tie; its result is kept if applying it gives no less.
fn best(ranked: &[&Marked], official: Option<f64>) -> BestThreshold {
    let unanswerable = ranked.iter().filter(|question| !question.has_answer);
    let nothing = 100.0 * unanswerable.count() as f64 / ranked.len().max(1) as f64;
    let mut best = BestThreshold {
        threshold: None,
        exact: nothing,
        f1: nothing,
    };
    let points = points(ranked);
    for point in &points {
        if point.f1 > best.f1 + ROUNDING {
            best = BestThreshold {
                threshold: Some(point.threshold),
                exact: point.exact,
                f1: point.f1,
            };
        }
    }
    let official = official.and_then(|official| {
        let same = |threshold: f64| threshold == official;
        points.iter().find(|point| same(point.threshold))
    });
    match official {
        Some(point) if point.f1 > best.f1 - ROUNDING => BestThreshold {
            threshold: Some(point.threshold),
            exact: point.exact,
            f1: point.f1,
        },
        _ => best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::qa::scorers::mark::Mark;

    fn marked(has_answer: bool, odds: f64, exact: f64, f1: f64) -> Marked {
        Marked {
            has_answer,
            predicts_text: true,
            odds,
            mark: Mark { exact, f1 },
        }
    }

    fn effect(questions: &[Marked], threshold: f64) -> ThresholdEffect {
        let mut ranked: Vec<&Marked> = questions.iter().collect();
        ranked.sort_by(|a, b| a.odds.total_cmp(&b.odds));
        ThresholdEffect::new(&ranked, threshold, None)
    }

    fn four() -> [Marked; 4] {
        [
            marked(true, -2.0, 1.0, 1.0),
            marked(true, -1.0, 0.0, 0.5),
            marked(false, -0.5, 0.0, 0.0),
            marked(false, 3.0, 0.0, 0.0),
        ]
    }

    #[test]
    fn a_threshold_that_holds_all_back_says_so_and_what_helps() {
        let effect = effect(&four(), -2.75);
        assert_eq!((effect.held_back, effect.answerable_held_back), (4, 2));
        assert_eq!(effect.best.threshold, Some(-1.0));
        assert_eq!((effect.best.exact, effect.best.f1), (75.0, 87.5));
        let advice = effect.advice("qa_na_threshold").unwrap();
        assert_eq!(
            advice,
            "all questions held back by qa_na_threshold −2.75; at −1.00, chosen on this file: \
             F1 87.50; answers alone: 50.00 / 75.00"
        );
        // In JSON, what happened is given in numbers.
        let json = serde_json::to_value(&effect).unwrap();
        assert_eq!(json["best"]["threshold"], -1.0);
        assert_eq!(json["answers_alone"]["exact"], 50.0);
    }

    #[test]
    fn the_other_ways_to_part_nothing_are_told_apart() {
        let mut questions = four();
        questions[2].odds = -9.0;
        let advice = effect(&questions, -2.75).advice("threshold").unwrap();
        assert!(
            advice.starts_with("all answerable questions held back by threshold −2.75; at −1.00"),
            "{advice}"
        );
        let advice = effect(&four(), 3.0).advice("threshold").unwrap();
        assert_eq!(
            advice,
            "no question held back by threshold 3.00, though 2 answered ones have no answer; \
             at −1.00, chosen on this file: F1 87.50"
        );
        let many: Vec<Marked> = (0..20)
            .map(|place| marked(true, f64::from(place), 1.0, 1.0))
            .collect();
        let advice = effect(&many, 0.0).advice("threshold").unwrap();
        assert!(
            advice.starts_with("19 of 20 answerable questions"),
            "{advice}"
        );
        // Nothing is said about a threshold that separates them.
        assert_eq!(effect(&four(), -1.0).advice("threshold"), None);
        assert!(!effect(&four(), -1.0).best_differs());
    }

    #[test]
    fn to_answer_nothing_may_be_best() {
        let questions = [marked(true, 3.0, 0.0, 0.0), marked(false, 1.0, 0.0, 0.0)];
        let effect = effect(&questions, -2.75);
        assert_eq!(effect.best.threshold, None);
        assert_eq!((effect.best.exact, effect.best.f1), (50.0, 50.0));
        let advice = effect.advice("threshold").unwrap();
        assert!(
            advice.contains("; best on this file: answer nothing, F1 50.00; "),
            "{advice}"
        );
    }

    #[test]
    fn of_the_thresholds_only_those_count_that_can_be_applied() {
        // Between the two that tie, the official search would find a threshold better than both.
        let questions = [
            marked(true, 1.0, 1.0, 1.0),
            marked(false, 1.0, 0.0, 0.0),
            marked(true, 2.0, 1.0, 1.0),
        ];
        let ranked: Vec<&Marked> = questions.iter().collect();
        let effect = ThresholdEffect::new(&ranked, 0.0, Some(1.0));
        assert_eq!(effect.best.threshold, Some(2.0));
        // Equally good, so the official one is kept.
        let effect = ThresholdEffect::new(&ranked[..2], 0.0, Some(1.0));
        assert_eq!((effect.best.threshold, effect.best.f1), (Some(1.0), 50.0));
    }
}
