//! What a checkpoint says about itself, and how it is combined with what the user gave.
//!
//! No tensor's shape reveals letter case, accents, the number of heads or epsilon; a wrong default
//! for them would silently give wrong results.

use std::path::PathBuf;

use checkpoints_convert::RecordConfig;
use serde_json::{Map, Value, json};

use super::{
    choice::ModelSize,
    encoder::EncoderConfig,
    error::Error,
    table::{Config, OVERRIDES},
};
use crate::{data::source::read_text, text::vocab};

/// Hugging Face's newer file for the settings.
const TOKENIZER_FILE: &str = "tokenizer.json";

/// What a checkpoint says about itself.
#[derive(Debug, Clone)]
pub struct CheckpointFacts {
    /// The file with the facts, or the checkpoint as a whole.
    pub file: PathBuf,
    pub record: RecordConfig,
    /// Whether letter case and accents are stated. TensorFlow's checkpoints say nothing about them:
    /// their records have the reference's default, which the user may override.
    pub states_case: bool,
    /// The files that state them.
    pub case_files: Vec<PathBuf>,
    /// Its own vocabulary.
    pub vocabulary: Option<Vocabulary>,
}

/// A checkpoint's `vocab.txt`.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// The file, or the archive that holds it.
    pub file: PathBuf,
    /// Whether `file` is the vocabulary itself.
    pub is_file: bool,
    pub bytes: Vec<u8>,
}

/// A key of the encoder's shape.
struct Told {
    /// The checkpoint's name for it.
    name: &'static str,
    value: Value,
}

const LEAVE_OUT: &str = "leave it out, or give another checkpoint (init_checkpoint, --checkpoint)";

impl CheckpointFacts {
    /// Returns how to edit the checkpoint's files so that they say `key` = `value`.
    pub(super) fn correction(&self, key: &str, value: bool) -> String {
        let files = match self.case_files.as_slice() {
            [] => std::slice::from_ref(&self.file),
            files => files,
        };
        let parts = files.iter().map(|file| {
            let file = file.display().to_string();
            let name = match key {
                "do_lower_case" if file.ends_with(TOKENIZER_FILE) => "lowercase",
                "tokenize_chinese_chars" if file.ends_with(TOKENIZER_FILE) => {
                    "handle_chinese_chars"
                }
                key => key,
            };
            format!("{name:?} to {value} in {file}")
        });
        format!("set {}", parts.collect::<Vec<_>>().join(" and "))
    }

    /// Adds what the record's source states: `source`, and letter case in `case_files` or not at
    /// all. Letter case in the record that differs from `source` was corrected there, and so counts
    /// as stated.
    pub fn stated_by(
        mut self,
        source: &RecordConfig,
        states_case: bool,
        case_files: Vec<PathBuf>,
    ) -> Self {
        let case = |config: &RecordConfig| {
            let strips = config.strip_accents.unwrap_or(config.do_lower_case);
            (config.do_lower_case, strips, config.tokenize_chinese_chars)
        };
        let is_corrected = case(&self.record) != case(source);
        self.states_case = states_case || is_corrected;
        if !is_corrected && !case_files.is_empty() {
            self.case_files = case_files;
        }
        self
    }

    /// Returns the nearest published size, which decides the default rates.
    pub fn size(&self) -> ModelSize {
        let width = self.record.model.hidden_size;
        [ModelSize::Small, ModelSize::Base, ModelSize::Large]
            .into_iter()
            .min_by_key(|size| size.shape().0.abs_diff(width))
            .unwrap_or(ModelSize::Small)
    }

    /// Explains how [`CheckpointFacts::size`] was chosen.
    pub(super) fn size_note(&self) -> String {
        format!(
            "model_size = {} by the checkpoint's width of {}; it decides default rates",
            self.size().word(),
            self.record.model.hidden_size
        )
    }

