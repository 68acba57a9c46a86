//! The `config.json` of a Hugging Face model, or the configuration that a TensorFlow checkpoint was
//! trained with. Parses the settings that no shape determines and checks them against the shapes
//! and against what this project's model supports. Defaults are those of `ElectraConfig`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Error;
use crate::config::{self, ModelShape};
use crate::plain_file;

/// What `config.json` says about the model.
#[derive(Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    model_type: Option<String>,
    #[serde(default = "config::gelu")]
    hidden_act: String,
    num_attention_heads: Option<usize>,
    #[serde(default = "config::tenth")]
    hidden_dropout_prob: f64,
    #[serde(default = "config::tenth")]
    attention_probs_dropout_prob: f64,
    #[serde(default = "config::fiftieth")]
    initializer_range: f64,
    #[serde(default = "config::epsilon")]
    layer_norm_eps: f64,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: Option<bool>,
    /// The tokenizer's class, if it is not the model's own.
    #[serde(default)]
    pub tokenizer_class: Option<String>,
    // Settings of the head. They are read only if the head is converted, so they may hold anything
    // else.
    #[serde(default)]
    pub architectures: Value,
    #[serde(default)]
    pub finetuning_task: Value,
    #[serde(default)]
    pub id2label: Value,
    #[serde(default)]
    pub problem_type: Value,
    // This project's own keys; `transformers` preserves keys that it does not know.
    #[serde(default)]
    pub tagging_segment: Value,
    #[serde(default)]
    pub qa_na_threshold: Value,
    // Settings that the shapes determine too.
    vocab_size: Option<usize>,
    embedding_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
}

/// Number of attention heads of an `ElectraConfig` that does not state it.
const ELECTRA_CONFIG_HEADS: usize = 4;

/// Describes the beginning of JSON that is not an object. Every file of a model is an object, but
/// serde would also accept a list of the right values.
fn begins_as(text: &[u8]) -> Option<&'static str> {
    Some(match text.trim_ascii_start().first()? {
        b'[' => "a list",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        b't' | b'f' => "true or false",
        b'n' => "null",
        _ => return None,
    })
}

/// Parses a JSON file of the model.
pub(super) fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, Error> {
    let text = plain_file::without_mark(bytes);
    if let Some(found) = begins_as(text) {
        return Err(Error::NoObject {
            file: file.into(),
            found,
        });
    }
    serde_json::from_slice(text).map_err(|source| Error::Json {
        file: file.into(),
        source,
    })
}

