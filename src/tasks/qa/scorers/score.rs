//! Files → metrics: the official scorers by themselves, as `electra score` runs them.
//!
//! Reads the data and the predictions, guesses the metric from the data if none is named, and
//! passes both to the scorer.

use std::path::{Path, PathBuf};

use super::{
    gold::{gold, read_data},
    metric::Metric,
    mrqa,
    report::Report,
    squad1, squad2,
};
use crate::{
    eval::figures::Scores,
    shell::quoted_path,
    tasks::qa::{
        answers::prediction_file::{read_null_odds, read_predictions},
        error::Error,
        no_answer::threshold,
    },
};

/// What to score and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// SQuAD JSON or MRQA JSON Lines.
    pub data: PathBuf,
    /// Question id → answer text.
    pub predictions: PathBuf,
    /// Question id → no-answer score; SQuAD 2.0 only.
    pub null_odds: Option<PathBuf>,
    /// Questions whose no-answer score exceeds this count as unanswered;
    /// [`squad2::DEFAULT_THRESHOLD`] by default. Requires `null_odds`.
    pub threshold: Option<f64>,
    /// Guessed from the data by default.
    pub metric: Option<Metric>,
    /// Whether to add the `pr_*_ap` metrics and the curves. Requires `null_odds`.
    pub curves: bool,
}

/// Scores a predictions file; also returns the metric.
///
/// # Errors
/// If a file cannot be read or is malformed, the options do not go with the metric, or the
/// predictions belong to other data.
///
/// # Examples
///
/// ```
/// use electra::tasks::qa::scorers::{metric::Metric, score::{Request, score}};
///
/// let folder = tempfile::tempdir()?;
/// let (data, predictions) = (folder.path().join("dev.json"), folder.path().join("preds.json"));
/// std::fs::write(&data, r#"{"version": "v2.0", "data": [{"paragraphs": [{
///     "context": "Ada wrote it in 1843.",
///     "qas": [
///         {"id": "1", "question": "Who wrote it?", "is_impossible": false,
///          "answers": [{"text": "Ada", "answer_start": 0}]},
///         {"id": "2", "question": "Who read it?", "is_impossible": true, "answers": []}
///     ]
/// }]}]}"#)?;
/// std::fs::write(&predictions, r#"{"1": "Ada", "2": "in 1843"}"#)?;
/// let request = Request {
///     data,
///     predictions,
///     ..Request::default()
/// };
/// let (metric, report) = score(&request)?;
/// assert_eq!(metric, Metric::Squad2);
/// assert_eq!(report.scores.get("HasAns_f1"), Some(100.0));
/// assert_eq!(report.scores.get("f1"), Some(50.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn score(request: &Request) -> Result<(Metric, Report), Error> {
    let (metric, questions) = read_data(&request.data, request.metric)?;
    let gold = gold(&questions);
    check_options(request, metric)?;

    let predictions = read_predictions(&request.predictions)?;
    let null_odds = match &request.null_odds {
        Some(path) => Some(read_null_odds(path)?),
        None => None,
    };
    let report = match metric {
        Metric::Squad2 => {
            let no_answer = null_odds.as_ref().map(|odds| squad2::NoAnswer {
                odds,
                threshold: request.threshold.unwrap_or(squad2::DEFAULT_THRESHOLD),
                curves: request.curves,
            });
            squad2::score(&gold, &predictions, no_answer)
        }
        Metric::Squad1 => squad1::score(&gold, &predictions),
        Metric::Mrqa => mrqa::score(&gold, &predictions),
    };
    match report {
        Ok(report) => Ok((metric, report)),
        Err(source) => Err(Error::Scoring {
            data: request.data.clone(),
            predictions: request.predictions.clone(),
            source: Box::new(source),
        }),
    }
}

/// Returns advice if answers to unanswerable questions could not be held back: no prediction is
/// empty (`empty` counts those that are), and no null odds were given.
pub fn without_null_odds(
    data: &Path,
    predictions: &Path,
    scores: &Scores,
    empty: usize,
) -> Option<String> {
    let unanswerable = scores.get("NoAns_total")?;
    if empty > 0 {
        return None;
    }
    // As this program and the reference name them.
    let beside = predictions.file_name()?.to_string_lossy();
    let beside = predictions.with_file_name(beside.replace("preds", "null_odds"));
    let null_odds = if beside.is_file() && beside != predictions {
        beside
    } else {
        PathBuf::from("NULL_ODDS.json")
    };
    let [given, predictions, null_odds] = [data, predictions, &null_odds].map(quoted_path);
    let (questions, have, each) = match unanswerable as usize {
        1 => ("question", "has", "it"),
        _ => ("questions", "have", "each of them"),
    };
    Some(format!(
        "no prediction is empty, though {unanswerable} {questions} of {} {have} no answer: {each} \
         counts as wrong. Score them with the null odds of the same run: electra score --data \
         {given} --predictions {predictions} --null-odds {null_odds} --threshold X",
        data.display()
    ))
}

