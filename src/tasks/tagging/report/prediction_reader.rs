//! The predictions file of an evaluation → the predicted tags, each sentence checked against its
//! own.

use std::path::Path;

use serde::Deserialize;

use crate::tasks::{
    classification::example_loss::softmax,
    prediction_lines::{Error, PredictionLines},
    tagging::{feature::Feature, task_data::TaskData},
};

/// A line as written by `prediction`.
#[derive(Deserialize)]
struct Line {
    eid: usize,
    labels: Vec<u32>,
    predictions: Vec<u32>,
    /// Absent in the reference's own records.
    #[serde(default)]
    logits: Vec<Vec<f32>>,
    loss: f32,
}

/// The predicted tags of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Label ids of the kept words, `[kept]`.
    pub tags: Vec<u32>,
    /// Cross-entropy, summed over the words.
    pub loss: f32,
    /// Highest probability of a wrong predicted tag, from 0 to 1; `None` if all are correct or the
    /// file does not tell.
    pub surest_mistake: Option<f64>,
}

/// Reads the predictions for a file's sentences, one per line, in order.
///
/// # Errors
/// If the file cannot be read or is malformed, or belongs to other sentences or tags.
pub fn read(path: &Path, data: &TaskData) -> Result<Vec<Predicted>, Error> {
    let keys = "eid, labels, predictions, logits and loss";
    let mut lines = PredictionLines::<Line>::open(path, keys)?;
    let mut predicted = Vec::with_capacity(data.features.len());
    for feature in &data.features {
        let line = lines.next_of(&format!("sentence {}", feature.eid))?;
        if let Err((expected, found)) = line.check(feature, data.labels.len()) {
            return Err(lines.wrong(expected, found));
        }
        predicted.push(Predicted {
            surest_mistake: line.surest_mistake(),
            tags: line.predictions,
            loss: line.loss,
        });
    }
    lines.end(predicted.len())?;
    Ok(predicted)
}

impl Line {
    /// Returns what the line should contain and what it contains instead, if it is not for this
    /// sentence.
    fn check(&self, feature: &Feature, tags: usize) -> Result<(), (String, String)> {
        let (kept, gold) = (feature.kept(), feature.kept_labels());
        if self.eid != feature.eid {
            let expected = format!("eid {}, the data's next sentence", feature.eid);
            return Err((expected, format!("eid {}", self.eid)));
        }
        if self.labels.len() != kept || self.predictions.len() != kept {
            let found = (self.labels.len(), self.predictions.len());
            let expected = format!(
                "a label and a prediction for each of {kept} words, of {} at this max_seq_length",
                feature.words
            );
            return Err((expected, format!("{} and {}", found.0, found.1)));
        }
        if let Some(word) = (0..kept).find(|&word| self.labels[word] != gold[word]) {
            let expected = format!("label {} of word {}", gold[word], word + 1);
            return Err((expected, format!("label {}", self.labels[word])));
        }
        if let Some(tag) = self.predictions.iter().find(|&&tag| tag as usize >= tags) {
            return Err((format!("tags below {tags}"), format!("tag {tag}")));
        }
        let is_whole = |word: &Vec<f32>| word.len() == tags && word.iter().all(|l| l.is_finite());
        let known = self.logits.is_empty() || self.logits.len() == kept;
        if !known || !self.logits.iter().all(is_whole) {
            let expected = format!("{tags} finite logits for each of {kept} words");
            return Err((expected, "others".to_owned()));
        }
        if !self.loss.is_finite() {
            return Err(("a finite loss".to_owned(), self.loss.to_string()));
        }
        Ok(())
    }

    fn surest_mistake(&self) -> Option<f64> {
        let tags = self.labels.iter().zip(&self.predictions);
        let wrong = tags
            .zip(&self.logits)
            .filter(|((gold, tag), _)| gold != tag);
        let shares = wrong.map(|((_, tag), logits)| softmax(logits)[*tag as usize]);
        shares.max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::tagging::prediction::{Prediction, write_predictions};
    use crate::tasks::tagging::report::tests::data;

    fn found(text: &str) -> Result<Vec<Predicted>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names_dev.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path, &data("a B-A\na O\n\na O\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read() {
        let data = data("a B-A\na O\n");
        let logits = vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0];
        let written = Prediction::new(&data.features[0], logits, 0.5, &data.labels).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jsonl");
        write_predictions(&path, std::slice::from_ref(&written)).unwrap();
        let read = read(&path, &data).unwrap();
        assert_eq!(read[0].tags, written.predictions);
        // O instead of S-A, then S-A instead of O, which is more confident: e² / (e² + 4).
        let share = 2_f64.exp() / (2_f64.exp() + 4.0);
        assert!((read[0].surest_mistake.unwrap() - share).abs() < 1e-9);
    }

    #[test]
    fn predictions_of_other_sentences_are_refused() {
        let first = r#"{"eid":0,"labels":[4,3],"predictions":[4,3],"loss":0.1}"#;
        let second = r#"{"eid":1,"labels":[3],"predictions":[3],"loss":0.1}"#;
        let read = found(&format!("{first}\n{second}\n")).unwrap();
        assert_eq!((read.len(), read[0].surest_mistake), (2, None));
        for (text, parts) in [
            (second.to_owned(), ["line 1: expected eid 0", "found eid 1"]),
            (
                first.replace("\"labels\":[4,3]", "\"labels\":[4]"),
                [
                    "for each of 2 words, of 2 at this max_seq_length",
                    "found 1 and 2",
                ],
            ),
            (
                first.replace("\"labels\":[4,3]", "\"labels\":[4,2]"),
                ["expected label 3 of word 2", "found label 2"],
            ),
            (
                first.replace("\"predictions\":[4,3]", "\"predictions\":[5,3]"),
                ["expected tags below 5", "found tag 5"],
            ),
            (
                first.replace("\"loss\"", "\"logits\":[[1]],\"loss\""),
                [
                    "expected 5 finite logits for each of 2 words",
                    "found others",
                ],
            ),
            (
                first.to_owned(),
                [
                    "line 2: expected a line for sentence 1",
                    "the end of the file",
                ],
            ),
            (
                "{}".to_owned(),
                ["line 1: expected a JSON object", "missing field `eid`"],
            ),
        ] {
            let message = found(&text).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
        }
    }
}
