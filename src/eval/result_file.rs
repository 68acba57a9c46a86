//! The results of a run ↔ their files: `T_results.txt` as in the reference, where T names the run's
//! tasks, and `T_results.json`; for several trials also their mean and standard deviation.

use std::path::Path;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::{
    error::Error,
    figures::{Figure, Remark, Scores},
    json_file::{write_json, write_text},
    results::{TrialResults, results_text},
    summary::Summary,
};
use crate::{config::Paths, data::source::read_text};

const EXPECTED_JSON: &str = "a JSON array with an object from tasks to figures for each trial";
const EXPECTED_LINE: &str = "lines of the form \"task: figure: 1.00 - figure: 2.00\"";

/// Writes the metrics of all trials so far and, if there are several, their mean and standard
/// deviation; `line` formats a task's metrics.
///
/// # Errors
/// If a file cannot be written.
pub fn write_results(
    paths: Paths<'_>,
    trials: &[TrialResults],
    line: impl Fn(&str, &Scores) -> String,
) -> Result<(), Error> {
    write_text(paths.results_txt(), &results_text(trials, line))?;
    write_json(&paths.results_json(), &trials)?;
    match Summary::of(trials) {
        Some(summary) => {
            write_text(&paths.summary_txt(), &summary.text())?;
            write_json(&paths.summary(), &summary)
        }
        None => Ok(()),
    }
}

/// Reads results as a run writes them: JSON if the file's name says so, otherwise the reference's
/// text, in which each line is a task of a trial.
///
/// # Errors
/// If the file cannot be read or is neither.
pub fn read_results(path: &Path) -> Result<Vec<TrialResults>, Error> {
    let text = read_text(path)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json {
        parse_json(path, &text)
    } else {
        parse_text(path, &text)
    }
}

fn parse_json(path: &Path, text: &str) -> Result<Vec<TrialResults>, Error> {
    let trials: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|source| Error::Json {
            path: path.to_owned(),
            expected: EXPECTED_JSON,
            source,
        })?;
    trials
        .into_iter()
        .map(|trial| {
            let tasks = trial.into_iter().map(|(task, figures)| {
                let scores = scores(&figures).ok_or_else(|| Error::Results {
                    path: path.to_owned(),
                    place: format!("task {task:?}"),
                    expected: "an object from names to numbers",
                })?;
                Ok((task, scores))
            });
            Ok(TrialResults {
                tasks: tasks.collect::<Result<_, Error>>()?,
            })
        })
        .collect()
}

/// The metrics of one trial, as [`TrialResults`] are serialised.
impl<'de> Deserialize<'de> for TrialResults {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let tasks = Map::deserialize(from)?;
        tasks
            .into_iter()
            .map(|(task, figures)| match scores(&figures) {
                Some(scores) => Ok((task, scores)),
                None => Err(D::Error::custom(format!(
                    "task {task:?}: no map of numbers"
                ))),
            })
            .collect::<Result<_, _>>()
            .map(|tasks| Self { tasks })
    }
}

/// Parses an object from names to numbers, including the remark on them.
fn scores(figures: &Value) -> Option<Scores> {
    let mut scores = Scores::default();
    for (key, value) in figures.as_object()? {
        match figure(value) {
            Some(figure) => scores.push(key, figure),
            None => scores.set_remark(Remark::parse(key, value)?),
        }
    }
    Some(scores)
}

fn figure(value: &Value) -> Option<Figure> {
    // A metric that is not a number, such as the correlation of constant predictions.
    if value.is_null() {
        return Some(Figure::Value(f64::NAN));
    }
    match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
        Some(count) => Some(Figure::Count(count)),
        None => value.as_f64().map(Figure::Value),
    }
}

fn parse_text(path: &Path, text: &str) -> Result<Vec<TrialResults>, Error> {
    let mut trials: Vec<TrialResults> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let (task, scores) = parse_line(line).ok_or_else(|| Error::Results {
            path: path.to_owned(),
            place: format!("line {}", number + 1),
            expected: EXPECTED_LINE,
        })?;
        // A repeated task starts the next trial.
        match trials.last_mut() {
            Some(trial) if trial.tasks.iter().all(|(name, _)| *name != task) => {
                trial.tasks.push((task, scores));
            }
            _ => trials.push(TrialResults {
                tasks: vec![(task, scores)],
            }),
        }
    }
    Ok(trials)
}

fn parse_line(line: &str) -> Option<(String, Scores)> {
    let (task, figures) = line.split_once(": ")?;
    let entries = figures.split(" - ").map(|entry| {
        let (key, value) = entry.split_once(": ")?;
        let value: f64 = value.trim().parse().ok()?;
        Some((key.to_owned(), Figure::Value(value)))
    });
    let mut scores = Scores::default();
    for (key, figure) in entries.collect::<Option<Vec<_>>>()? {
        scores.push(key, figure);
    }
    Some((task.to_owned(), scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::results::results_text;

    fn read(name: &str, text: &str) -> Result<Vec<TrialResults>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_results(&path)
    }

    #[test]
    fn both_files_give_the_same_trials() {
        let text =
            "squad: best_f1_thresh: -2.75 - exact: 50.25\nnewsqa: f1: 1.00\nsquad: exact: 51.00\n";
        let trials = read("r.txt", text).unwrap();
        assert_eq!(trials.len(), 2);
        assert_eq!(trials[0].tasks.len(), 2);
        assert_eq!(
            results_text(&trials, |_, scores| scores.sorted_line()),
            text
        );
        let json = serde_json::to_string(&trials).unwrap();
        assert_eq!(read("r.json", &json).unwrap(), trials);
        let effect = r#"{"text": "all questions held back", "threshold": -2.75, "questions": 4, "held_back": 4,
            "answerable": 2, "answerable_held_back": 2, "wrongly_answered": 0,
            "best": {"threshold": null, "exact": 50.0, "f1": 50.0}, "answers_alone": null}"#;
        let advised = format!(r#"[{{"squad": {{"total": 4, "threshold_advice": {effect}}}}}]"#);
        let advised = read("r.json", &advised).unwrap();
        let scores = &advised[0].tasks[0].1;
        assert_eq!(scores.iter().count(), 1);
        // What was written can be read again, so it is kept for trials that finished earlier.
        let written = serde_json::to_string(&advised).unwrap();
        assert!(written.contains("all questions held back"), "{written}");
        assert_eq!(read("r.json", &written).unwrap(), advised);
        let counts = read("r.json", r#"[{"squad": {"total": 4}}]"#).unwrap();
        assert_eq!(counts[0].tasks[0].1.get("total"), Some(4.0));
    }

    #[test]
    fn other_files_are_refused_with_the_place() {
        for (name, text, expected) in [
            ("r.txt", "squad: exact: 50\nhello\n", "line 2"),
            ("r.txt", "squad: exact: fifty\n", "line 1"),
            ("r.json", "{}", "array"),
            ("r.json", r#"[{"squad": {"exact": "x"}}]"#, "\"squad\""),
        ] {
            let message = read(name, text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
