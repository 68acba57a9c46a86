//! A fine-tuned model taken from its folder alone, for `electra predict`, `ask` and `serve`.

use std::{
    ffi::OsStr,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use checkpoints_convert::HeadShape;
use serde_json::{Map, Value, json};

use crate::{
    batch::FeatureSet,
    config::{self, CheckpointFacts, Config, Draft, Precision},
    data::{self, split::Split},
    device::{self, Chosen},
    kernels::{autotune::AutotuneCache, formats::Element},
    model::{
        absent::trained_below,
        arithmetic::Arithmetic,
        description::{describe_record, described_in},
        folder::{self, ModelFolder},
        parameters::{self, ParameterSource},
        record,
    },
    tasks::{
        self, kind,
        model::Model,
        qa::{
            self,
            answers::nbest::{self, QuestionPrediction},
            beam::WindowOutput,
            evaluate::nbest_options,
            example::Examples,
            feature::{Feature, FeatureOptions, featurize},
            no_answer::threshold,
            predict,
            scorers::metric::Metric,
            token_counts::TokenCounts,
        },
        registry::{self, Kind},
    },
    text::tokenizer::Tokenizer,
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
    #[error(
        "{path}: config.json is missing, without which nothing tells what the model is; expected the \
         folder that electra finetune or checkpoints-convert made, or its checkpoint-N"
    )]
    NoConfig { path: PathBuf },
    #[error("{0}")]
    Device(#[from] device::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Predict(#[from] predict::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
    #[error(transparent)]
    Answer(#[from] qa::error::Error),
    #[error("{}", needs_null_odds(option, &path.display().to_string(), task))]
    NoNullOdds {
        /// What was given, and by which flag.
        option: &'static str,
        path: PathBuf,
        task: String,
    },
    #[error(
        "{path}: the model was trained on {tasks}, where nothing is asked of a passage; expected a model \
         of question answering, such as squad's; electra evaluate marks this one on its task's files"
    )]
    NoQuestions { path: PathBuf, tasks: String },
    #[error(
        "{path}: parameter {parameter} is missing; expected a fine-tuned model with its \
         question-answering head, as electra finetune makes it{instead}"
    )]
    NoHead {
        path: PathBuf,
        parameter: String,
        /// What could be given instead.
        instead: String,
    },
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
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use electra::{
///     config::Precision,
///     device::{DeviceRequest, choose},
///     fine_tuned::FineTuned,
///     reply::Reply,
///     tasks::qa::example::Examples,
/// };
///
/// let device = choose(DeviceRequest::Auto)?;
/// let model = FineTuned::open(Path::new("my_model"), &device, Precision::Auto)?;
/// let asked = Examples::of_one("Who wrote it?", "Ada wrote it in 1843.");
/// for prediction in model.answer(asked, &mut |_, _| {})? {
///     let reply = Reply::new(prediction, &model.config, model.config.qa_na_threshold);
///     println!("{} at {:?}", reply.answer, reply.place());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FineTuned {
    pub config: Config,
    pub tokenizer: Tokenizer,
    /// Where its record lies.
    pub folder: PathBuf,
    /// The number format that it computes in.
    pub precision: Element,
    model: Model,
    /// Of the heads, the one that answers.
    head: usize,
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
    /// Opens a folder with `model.bpk`, the checkpoint of a run included, or a TF checkpoint with a
    /// head, which is converted.
    ///
    /// # Errors
    /// As [`FineTuned::of_record`], and no model at `path`.
    pub fn open(path: &Path, chosen: &Chosen, precision: Precision) -> Result<Self, Error> {
        Self::of_record(&folder::find(path, &mut |_, _| {})?, chosen, precision)
    }

    /// Opens a record that was found.
    ///
    /// # Errors
    /// Damaged, or without a head that answers; a device that fails.
    pub fn of_record(
        found: &ModelFolder,
        chosen: &Chosen,
        precision: Precision,
    ) -> Result<Self, Error> {
        let facts = describe_record(&found.path)?.ok_or_else(|| no_config(&found.path))?;
        let config = read_config(&found.path, &facts)?;
        let vocab = described_in(&found.path).join("vocab.txt");
        let tokenizer = config.tokenizer(&vocab)?;
        let mut stored = record::open(&found.path.join("model.bpk"))?;
        let tokens = config.predict_batch_size * config.max_seq_length;
        let arithmetic = Arithmetic::on(
            chosen,
            precision,
            &config.encoder(),
            tokens,
            &AutotuneCache::of_user(),
        )?;
        let device = chosen.device.clone();
        let mut source = ParameterSource::new(device.clone(), config.seed, Some(&mut stored))
            .with_arithmetic(arithmetic);
        let Some(head) = config.task_names.iter().position(|task| {
            let task = registry::find(task).map(|task| task.kind);
            matches!(task, Some(Kind::Questions(_)))
        }) else {
            return Err(Error::NoQuestions {
                path: found.path.clone(),
                tasks: config.task_names.join(", "),
            });
        };
        let heads = kind::heads(&config, &facts.record.heads)?;
        let model = Model::new(&mut source, &config.encoder(), &heads)?;
        if let Some(parameter) = source.finish().initialised.pop() {
            let trained = trained_below(&found.path).into_iter().next();
            return Err(Error::NoHead {
                path: found.path.clone(),
                parameter,
                instead: trained.map_or(String::new(), |trained| {
                    format!("; give {}", trained.display())
                }),
            });
        }
        Ok(Self {
            config,
            tokenizer,
            folder: found.path.clone(),
            precision: arithmetic.layers,
            model,
            head,
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
            self.head,
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

    /// Refuses a threshold on no-answer scores where the model gives none, so that it could decide
    /// nothing; `option` is what was given.
    ///
    /// # Errors
    /// When it gives none.
    pub fn expect_null_odds(&self, option: &'static str) -> Result<(), Error> {
        expect_null_odds(self.task(), option, &self.folder)
    }

    /// Holds answers back above `threshold`, in place of the model's own.
    ///
    /// # Errors
    /// As [`FineTuned::expect_null_odds`].
    pub fn set_threshold(&mut self, threshold: f64) -> Result<(), Error> {
        self.expect_null_odds(threshold::OPTION)?;
        self.config.qa_na_threshold = threshold;
        Ok(())
    }

    /// The task whose head answers: the first of questions that the model was trained on.
    pub fn task(&self) -> &str {
        &self.config.task_names[self.head]
    }
}

/// Whether a model of `task` gives no-answer scores.
pub fn gives_null_odds(task: &str) -> bool {
    Metric::of_task(task) == Metric::Squad2
}

/// Why what needs no-answer scores is refused; `option` is how it was given.
pub fn needs_null_odds(option: &str, model: &str, task: &str) -> String {
    format!(
        "{option} needs no-answer scores, which {model} does not give: expected a model that was trained \
         on squad, found one of {task}; leave it out"
    )
}

fn expect_null_odds(task: &str, option: &'static str, path: &Path) -> Result<(), Error> {
    if gives_null_odds(task) {
        return Ok(());
    }
    Err(Error::NoNullOdds {
        option,
        path: path.into(),
        task: task.into(),
    })
}

/// The hyper-parameters that decide a model's answers, beside its encoder and its vocabulary.
const ANSWERING: [&str; 10] = [
    "max_seq_length",
    "max_query_length",
    "doc_stride",
    "n_best_size",
    "max_answer_length",
    "beam_size",
    "joint_prediction",
    "answerable_classifier",
    "answerable_uses_start_logits",
    checkpoints_convert::THRESHOLD,
];

/// What the model in `folder` says of how it answers: the hyper-parameters that it was fine-tuned
/// with, or of a record that was only converted the threshold that was chosen for it, if one was.
///
/// # Errors
/// A `config.json` that cannot be read.
pub fn answering(folder: &Path) -> Result<Map<String, Value>, folder::Error> {
    let said = folder::config_file(&described_in(folder))?;
    let mut kept = said.map_or_else(Map::new, |said| said.hparams());
    kept.retain(|key, _| ANSWERING.contains(&key.as_str()));
    Ok(kept)
}

/// The hyper-parameters of what `electra finetune` wrote, or of a converted checkpoint with a head,
/// which says what it is but not how it was trained.
fn read_config(folder: &Path, facts: &CheckpointFacts) -> Result<Config, Error> {
    let said = folder::config_file(&described_in(folder))?.ok_or_else(|| no_config(folder))?;
    let draft = if said.is_fine_tuned() {
        Draft::from_json(&said.hparams())
    } else {
        let heads = &facts.record.heads;
        let asks = |head: &HeadShape| matches!(head, HeadShape::Span(_));
        let asked = heads.iter().find(|(_, head)| asks(head));
        let task = asked.or(heads.iter().next()).map(|(task, _)| task);
        let mut hparams = Map::new();
        let tasks = json!([task.map_or("squad", String::as_str)]);
        let positions = facts.record.model.max_position_embeddings;
        hparams.insert("task_names".to_owned(), tasks);
        hparams.insert("max_seq_length".to_owned(), positions.into());
        hparams.extend(said.hparams());
        let name = folder
            .file_name()
            .unwrap_or(OsStr::new("model"))
            .to_string_lossy();
        Draft::new(Path::new(""), &name, &hparams)
    };
    let error = |source| Error::Config {
        path: facts.file.clone(),
        source,
    };
    let mut draft = draft.map_err(error)?;
    draft.evaluate_only(Some(folder.into()));
    Ok(draft.finish(Some(facts)).map_err(error)?.config)
}

fn no_config(folder: &Path) -> Error {
    Error::NoConfig {
        path: folder.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_converted_record_gives_the_threshold_that_was_chosen_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let answers = |config: Value| {
            std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
            Value::from(answering(folder.path()).unwrap())
        };
        let converted = json!({"model": {}, "heads": {"squad": {}}, "do_lower_case": true});
        assert_eq!(answers(converted.clone()), json!({}));
        let mut calibrated = converted;
        calibrated["qa_na_threshold"] = (-1.09).into();
        calibrated["calibration"] = json!({"replaced": -2.75});
        let expected = json!({"qa_na_threshold": -1.09});
        assert_eq!(answers(calibrated), expected);
        let fine_tuned = json!({
            "task_names": ["squad"], "qa_na_threshold": -1.09, "doc_stride": 64, "seed": 7,
        });
        let expected = json!({"qa_na_threshold": -1.09, "doc_stride": 64});
        assert_eq!(answers(fine_tuned), expected);
    }

    #[test]
    fn a_threshold_without_no_answer_scores_is_refused() {
        let option = "threshold (--threshold)";
        assert!(expect_null_odds("squad", option, Path::new("m")).is_ok());
        for task in ["squadv1", "newsqa"] {
            let refused = expect_null_odds(task, option, Path::new("m")).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "threshold (--threshold) needs no-answer scores, which m does not give: expected \
                     a model that was trained on squad, found one of {task}; leave it out"
                )
            );
        }
    }
}
