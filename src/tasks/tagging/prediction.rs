//! A model's predictions for a sentence, and the file that an evaluation writes.

use std::path::Path;

use serde::Serialize;

use super::{error::Error, feature::Feature, labels::Labels, scorer::Answer};
use crate::{
    durable_file::write_whole,
    eval,
    tasks::{argmax::argmax, classification::example_loss::smoothed_cross_entropy},
};

/// The predicted tags of one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The sentence's index in its file.
    pub eid: usize,
    /// Label ids of the kept words, `[kept]`.
    pub labels: Vec<u32>,
    /// Predicted label ids, `[kept]`.
    pub predictions: Vec<u32>,
    /// `[kept, labels]`, row-major.
    pub logits: Vec<f32>,
    /// Cross-entropy, summed over the words.
    pub loss: f32,
}

impl Prediction {
    /// Creates the prediction for a feature from `logits` `[kept, labels]`, row-major, and the
    /// summed loss. A word's largest logit decides, the first of equals.
    ///
    /// # Errors
    /// If the number of logits does not match, or if one of them or the loss is not finite.
    pub fn new(
        feature: &Feature,
        logits: Vec<f32>,
        loss: f32,
        labels: &Labels,
    ) -> Result<Self, Error> {
        let eid = feature.eid;
        let expected = feature.kept() * labels.len();
        if logits.len() != expected {
            let found = logits.len();
            let array = "logits";
            return Err(Error::Shape {
                eid,
                array,
                expected,
                found,
            });
        }
        let values = logits.iter().map(|&value| ("logits", value));
        let mut values = values.chain([("loss", loss)]);
        if let Some((array, value)) = values.find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite { eid, array, value });
        }
        Ok(Self {
            eid,
            labels: feature.kept_labels().to_vec(),
            predictions: logits.chunks(labels.len()).map(argmax).collect(),
            logits,
            loss,
        })
    }

    /// Returns the loss that training with label smoothing would compute, summed in f64.
    pub fn trained_loss(&self, smoothing: f64) -> f64 {
        let width = self.logits.len() / self.labels.len().max(1);
        let words = self.logits.chunks(width.max(1)).zip(&self.labels);
        words
            .map(|(word, &tag)| smoothed_cross_entropy(word, tag, smoothing))
            .sum()
    }

    /// Converts the prediction for the scorer.
    pub fn as_answer(&self) -> Answer<'_> {
        Answer {
            eid: self.eid,
            labels: &self.labels,
            predictions: &self.predictions,
            loss: self.loss,
        }
    }
}

/// The keys in the order of a line.
#[derive(Serialize)]
struct Line<'a> {
    eid: usize,
    labels: &'a [u32],
    predictions: &'a [u32],
    logits: Vec<&'a [f32]>,
    loss: f32,
}

impl<'a> From<&'a Prediction> for Line<'a> {
    fn from(prediction: &'a Prediction) -> Self {
        let width = prediction.logits.len() / prediction.predictions.len().max(1);
        Self {
            eid: prediction.eid,
            labels: &prediction.labels,
            predictions: &prediction.predictions,
            logits: prediction.logits.chunks(width.max(1)).collect(),
            loss: prediction.loss,
        }
    }
}

/// Writes a predictions file, one JSON object per line. An existing file of that name is replaced
/// once the new one is complete; missing folders are created.
///
/// # Errors
/// If the folder or the file cannot be written.
pub fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), Error> {
    let written = write_whole(path, |out| {
        for prediction in predictions {
            serde_json::to_writer(&mut *out, &Line::from(prediction))?;
            out.write_all(b"\n")?;
        }
        out.flush()
    });
    let failed = |source| eval::Error::Write {
        path: path.to_owned(),
        source,
    };
    Ok(written.map_err(failed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::tagging::rules::Rules;

    fn labels() -> Labels {
        Labels::of_names(["B-A", "I-A", "O"], Rules::Usual).unwrap()
    }

    fn feature() -> Feature {
        Feature {
            eid: 4,
            input_ids: vec![2, 9, 8, 3],
            labeled_positions: vec![1, 2],
            // The third word was cut.
            labels: vec![0, 1, 2],
            words: 3,
        }
    }

    #[test]
    fn the_first_of_the_highest_decides() {
        let logits = vec![-1.0, 0.5, 0.5, -3.0, -4.0, -2.5];
        let prediction = Prediction::new(&feature(), logits, 0.25, &labels()).unwrap();
        assert_eq!(prediction.predictions, [1, 2]);
        assert_eq!(prediction.labels, [0, 1]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/chunk_dev.jsonl");
        write_predictions(&path, &[prediction]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"eid\":4,\"labels\":[0,1],\"predictions\":[1,2],\"logits\":[[-1.0,0.5,0.5],\
             [-3.0,-4.0,-2.5]],\"loss\":0.25}\n"
        );
    }

    #[test]
    fn scores_that_are_no_numbers_are_refused() {
        let with = |value: f32| vec![0.0, 1.0, value, 0.0, 0.0, 0.0];
        for (logits, loss, found) in [
            (with(f32::NAN), 0.0, "logits of NaN"),
            (with(1.0), f32::INFINITY, "loss of inf"),
            (vec![0.0; 5], 0.0, "expected 6 logits, found 5"),
        ] {
            let message = Prediction::new(&feature(), logits, loss, &labels());
            let message = message.unwrap_err().to_string();
            assert!(
                message.contains("sentence 4") && message.contains(found),
                "{message}"
            );
        }
    }
}
