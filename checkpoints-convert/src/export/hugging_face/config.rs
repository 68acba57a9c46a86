//! `config.json` of a `transformers` model. Takes a record's configuration and the exported head; yields
//! JSON. The keys of the encoder are those of `ElectraConfig`.

use serde_json::{Map, Value, json};

use super::super::head::Head;
use super::super::network::{Chosen, Network};
use crate::config::{ModelShape, RecordConfig};
use crate::config_file::THRESHOLD;
use crate::head_shape::{DenseKind, DenseShape};
use crate::hugging_face::{Class, placeholder};
use crate::staging;

/// The class of a model without a head.
const ENCODER: &str = "ElectraModel";
/// Dropout before the text classifier during training, as in the reference; tagging has none.
const DROPOUT: f64 = 0.1;

/// The configuration of a record's encoder with a head. `padding` is the id of `[PAD]`, and `threshold` the
/// record's no-answer threshold.
pub(super) fn of_head(
    config: &RecordConfig,
    head: Option<&Head>,
    padding: usize,
    threshold: Option<f64>,
) -> Vec<u8> {
    let class = head.map_or(ENCODER, |head| head.class.name());
    let more = head.map_or_else(Map::new, |head| head_config(head, threshold));
    model_config(class, &config.model, padding, more)
}

/// The configuration of a pre-training network.
pub(super) fn of_network(chosen: &Chosen, padding: usize) -> Vec<u8> {
    let more = match chosen.network {
        Network::Discriminator => Map::new(),
        // The scores are products with the word table, which is stored once.
        Network::Generator => Map::from_iter([("tie_word_embeddings".to_owned(), true.into())]),
    };
    model_config(chosen.network.class(), &chosen.model, padding, more)
}

fn model_config(
    class: &str,
    model: &ModelShape,
    padding: usize,
    more: Map<String, Value>,
) -> Vec<u8> {
    let mut value = json!({
        "architectures": [class],
        "model_type": "electra",
        "dtype": "float32",
        "pad_token_id": padding,
        "position_embedding_type": "absolute",
    });
    if let (Some(value), Ok(Value::Object(model))) =
        (value.as_object_mut(), serde_json::to_value(model))
    {
        value.extend(model);
        value.extend(more);
    }
    staging::json(&value)
}

/// The segment id of every token with which a tagging head was trained.
pub(super) fn segment(shape: &DenseShape) -> u8 {
    shape.segment.unwrap_or(1)
}

/// The labels of a dense head's outputs.
pub(super) fn labels(shape: &DenseShape) -> Vec<String> {
    match &shape.labels {
        Some(labels) => labels.clone(),
        None => (0..shape.outputs).map(placeholder).collect(),
    }
}

fn head_config(head: &Head, threshold: Option<f64>) -> Map<String, Value> {
    let mut keys = Map::from_iter([("finetuning_task".to_owned(), json!(head.task))]);
    let mut add = |key: &str, value: Value| drop(keys.insert(key.to_owned(), value));
    let Some(shape) = head.dense() else {
        // A threshold for the classifier's score does not apply to the scores of start and end.
        if let Some(threshold) = threshold.filter(|_| head.is_whole()) {
            add(THRESHOLD, json!(threshold));
        }
        return keys;
    };
    let labels = labels(shape);
    let numbered = labels.iter().enumerate();
    let by_number: Map<_, _> = numbered
        .clone()
        .map(|(number, label)| (number.to_string(), json!(label)))
        .collect();
    let by_label: Map<_, _> = numbered
        .map(|(number, label)| (label.clone(), json!(number)))
        .collect();
    add("id2label", by_number.into());
    add("label2id", by_label.into());
    if head.class == Class::Words {
        add("classifier_dropout", json!(0.0));
        add("tagging_segment", json!(segment(shape)));
    } else {
        add("classifier_dropout", json!(DROPOUT));
        let problem = match shape.kind {
            Some(DenseKind::Regression) => "regression",
            _ => "single_label_classification",
        };
        add("problem_type", json!(problem));
    }
    keys
}