    /// Applies the checkpoint's facts to `config`, except for keys in `given`.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        given: &Map<String, Value>,
    ) -> Result<(), Error> {
        let model = &self.record.model;
        if let Some(act) = &config.model_hparam_overrides.hidden_act
            && *act != model.hidden_act
        {
            let key = format!("{OVERRIDES}.hidden_act");
            return Err(self.contradiction(&key, act, "hidden_act", &json!(model.hidden_act)));
        }
        if model.hidden_act != "gelu" {
            return Err(Error::Activation {
                file: self.file.clone(),
                found: model.hidden_act.clone(),
            });
        }
        self.compare_shape(config, given)?;
        self.apply_shape(config);
        self.apply_case(config, given)?;
        self.apply_head(config, given)?;
        if let Some(vocabulary) = &self.vocabulary
            && vocabulary.is_file
            && !given.contains_key("vocab_file")
        {
            config.vocab_file = vocabulary.file.clone();
        }
        Ok(())
    }

    /// Compares a given vocabulary with the checkpoint's own, token by token: in a different
    /// vocabulary the ids stand for other words.
    pub(super) fn compare_vocabulary(
        &self,
        config: &Config,
        given: &Map<String, Value>,
    ) -> Result<(), Error> {
        let Some(own) = &self.vocabulary else {
            return Ok(());
        };
        // An unreadable file is reported where it is needed, and a pipe can be read only once.
        if !given.contains_key("vocab_file") || !config.vocab_file.is_file() {
            return Ok(());
        }
        let Ok(text) = read_text(&config.vocab_file) else {
            return Ok(());
        };
        match vocab::difference(&String::from_utf8_lossy(&own.bytes), &text) {
            None => Ok(()),
            Some(told) => Err(Error::Contradiction {
                key: "vocab_file".to_owned(),
                given: config.vocab_file.display().to_string(),
                told,
                file: own.file.clone(),
                advice: LEAVE_OUT.to_owned(),
            }),
        }
    }

    pub(super) fn contradiction(
        &self,
        key: &str,
        given: impl std::fmt::Display,
        name: &str,
        told: &Value,
    ) -> Error {
        Error::Contradiction {
            key: key.to_owned(),
            given: given.to_string(),
            told: format!("{name} = {told}"),
            file: self.file.clone(),
            advice: LEAVE_OUT.to_owned(),
        }
    }

    /// Returns the values that must match the checkpoint: otherwise its tensors would not fit, or
    /// would fit and give wrong results. Dropout and the initializer range are the user's choice.
    fn told(&self) -> [Told; 9] {
        let model = &self.record.model;
        let told = |name, value: Value| Told { name, value };
        [
            told("vocab_size", model.vocab_size.into()),
            told("embedding_size", model.embedding_size.into()),
            told("hidden_size", model.hidden_size.into()),
            told("num_hidden_layers", model.num_hidden_layers.into()),
            told("num_attention_heads", model.num_attention_heads.into()),
            told("intermediate_size", model.intermediate_size.into()),
            told(
                "max_position_embeddings",
                model.max_position_embeddings.into(),
            ),
            told("type_vocab_size", model.type_vocab_size.into()),
            told("layer_norm_eps", model.layer_norm_eps.into()),
        ]
    }

    /// Compares every part of the shape that was given, by its own key or by `model_size`.
    fn compare_shape(&self, config: &Config, given: &Map<String, Value>) -> Result<(), Error> {
        let overrides = config.model_hparam_overrides.to_map();
        let (width, layers) = config.model_size.shape();
        let sized = given.contains_key("model_size") && !config.debug;
        for Told { name, value } in self.told() {
            let differs = |other: &Value| other.as_f64() != value.as_f64();
            if let Some(other) = overrides.get(name).filter(|other| !other.is_null()) {
                if differs(other) {
                    return Err(self.contradiction(
                        &format!("{OVERRIDES}.{name}"),
                        other,
                        name,
                        &value,
                    ));
                }
                continue;
            }
            let by_size = match name {
                "hidden_size" => Some(width),
                "num_hidden_layers" => Some(layers),
                _ => None,
            };
            if let Some(implied) = by_size.filter(|_| sized)
                && differs(&implied.into())
            {
                let given = format!("{} (its {name} is {implied})", config.model_size.word());
                let mut error = self.contradiction("model_size", given, name, &value);
                let (own, model) = (self.size(), &self.record.model);
                if let Error::Contradiction { advice, .. } = &mut error
                    && own.shape() == (model.hidden_size, model.num_hidden_layers)
                {
                    *advice = format!("give model_size={}, or another checkpoint", own.word());
                }
                return Err(error);
            }
            if let Some(other) = given.get(name) {
                let other = match other {
                    Value::Null if name == "embedding_size" => self.record.model.hidden_size.into(),
                    other => other.clone(),
                };
                if differs(&other) {
                    return Err(self.contradiction(name, &other, name, &value));
                }
            }
        }
        Ok(())
    }

    /// Makes [`Config::encoder`] match the checkpoint, with as few overrides as possible.
    fn apply_shape(&self, config: &mut Config) {
        let model = &self.record.model;
        config.vocab_size = model.vocab_size;
        config.embedding_size = model.is_projected().then_some(model.embedding_size);
        let overrides = &mut config.model_hparam_overrides;
        let (width, layers) = config.model_size.shape();
        let is_default = !config.debug;
        let over = |own: usize, by_size: usize| (own != by_size || !is_default).then_some(own);
        overrides.hidden_size = over(model.hidden_size, width);
        overrides.num_hidden_layers = over(model.num_hidden_layers, layers);
        let given = overrides.clone();
        // Values derived from these are overridden only if they differ.
        overrides.num_attention_heads = None;
        overrides.intermediate_size = None;
        overrides.max_position_embeddings = None;
        overrides.type_vocab_size = None;
        overrides.layer_norm_eps = None;
        overrides.hidden_dropout_prob = None;
        overrides.attention_probs_dropout_prob = None;
        overrides.initializer_range = None;
        let plain: EncoderConfig = config.encoder();
        let overrides = &mut config.model_hparam_overrides;
        let size = |own: usize, plain: usize| (own != plain).then_some(own);
        let part = |own: f64, plain: f64| (own != plain).then_some(own);
        overrides.num_attention_heads = size(model.num_attention_heads, plain.num_attention_heads);
        overrides.intermediate_size = size(model.intermediate_size, plain.intermediate_size);
        overrides.max_position_embeddings =
            size(model.max_position_embeddings, plain.max_position_embeddings);
        overrides.type_vocab_size = size(model.type_vocab_size, plain.type_vocab_size);
        overrides.layer_norm_eps = part(model.layer_norm_eps, plain.layer_norm_eps);
        overrides.hidden_dropout_prob = given
            .hidden_dropout_prob
            .or(part(model.hidden_dropout_prob, plain.hidden_dropout_prob));
        overrides.attention_probs_dropout_prob = given.attention_probs_dropout_prob.or(part(
            model.attention_probs_dropout_prob,
            plain.attention_probs_dropout_prob,
        ));
        overrides.initializer_range = given
            .initializer_range
            .or(part(model.initializer_range, plain.initializer_range));
    }

    fn apply_case(&self, config: &mut Config, given: &Map<String, Value>) -> Result<(), Error> {
        let record = &self.record;
        let lower_case = given.get("do_lower_case").and_then(Value::as_bool);
        let own_accents = given.get("strip_accents").and_then(Value::as_bool);
        let ideographs = given.get("tokenize_chinese_chars").and_then(Value::as_bool);
        let strips = record.strip_accents.unwrap_or(record.do_lower_case);
        for (key, given, told) in [
            ("do_lower_case", lower_case, record.do_lower_case),
            ("strip_accents", own_accents, strips),
            (
                "tokenize_chinese_chars",
                ideographs,
                record.tokenize_chinese_chars,
            ),
        ] {
            if let Some(given) = given.filter(|given| self.states_case && *given != told) {
                return Err(Error::Contradiction {
                    key: key.to_owned(),
                    given: given.to_string(),
                    told: format!("{key} = {told}"),
                    file: self.case_files.first().unwrap_or(&self.file).clone(),
                    advice: format!(
                        "leave it out, or {} if that is wrong",
                        self.correction(key, given)
                    ),
                });
            }
        }
        config.do_lower_case = lower_case.unwrap_or(record.do_lower_case);
        // Accent stripping follows lower-casing unless either side says otherwise.
        config.strip_accents = own_accents.or(record.strip_accents);
        config.tokenize_chinese_chars = ideographs.unwrap_or(record.tokenize_chinese_chars);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
