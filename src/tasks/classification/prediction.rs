//! A model's prediction for an example, and its loss.

use super::{
    error::Error,
    example::Example,
    example_loss::{cross_entropy, smoothed_cross_entropy, squared_error},
    labels::{Gold, Labels},
    scorers::score::Marked,
};
use crate::{counted::counted, tasks::argmax::argmax};

/// A model's prediction for an example.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub eid: u64,
    pub id: Option<String>,
    /// `None` if the file has no labels.
    pub gold: Option<Gold>,
    /// The class with the largest logit, the first of equals; or the number.
    pub predicted: Gold,
    /// A logit for each class, or only the number, `[outputs]`.
    pub logits: Vec<f32>,
    /// The loss of the example, which the reference computes in f32.
    pub loss: Option<f64>,
}

impl Prediction {
    /// Creates the prediction for an example of the task from `logits`; `labelled` says whether the
    /// example has a label of its own.
    ///
    /// # Errors
    /// If the number of logits does not match the labels, or if one is not finite.
    pub fn new(
        task: &str,
        labels: &Labels,
        example: &Example,
        labelled: bool,
        logits: Vec<f32>,
    ) -> Result<Self, Error> {
        if logits.len() != labels.outputs() {
            return Err(Error::Outputs {
                expected: counted(labels.outputs(), "number"),
                features: 1,
                found: logits.len().to_string(),
            });
        }
        if let Some(&value) = logits.iter().find(|logit| !logit.is_finite()) {
            return Err(Error::NotFinite {
                task: task.to_owned(),
                eid: example.eid,
                value,
            });
        }
        let predicted = match labels {
            Labels::Classes(_) => Gold::Class(argmax(&logits)),
            Labels::Range { .. } => Gold::Value(logits[0]),
        };
        let gold = labelled.then_some(example.gold);
        let loss = gold.map(|gold| match gold {
            Gold::Class(class) => cross_entropy(&logits, class),
            Gold::Value(target) => squared_error(logits[0], target),
        });
        Ok(Self {
            eid: example.eid,
            id: example.id.clone(),
            gold,
            predicted,
            logits,
            loss,
        })
    }

    /// Returns the loss that training with label smoothing would compute.
    pub fn trained_loss(&self, smoothing: f64) -> Option<f64> {
        match self.gold? {
            Gold::Class(class) => Some(smoothed_cross_entropy(&self.logits, class, smoothing)),
            Gold::Value(_) => self.loss,
        }
    }

    /// Returns the prediction with its label, if there is one.
    pub fn marked(&self) -> Option<Marked> {
        Some(Marked {
            gold: self.gold?,
            predicted: self.predicted,
            loss: self.loss?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        labels: &Labels,
        gold: Gold,
        labelled: bool,
        logits: &[f32],
    ) -> Result<Prediction, Error> {
        let example = Example {
            eid: 4,
            id: None,
            text_a: String::new(),
            text_b: None,
            gold,
        };
        Prediction::new("rte", labels, &example, labelled, logits.to_vec())
    }

    #[test]
    fn the_first_of_equal_logits_is_predicted() {
        let labels = Labels::Classes(["a", "b", "c"].map(str::to_owned).into());
        let prediction = of(&labels, Gold::Class(2), true, &[1.0, 2.0, 2.0]).unwrap();
        assert_eq!(prediction.predicted, Gold::Class(1));
        let marked = prediction.marked().unwrap();
        let expected = (2.0 + (-1.0_f64).exp()).ln();
        assert!((marked.loss - expected).abs() < 1e-12);
        let test = of(&labels, Gold::Class(0), false, &[1.0, 2.0, 2.0]).unwrap();
        assert_eq!((test.gold, test.loss, test.marked()), (None, None, None));
    }

    #[test]
    fn a_number_is_the_prediction() {
        let labels = Labels::Range { min: 0.0, max: 5.0 };
        let prediction = of(&labels, Gold::Value(0.5), true, &[0.25]).unwrap();
        assert_eq!(prediction.predicted, Gold::Value(0.25));
        assert_eq!(prediction.loss, Some(0.0625));
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let labels = Labels::Range { min: 0.0, max: 5.0 };
        let message = of(&labels, Gold::Value(0.5), true, &[f32::NAN]).unwrap_err();
        let message = message.to_string();
        assert!(
            message.contains("rte, example 4") && message.contains("NaN"),
            "{message}"
        );
        let message = of(&labels, Gold::Value(0.5), true, &[0.0, 1.0]).unwrap_err();
        assert!(
            message.to_string().contains("expected 1 number for"),
            "{message}"
        );
    }
}
