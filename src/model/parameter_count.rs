//! Counts a model's parameters without building it, from the converter's list of parameter shapes.

use std::collections::BTreeMap;

use checkpoints_convert::{HeadShape, ModelShape, RecordConfig, parameters};

use super::shape::shape;
use crate::config::EncoderConfig;

/// Number of parameter values in each part of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    pub embeddings: u64,
    /// Of one layer.
    pub layer: u64,
    pub layers: u64,
    /// Of all heads.
    pub heads: u64,
}

impl ParameterCount {
    /// Counts those of an encoder with these heads, by task.
    pub fn new(encoder: &EncoderConfig, heads: BTreeMap<String, HeadShape>) -> Self {
        let mut count = Self {
            embeddings: 0,
            layer: 0,
            layers: encoder.num_hidden_layers as u64,
            heads: 0,
        };
        for parameter in parameters(&with_one_layer(encoder, heads)) {
            let part = match parameter.path.as_str() {
                path if path.starts_with("electra.layers.") => &mut count.layer,
                path if path.starts_with("heads.") => &mut count.heads,
                _ => &mut count.embeddings,
            };
            *part += parameter.shape.iter().product::<u64>();
        }
        count
    }

    /// Returns the total of the whole model.
    pub fn all(&self) -> u64 {
        self.embeddings + self.layer * self.layers + self.heads
    }
}

/// Returns the same model with a single layer, since all layers are alike.
fn with_one_layer(encoder: &EncoderConfig, heads: BTreeMap<String, HeadShape>) -> RecordConfig {
    RecordConfig {
        model: ModelShape {
            num_hidden_layers: 1,
            ..shape(encoder)
        },
        do_lower_case: true,
        strip_accents: None,
        tokenize_chinese_chars: true,
        heads,
    }
}