impl Settings {
    /// Parses `config.json`, and rejects models with a different computation from ELECTRA's.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut settings: Self = parse(file, bytes)?;
        if settings.model_type.as_deref() != Some("electra") {
            let found = match settings.model_type {
                Some(other) => format!("{other:?}"),
                None => "missing".into(),
            };
            return Err(Error::ModelType {
                file: file.into(),
                found,
            });
        }
        settings
            .num_attention_heads
            .get_or_insert(ELECTRA_CONFIG_HEADS);
        settings.checked(file)
    }

    /// Parses the configuration beside a TensorFlow checkpoint, as written by BERT's code; returns
    /// `None` for JSON that is not one.
    pub fn parse_beside(file: &str, bytes: &[u8]) -> Result<Option<Self>, Error> {
        let Ok(settings) = parse::<Self>(file, bytes) else {
            return Ok(None);
        };
        let is_electra = settings
            .model_type
            .as_deref()
            .is_none_or(|t| t == "electra");
        match is_electra && settings.hidden_size.is_some() {
            true => settings.checked(file).map(Some),
            false => Ok(None),
        }
    }

    fn checked(self, file: &str) -> Result<Self, Error> {
        let settings = self;
        let setting = |key, found: String, expected: &str| Error::Setting {
            file: file.into(),
            key,
            found,
            expected: expected.into(),
        };
        if settings.hidden_act != "gelu" {
            let expected = "only \"gelu\", by the error function, is computed";
            return Err(setting(
                "hidden_act",
                format!("{:?}", settings.hidden_act),
                expected,
            ));
        }
        if let Some(kind) = settings.position_embedding_type.as_deref()
            && kind != "absolute"
        {
            let expected = "only \"absolute\" positions are computed";
            return Err(setting(
                "position_embedding_type",
                format!("{kind:?}"),
                expected,
            ));
        }
        if settings.layer_norm_eps != config::epsilon() {
            let expected = "only the reference's 1e-12 is computed";
            return Err(setting(
                "layer_norm_eps",
                settings.layer_norm_eps.to_string(),
                expected,
            ));
        }
        for (key, rate) in [
            ("hidden_dropout_prob", settings.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                settings.attention_probs_dropout_prob,
            ),
        ] {
            if !(0.0..1.0).contains(&rate) {
                let expected = "expected a probability from 0 to below 1";
                return Err(setting(key, rate.to_string(), expected));
            }
        }
        if settings.is_decoder == Some(true) {
            let expected = "only an encoder, which sees the whole text, is computed";
            return Err(setting("is_decoder", "true".into(), expected));
        }
        Ok(settings)
    }

    /// Returns whether it states the number of attention heads, which no shape determines.
    pub fn says_heads(&self) -> bool {
        self.num_attention_heads.is_some()
    }

    /// Applies the settings to a model that was inferred from shapes.
    pub fn apply(&self, file: &str, model: &mut ModelShape) -> Result<(), Error> {
        let sizes = [
            ("vocab_size", self.vocab_size, model.vocab_size),
            ("embedding_size", self.embedding_size, model.embedding_size),
            ("hidden_size", self.hidden_size, model.hidden_size),
            (
                "num_hidden_layers",
                self.num_hidden_layers,
                model.num_hidden_layers,
            ),
            (
                "intermediate_size",
                self.intermediate_size,
                model.intermediate_size,
            ),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                model.max_position_embeddings,
            ),
            (
                "type_vocab_size",
                self.type_vocab_size,
                model.type_vocab_size,
            ),
        ];
        for (key, stated, expected) in sizes {
            if let Some(found) = stated.filter(|&size| size != expected) {
                return Err(Error::Size {
                    file: file.into(),
                    key,
                    found,
                    expected,
                });
            }
        }
        let heads = self
            .num_attention_heads
            .unwrap_or(model.num_attention_heads);
        if heads == 0 || !model.hidden_size.is_multiple_of(heads) {
            return Err(Error::Setting {
                file: file.into(),
                key: "num_attention_heads",
                found: heads.to_string(),
                expected: format!(
                    "expected a divisor of the hidden size {}",
                    model.hidden_size
                ),
            });
        }
        model.num_attention_heads = heads;
        model.hidden_act.clone_from(&self.hidden_act);
        model.hidden_dropout_prob = self.hidden_dropout_prob;
        model.attention_probs_dropout_prob = self.attention_probs_dropout_prob;
        model.initializer_range = self.initializer_range;
        model.layer_norm_eps = self.layer_norm_eps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelShape {
        crate::names::tests::config(4, crate::names::tests::head(true, true, true)).model
    }

    #[test]
    fn settings_fill_in_what_shapes_do_not_tell() {
        let text = br#"{"model_type": "electra", "num_attention_heads": 2, "hidden_size": 8,
            "attention_probs_dropout_prob": 0.25, "torch_dtype": "float32"}"#;
        let mut model = model();
        Settings::parse("c", text)
            .unwrap()
            .apply("c", &mut model)
            .unwrap();
        assert_eq!(model.num_attention_heads, 2);
        assert_eq!(model.attention_probs_dropout_prob, 0.25);
        assert_eq!(model.hidden_dropout_prob, 0.1);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let text = "\u{feff}{\"model_type\": \"electra\", \"hidden_size\": 8}".as_bytes();
        assert_eq!(Settings::parse("c", text).unwrap().hidden_size, Some(8));
        let beside = Settings::parse_beside("c", text).unwrap().unwrap();
        assert_eq!(beside.hidden_size, Some(8));
    }

    #[test]
    fn another_model_and_another_computation_are_refused() {
        let cases = [
            ("{}", "\"model_type\" is missing"),
            (r#"{"model_type": "bert"}"#, "\"model_type\" is \"bert\""),
            ("[", "not the JSON"),
            ("{", "not the JSON"),
            ("[]", "it begins as a list; expected an object, {…}"),
            (" null", "it begins as null"),
            ("4", "it begins as a number"),
            (
                r#"{"model_type": "electra", "hidden_act": "gelu_new"}"#,
                "\"hidden_act\" is \"gelu_new\"",
            ),
            (
                r#"{"model_type": "electra", "layer_norm_eps": 1e-5}"#,
                "\"layer_norm_eps\" is 0.00001",
            ),
            (
                r#"{"model_type": "electra", "position_embedding_type": "relative_key"}"#,
                "only \"absolute\"",
            ),
            (
                r#"{"model_type": "electra", "is_decoder": true}"#,
                "only an encoder",
            ),
        ];
        for (text, expected) in cases {
            let error = Settings::parse("c", text.as_bytes()).err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
        for (text, expected) in [
            (
                r#"{"model_type": "electra", "vocab_size": 99}"#,
                "\"vocab_size\" is 99, but the weights have 100",
            ),
            (
                r#"{"model_type": "electra", "num_attention_heads": 3}"#,
                "a divisor of the hidden size 8",
            ),
            (
                r#"{"model_type": "electra", "num_attention_heads": 0}"#,
                "a divisor of the hidden size 8",
            ),
        ] {
            let settings = Settings::parse("c", text.as_bytes()).unwrap();
            let error = settings.apply("c", &mut model()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
