//! A fine-tuned model taken from its folder alone, for `electra predict` and `electra ask`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde_json::{Map, Value, json};

use crate::{
    config::{self, Config, Precision},
    data::{
        self,
        example::{Examples, Split},
        feature::{FeatureOptions, featurize},
        tokenizer::Tokenizer,
    },
    device::{self, Chosen},
    eval::{
        evaluate::{self, TaskData},
        nbest::QuestionPrediction,
    },
    model::{
        HeadConfig, QuestionAnsweringModel, arithmetic::Arithmetic, folder, parameters,
        parameters::ParameterSource, record,
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] folder::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error("{path}: {source}")]
    Config {
        path: PathBuf,
        source: config::Error,
    },
    #[error(transparent)]
    Device(#[from] device::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Evaluate(#[from] evaluate::Error),
    #[error(
        "{path}: parameter {parameter} is missing; expected a fine-tuned model with its \
         question-answering head, as electra finetune makes it"
    )]
    NoHead { path: PathBuf, parameter: String },
}

/// A model with its head, its vocabulary and the hyper-parameters it was trained with.
pub struct FineTuned {
    pub config: Config,
    pub tokenizer: Tokenizer,
    model: QuestionAnsweringModel,
    device: Device,
}

impl FineTuned {
    /// Opens a folder with `model.bpk`, or a TF checkpoint with a head, which is converted.
    pub fn open(path: &Path, chosen: &Chosen, precision: Precision) -> Result<Self, Error> {
        let found = folder::find(path, &mut |_, _| {})?;
        let config_file = found.path.join("config.json");
        let config = read_config(&found.path, &config_file)?;
        let tokenizer = Tokenizer::for_model(&found.path.join("vocab.txt"), &config)?;
        let mut stored = record::open(&found.path.join("model.bpk"))?;
        let tokens = config.predict_batch_size * config.max_seq_length;
        let arithmetic = Arithmetic::on(chosen, precision, &config.encoder(), tokens)?;
        let device = chosen.device.clone();
        let mut source = ParameterSource::new(device.clone(), config.seed, Some(&mut stored))
            .with_arithmetic(arithmetic);
        let model = QuestionAnsweringModel::new(
            &mut source,
            &config.encoder(),
            &config.task_names,
            HeadConfig::of(&config),
        )?;
        if let Some(parameter) = source.finish().initialised.pop() {
            return Err(Error::NoHead {
                path: found.path,
                parameter,
            });
        }
        Ok(Self {
            config,
            tokenizer,
            model,
            device,
        })
    }

    /// Answers every question, in the order of the examples; `progress` hears how many windows
    /// of how many are done.
    pub fn answer(
        &self,
        examples: Examples,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let options = FeatureOptions {
            max_seq_length: self.config.max_seq_length,
            doc_stride: self.config.doc_stride,
            max_query_length: self.config.max_query_length,
            split: Split::Dev,
        };
        let features = featurize(&examples, &self.tokenizer, &options)?;
        let windows = features.len();
        let data = TaskData {
            task: self.task().to_owned(),
            file: PathBuf::new(),
            examples,
            features,
        };
        Ok(evaluate::answer(
            &self.model,
            0,
            &data,
            &self.tokenizer,
            &self.config,
            &self.device,
            &mut |done| progress(done, windows),
        )?)
    }

    /// The task whose head answers: the first that the model was trained on.
    pub fn task(&self) -> &str {
        self.config
            .task_names
            .first()
            .map_or("squad", String::as_str)
    }
}

/// Reads what `electra finetune` wrote, or what the converter inferred from shapes.
fn read_config(folder: &Path, file: &Path) -> Result<Config, Error> {
    let error = |source| Error::Config {
        path: file.into(),
        source,
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let saved: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    if saved.contains_key("task_names") {
        let hparams = saved
            .into_iter()
            .filter(|(key, _)| key != "model" && key != "heads")
            .collect();
        return Config::from_json(&hparams).map_err(error);
    }
    let record = folder::read_config(folder)?;
    let model = &record.model;
    let mut hparams = json!({
        "model_size": "base",
        "vocab_size": model.vocab_size,
        "embedding_size": model.embedding_size,
        "do_lower_case": record.do_lower_case,
        "max_seq_length": model.max_position_embeddings,
        "model_hparam_overrides": {
            "hidden_size": model.hidden_size,
            "num_hidden_layers": model.num_hidden_layers,
            "num_attention_heads": model.num_attention_heads,
            "intermediate_size": model.intermediate_size,
            "max_position_embeddings": model.max_position_embeddings,
            "type_vocab_size": model.type_vocab_size,
        },
        "task_names": ["squad"],
    });
    if let Some((task, head)) = record.heads.iter().next() {
        hparams["task_names"] = json!([task]);
        hparams["joint_prediction"] = head.joint_prediction.into();
        hparams["answerable_classifier"] = head.answerable_classifier.into();
        hparams["answerable_uses_start_logits"] = head.answerable_uses_start_logits.into();
    }
    let hparams = hparams.as_object().cloned().unwrap_or_default();
    let name = folder
        .file_name()
        .unwrap_or(OsStr::new("model"))
        .to_string_lossy();
    let resolved = Config::resolve(Path::new(""), &name, &hparams).map_err(error)?;
    Ok(resolved.0)
}