fn check_options(request: &Request, metric: Metric) -> Result<(), Error> {
    let given = [
        (
            "no-answer scores (--null-odds)",
            request.null_odds.is_some(),
        ),
        (threshold::OPTION, request.threshold.is_some()),
        ("curves (--plots)", request.curves),
    ];
    let option = given.into_iter().find(|(_, given)| *given);
    match option {
        Some((option, _)) if metric != Metric::Squad2 => Err(Error::OptionOfSquad2 {
            metric: metric.name(),
            option,
        }),
        Some((option, _)) if request.null_odds.is_none() => {
            Err(Error::OptionNeedsNullOdds { option })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Files {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn put(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn metric(&self, name: &str, data: &str) -> Metric {
            let request = Request {
                data: self.put(name, data),
                predictions: self.put("p.json", r#"{"q": "oak"}"#),
                ..Request::default()
            };
            let (metric, report) = score(&request).unwrap();
            assert_eq!(report.scores.get("f1"), Some(100.0));
            metric
        }
    }

    fn squad(version: &str, flag: &str) -> String {
        format!(
            r#"{{{version}"data": [{{"paragraphs": [{{"context": "An oak: \"is_impossible\".", "qas": [{{"id": "q", "question": "?", {flag}"answers": [{{"text": "oak", "answer_start": 3}}]}}]}}]}}]}}"#
        )
    }

    const MRQA: &str = r#"{"context": "An oak.", "qas": [{"qid": "q", "question": "?", "answers": ["oak"], "detected_answers": []}]}"#;

    #[test]
    fn the_metric_is_guessed_from_the_data() {
        let files = Files::new();
        let metric = |version: &str, flag: &str| files.metric("d.json", &squad(version, flag));
        assert_eq!(metric("", ""), Metric::Squad1);
        assert_eq!(metric(r#""version": "1.1", "#, ""), Metric::Squad1);
        assert_eq!(metric(r#""version": "v2.0", "#, ""), Metric::Squad2);
        assert_eq!(metric(r#""version": 2.0, "#, ""), Metric::Squad2);
        assert_eq!(metric("", r#""is_impossible": false, "#), Metric::Squad2);
        assert_eq!(files.metric("d.jsonl", MRQA), Metric::Mrqa);
        assert_eq!(files.metric("d.txt", MRQA), Metric::Mrqa);
        let headed = format!("{{\"header\": {{}}}}\n{MRQA}\n");
        assert_eq!(files.metric("d.json", &headed), Metric::Mrqa);
    }

    #[test]
    fn a_named_metric_is_obeyed() {
        let files = Files::new();
        let request = Request {
            data: files.put("d.json", &squad("", "")),
            predictions: files.put("p.json", r#"{"q": "oak"}"#),
            metric: Some("squad2".parse().unwrap()),
            ..Request::default()
        };
        let (metric, report) = score(&request).unwrap();
        assert_eq!(metric, Metric::Squad2);
        assert_eq!(report.scores.get("HasAns_total"), Some(1.0));
        let message = "squad".parse::<Metric>().unwrap_err().to_string();
        assert!(message.contains("squad2, squad1 or mrqa"), "{message}");
    }

    #[test]
    fn options_must_go_with_the_metric() {
        let files = Files::new();
        let request = Request {
            data: files.put("d.json", &squad("", "")),
            predictions: files.put("p.json", r#"{"q": "oak"}"#),
            threshold: Some(-2.75),
            ..Request::default()
        };
        let message = score(&request).unwrap_err().to_string();
        assert!(
            message.contains("squad1") && message.contains("--threshold"),
            "{message}"
        );
        let request = Request {
            metric: Some(Metric::Squad2),
            ..request
        };
        let message = score(&request).unwrap_err().to_string();
        assert!(message.contains("--null-odds"), "{message}");
    }

    #[test]
    fn errors_name_both_files() {
        let files = Files::new();
        let request = Request {
            data: files.put("d.jsonl", MRQA),
            predictions: files.put("p.json", r#"{"other": "oak"}"#),
            ..Request::default()
        };
        let error = score(&request).unwrap_err();
        let message = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        for part in ["d.jsonl", "p.json", "the only question", "\"other\""] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }
}
