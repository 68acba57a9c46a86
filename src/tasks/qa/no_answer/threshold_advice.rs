//! What is said of a run's threshold: in the JSON of its results, and under its figures.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{threshold::signed, threshold_effect::ThresholdEffect};
use crate::{
    eval::{figures::Scores, results::TrialResults},
    tasks::qa::scorers::score::Metric,
};

/// Figures, and what is to be said of the threshold that they stand under.
pub struct WithAdvice<'a>(pub &'a Scores);

/// The key of that in the JSON of results; all others are figures.
pub const ADVICE: &str = "threshold_advice";

impl Serialize for WithAdvice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, figure) in self.0.iter() {
            map.serialize_entry(key, &figure)?;
        }
        if let Some(effect) = self.0.threshold()
            && let Some(text) = effect.advice(THRESHOLD)
        {
            #[derive(serde::Serialize)]
            struct Advice<'a> {
                text: String,
                #[serde(flatten)]
                effect: &'a ThresholdEffect,
            }
            map.serialize_entry(ADVICE, &Advice { text, effect })?;
        }
        map.end()
    }
}

/// What a run calls its threshold.
pub const THRESHOLD: &str = "qa_na_threshold";

/// What is to be said under the figures of all trials: by which metric and threshold each task was
/// marked, and what its threshold keeps from being seen.
///
/// `threshold` is the run's, where the figures do not tell it.
pub fn remarks(trials: &[TrialResults], threshold: f64) -> Vec<String> {
    let mut remarks: Vec<Vec<String>> = Vec::new();
    for (task, scores) in trials.iter().flat_map(|trial| &trial.tasks) {
        let metric = Metric::of_task(task);
        let effect = scores.threshold();
        let mut lines = vec![match metric {
            Metric::Squad2 => format!(
                "{task}: metric {metric}, {THRESHOLD} {}",
                signed(effect.map_or(threshold, |effect| effect.threshold))
            ),
            Metric::Squad1 | Metric::Mrqa => format!("{task}: metric {metric}"),
        }];
        let advice = effect.and_then(|effect| effect.advice(THRESHOLD));
        lines.extend(advice);
        // Trials that fare alike are told once.
        if !remarks.contains(&lines) {
            remarks.push(lines);
        }
    }
    remarks.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figures::Figure;

    #[test]
    fn every_task_is_told_once_with_its_metric_and_threshold() {
        let mut scores = Scores::default();
        scores.push("f1", Figure::Value(50.0));
        let trial = TrialResults {
            tasks: ["squad", "newsqa"]
                .map(|task| (task.to_owned(), scores.clone()))
                .into(),
        };
        assert_eq!(
            remarks(&[trial.clone(), trial], -2.75),
            [
                "squad: metric squad2, qa_na_threshold −2.75",
                "newsqa: metric mrqa",
            ]
        );
        let json = serde_json::to_string(&WithAdvice(&scores)).unwrap();
        assert_eq!(json, r#"{"f1":50.0}"#);
    }
}
