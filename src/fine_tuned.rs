//! A fine-tuned model taken from its folder alone, for `electra predict`, `ask` and `serve`.

use std::{
    ffi::OsStr,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde_json::{Map, Value, json};

use crate::{
    config::{self, Config, Precision},
    data::{
        self,
        batch::FeatureSet,
        example::{Examples, Split},
        feature::{Feature, FeatureOptions, featurize},
        token_counts::TokenCounts,
        tokenizer::Tokenizer,
    },
    device::{self, Chosen},
    eval::{
        self,
        evaluate::nbest_options,
        nbest::{self, QuestionPrediction},
        predict,
    },
    kernels::kernel_choice::ChoiceCache,
    model::{
        HeadConfig, QuestionAnsweringModel, arithmetic::Arithmetic, beam::WindowOutput, folder,
        parameters, parameters::ParameterSource, record,
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
    Predict(#[from] predict::Error),
    #[error(transparent)]
    Answer(#[from] eval::Error),
    #[error(
        "{path}: parameter {parameter} is missing; expected a fine-tuned model with its \
         question-answering head, as electra finetune makes it"
    )]
    NoHead { path: PathBuf, parameter: String },
}

impl Error {
    /// Whether the device will not come back in this process.
    pub fn is_device_lost(&self) -> bool {
        match self {
            Error::Device(_) => true,
            Error::Predict(predict::Error::Read(error)) => error.is_lost(),
            _ => false,
        }
    }
}

/// A model with its head, its vocabulary and the hyper-parameters it was trained with.
pub struct FineTuned {
    pub config: Config,
    pub tokenizer: Tokenizer,
    model: QuestionAnsweringModel,
    device: Device,
}

/// Questions whose passages are cut into the windows that the model reads.
#[derive(Debug, Clone)]
pub struct Featurized {
    examples: Examples,
    features: Vec<Feature>,
}

impl Featurized {
    /// `features` are those of `examples`, in their order.
    pub fn new(examples: Examples, features: Vec<Feature>) -> Self {
        Featurized { examples, features }
    }

    /// What the model reads, a feature a window.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How much of the text the vocabulary with this `[UNK]` knows.
    pub fn token_counts(&self, unk_id: u32) -> TokenCounts {
        TokenCounts::of(&self.features, unk_id)
    }

    /// How many windows the model reads.
    pub fn windows(&self) -> usize {
        self.features.len()
    }

    /// How many tokens the model reads, those in several windows as often.
    pub fn tokens(&self) -> usize {
        let lengths = self.features.iter().map(|window| window.input_ids.len());
        lengths.sum()
    }
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
        let arithmetic = Arithmetic::on(
            chosen,
            precision,
            &config.encoder(),
            tokens,
            &ChoiceCache::of_user(),
        )?;
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

    /// Cuts and tokenises the passages of `examples` into the windows that the model reads.
    pub fn featurize(&self, examples: Examples) -> Result<Featurized, Error> {
        let options = FeatureOptions {
            max_seq_length: self.config.max_seq_length,
            doc_stride: self.config.doc_stride,
            max_query_length: self.config.max_query_length,
            split: Split::Dev,
        };
        let features = featurize(&examples, &self.tokenizer, &options)?;
        Ok(Featurized::new(examples, features))
    }

    /// Answers every question, in the order of the examples; `progress` hears how many windows
    /// of how many are done.
    pub fn answer(
        &self,
        examples: Examples,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let asked = self.featurize(examples)?;
        let tokens = asked.token_counts(self.tokenizer.vocab().unk_id());
        log::info!("{tokens}");
        if let Some(warning) = tokens.warning() {
            log::warn!("{warning}");
        }
        let windows = FeatureSet::from(asked.features());
        let outputs = self.compute(&windows, progress)?;
        self.choose(&asked, &outputs)
    }

    /// Runs the model over windows, of one question or of several; what it says stands in their
    /// order.
    ///
    /// # Errors
    /// When the device fails.
    pub fn compute(
        &self,
        windows: &FeatureSet<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<WindowOutput>, Error> {
        let count = windows.len();
        Ok(predict::predict(
            &self.model,
            0,
            windows,
            self.config.predict_batch_size,
            self.config.beam_size,
            &self.device,
            &mut |done| {
                progress(done, count);
                ControlFlow::Continue(())
            },
        )?)
    }

    /// Chooses the answers from what the model says of all windows, in the order of the examples.
    pub fn choose(
        &self,
        asked: &Featurized,
        outputs: &[WindowOutput],
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let options = nbest_options(self.task(), &self.config);
        let (examples, features) = (&asked.examples, &asked.features);
        Ok(nbest::predict(
            examples,
            features,
            outputs,
            &self.tokenizer,
            &options,
        )?)
    }

    /// The most tokens of a window, and how many of them fill the device in one go.
    pub fn tokens_at_once(&self) -> (usize, usize) {
        let window = self.config.max_seq_length;
        (window, window * self.config.predict_batch_size)
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
