//! A model's reply to a user's text or pair of texts.

use serde::Serialize;

use super::{
    example_loss::softmax,
    labels::{Gold, Labels},
    prediction::Prediction,
};

/// A class, with the probability of every class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReply {
    /// The most likely class, of equals the first in the order of their ids.
    pub label: String,
    pub probability: f64,
    /// All of them, the most likely first.
    pub labels: Vec<LabelProbability>,
    /// A logit for each class, in the order of their ids.
    pub logits: Vec<f32>,
    /// Tokens that the model did not read because the text is longer than `max_seq_length`.
    pub cut_tokens: usize,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelProbability {
    pub label: String,
    pub probability: f64,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueReply {
    /// On the scale of the labels, though possibly outside their range; without a range, the same
    /// as `prediction`.
    pub value: f64,
    /// The smallest and largest label in training; `None` if the model does not record them.
    pub range: Option<[f64; 2]>,
    /// The model's output: 0 is the smallest label and 1 the largest, unless it has its own scale.
    pub prediction: f32,
    /// Whether the model predicts the labels directly, which may be any numbers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_scale: bool,
    /// As for a class.
    pub cut_tokens: usize,
}

impl ClassReply {
    /// Creates the reply from a prediction with these classes.
    pub fn new(prediction: Prediction, names: &[String], cut_tokens: usize) -> Self {
        let probabilities = softmax(&prediction.logits);
        let name = |class: usize| names.get(class).cloned().unwrap_or_default();
        let predicted = match prediction.predicted {
            Gold::Class(class) => class as usize,
            Gold::Value(_) => 0,
        };
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // A stable sort: equals stay in the order of their ids.
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        Self {
            label: name(predicted),
            probability: probabilities.get(predicted).copied().unwrap_or_default(),
            labels: order
                .into_iter()
                .map(|class| LabelProbability {
                    label: name(class),
                    probability: probabilities[class],
                })
                .collect(),
            logits: prediction.logits,
            cut_tokens,
        }
    }
}

impl ValueReply {
    /// Creates the reply from a prediction.
    pub fn new(value: f32, range: Option<[f64; 2]>, cut_tokens: usize) -> Self {
        let scaled = |[min, max]: [f64; 2]| Labels::Range { min, max }.on_scale(value);
        Self {
            value: range.map_or(f64::from(value), scaled),
            range,
            prediction: value,
            own_scale: false,
            cut_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::example::Example;

    fn prediction(labels: &Labels, logits: &[f32]) -> Prediction {
        let example = Example {
            eid: 0,
            id: None,
            text_a: String::new(),
            text_b: None,
            gold: labels.dummy(),
        };
        Prediction::new("t", labels, &example, false, logits.to_vec()).unwrap()
    }

    #[test]
    fn the_likeliest_class_comes_first() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let labels = Labels::Classes(names.clone());
        let reply = ClassReply::new(prediction(&labels, &[0.0, 3f32.ln(), 0.0]), &names, 2);
        assert_eq!((reply.label.as_str(), reply.cut_tokens), ("b", 2));
        assert!((reply.probability - 0.6).abs() < 1e-7);
        let order: Vec<&str> = reply.labels.iter().map(|l| l.label.as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        let sum: f64 = reply.labels.iter().map(|l| l.probability).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        // Larger than exp can represent.
        let far = ClassReply::new(prediction(&labels, &[-900.0, 900.0, 900.0]), &names, 0);
        assert_eq!((far.label.as_str(), far.probability), ("b", 0.5));
    }

    #[test]
    fn a_value_stands_on_the_scale_of_the_labels() {
        let reply = ValueReply::new(0.5, Some([1.0, 5.0]), 0);
        assert_eq!((reply.value, reply.prediction), (3.0, 0.5));
        let reply = ValueReply::new(1.25, None, 0);
        assert_eq!((reply.value, reply.range), (1.25, None));
    }
}
