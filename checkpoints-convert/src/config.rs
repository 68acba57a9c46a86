//! What a record's `config.json` says about the model: its shape, the shape of each task's head,
//! and the tokenizer's settings. Unknown keys are ignored, so that a later version may add some.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::head_shape::{self, HeadShape};
use crate::plain_file;

/// The content of `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordConfig {
    pub model: ModelShape,
    /// Whether the vocabulary is lower-cased; true for every released ELECTRA.
    #[serde(default = "yes")]
    pub do_lower_case: bool,
    /// Whether accents are stripped from the text; `None` follows `do_lower_case`, as Google's code
    /// and Hugging Face's tokenizers do by default.
    #[serde(default)]
    pub strip_accents: Option<bool>,
    /// Whether every CJK ideograph is a word of its own; true for every released ELECTRA.
    #[serde(default = "yes")]
    pub tokenize_chinese_chars: bool,
    /// The heads whose parameters are in the record, by task name.
    #[serde(default, deserialize_with = "head_shape::by_task")]
    pub heads: BTreeMap<String, HeadShape>,
}

/// Sizes and constants of the encoder, named as in the reference's `BertConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelShape {
    pub vocab_size: usize,
    pub embedding_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    #[serde(default = "gelu")]
    pub hidden_act: String,
    #[serde(default = "tenth")]
    pub hidden_dropout_prob: f64,
    #[serde(default = "tenth")]
    pub attention_probs_dropout_prob: f64,
    #[serde(default = "fiftieth")]
    pub initializer_range: f64,
    #[serde(default = "epsilon")]
    pub layer_norm_eps: f64,
}

/// A `config.json` that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    File(#[from] plain_file::Error),
    #[error(
        "{file}: expected the description of a model: {source}; copy the model's folder again, or make it again: convert the checkpoint, or repeat the run that trained it"
    )]
    Parse {
        file: String,
        source: serde_json::Error,
    },
}

impl RecordConfig {
    /// Returns whether accents are stripped from the text, explicitly or because of
    /// `do_lower_case`.
    pub fn strips_accents(&self) -> bool {
        self.strip_accents.unwrap_or(self.do_lower_case)
    }
}

impl ModelShape {
    /// Returns whether embeddings are projected to the hidden size.
    pub fn is_projected(&self) -> bool {
        self.embedding_size != self.hidden_size
    }
}

// The reference's constants, for what no shape determines.

pub(crate) fn gelu() -> String {
    "gelu".into()
}

pub(crate) fn tenth() -> f64 {
    0.1
}

pub(crate) fn fiftieth() -> f64 {
    0.02
}

pub(crate) fn epsilon() -> f64 {
    1e-12
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_passed_over_and_constants_filled_in() {
        let text = r#"{"later": 1, "model": {"vocab_size": 9, "embedding_size": 4, "hidden_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32,
            "max_position_embeddings": 16, "type_vocab_size": 2, "other": []}}"#;
        let config: RecordConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.model.layer_norm_eps, 1e-12);
        assert_eq!(config.model.initializer_range, 0.02);
        assert!(config.do_lower_case && config.heads.is_empty() && config.model.is_projected());
        assert!(config.strip_accents.is_none() && config.tokenize_chinese_chars);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RecordConfig>(&text).unwrap(), config);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        let head = crate::names::tests::head(true, true, true);
        let config = crate::names::tests::config(8, head);
        let text = serde_json::to_string(&config).unwrap();
        std::fs::write(&file, format!("\u{feff}{text}")).unwrap();
        assert_eq!(RecordConfig::read(&file).unwrap(), config);
    }

    #[test]
    fn accents_follow_lower_casing_unless_a_record_says_otherwise() {
        let mut config = RecordConfig {
            model: crate::names::tests::config(8, crate::names::tests::head(true, true, true))
                .model,
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            heads: BTreeMap::new(),
        };
        for (lower_case, stated, expected) in [
            (true, None, true),
            (false, None, false),
            (true, Some(false), false),
            (false, Some(true), true),
        ] {
            config.do_lower_case = lower_case;
            config.strip_accents = stated;
            assert_eq!(config.strips_accents(), expected);
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<RecordConfig>(&text).unwrap(), config);
        }
    }
}
