//! The quality of the discriminator during training: a copy of it is fine-tuned on a built-in task with a
//! small, fixed budget, and scored on the task's dev file.
//!
//! The copy is made on the host, and a probe has its own random numbers, so that a run's weights are the same
//! with and without probes.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use burn::{module::Module, tensor::Device};
use checkpoints_convert::pack::Pack;
use serde_json::{Value, json};

use super::{model_files::Letters, networks::Networks};
use crate::{
    batch::{
        Batch, FeatureSet,
        plan::{BatchPlan, PlanOptions},
    },
    config::{self, Config, PretrainConfig},
    data::{self, split::Split},
    device::DeviceError,
    eval::{dev_record::DevRecord, figures::Figure, results::TrialResults},
    kernels::formats::Element,
    model::{
        arithmetic::Arithmetic,
        parameters::{self, ParameterSource, StoredParameters},
        record::{for_each_parameter, stored_tensor},
    },
    progress::Progress,
    stop::Stop,
    tasks::{
        self,
        head::TaskHead,
        kind::{heads, task},
        model::Model,
        predict,
        task::{Answerer, TaskFile},
    },
    text::tokenizer::Tokenizer,
    train::{
        adam::Adam,
        log::dev_jsonl::DevLog,
        objective::{Objective, Trainable},
        schedule::{LayerDecay, Schedule},
        step::{StepSettings, train_step},
    },
};

/// The probes' log in the model's folder, one line each.
pub const FILE: &str = "probe_log.jsonl";

/// Number of training and of dev examples, the first of their files, and epochs: about a minute for a small
/// model on a GPU.
const EXAMPLES: usize = 1_000;
const EPOCHS: f64 = 3.0;
pub(super) const BATCH: usize = 32;

/// Initial loss scale in f16, as at the start of a run.
const LOSS_SCALE: f64 = 1_024.0;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("probe = {task}: {source}")]
    Config { task: String, source: config::Error },
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
    #[error(transparent)]
    Log(#[from] crate::train::log::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error("probing: {0}")]
    Device(#[from] DeviceError),
}

impl Error {
    /// Whether the device is the reason that a probe cannot run; training then continues without it.
    pub fn is_of_device(&self) -> bool {
        let of_device = |error: &predict::Error| matches!(error, predict::Error::Read(_));
        match self {
            Self::Device(_) => true,
            Self::Task(tasks::Error::Predict(error)) => of_device(error),
            _ => false,
        }
    }
}

/// A task that is ready for training.
pub struct Probe {
    config: Config,
    heads: Vec<TaskHead>,
    tokenizer: Tokenizer,
    train: Box<dyn TaskFile>,
    dev: Box<dyn TaskFile>,
    every: u64,
}

/// What a probe runs on.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Without autodiff.
    pub device: &'a Device,
    pub arithmetic: Arithmetic,
    /// Examples in a micro-batch.
    pub micro_batch_size: usize,
    /// Whether the backward pass recomputes layers.
    pub recompute_layers: bool,
    pub progress: &'a Progress,
    pub stop: &'a Stop,
}

impl Probe {
    /// Reads the files of the task that probes the run, if there is one.
    ///
    /// # Errors
    /// If there is no such task, or its files cannot be read or scored.
    pub fn open(config: &PretrainConfig, letters: Letters) -> Result<Option<Self>, Error> {
        let Some(name) = config.probe.as_ref().filter(|_| config.probe_every > 0) else {
            return Ok(None);
        };
        let wrong = |source| Error::Config {
            task: name.clone(),
            source,
        };
        let mut given = hparams(config, name, letters);
        let resolve = |given: &Value| {
            let given = given.as_object().cloned().unwrap_or_default();
            Config::resolve(&config.data_dir, &config.model_name, &given)
        };
        // The task's own length, but no positions that were never trained.
        let own = resolve(&given).map_err(wrong)?.0.max_seq_length;
        given["max_seq_length"] = own.min(config.max_seq_length).into();
        let task_config = resolve(&given).map_err(wrong)?.0;
        let heads = heads(&task_config, &BTreeMap::new())?;
        let tokenizer = task_config.tokenizer(&config.vocab_file)?;
        let read = |split| -> Result<Box<dyn TaskFile>, tasks::Error> {
            let head = &heads[0].config;
            let file =
                task(name, &task_config).read(split, None, head, &tokenizer, &task_config)?;
            file.check_not_empty()?;
            Ok(file)
        };
        let (train, dev) = (read(Split::Train)?, read(Split::Dev)?);
        dev.check_markable()?;
        Ok(Some(Self {
            train,
            dev,
            heads,
            tokenizer,
            config: task_config,
            every: config.probe_every,
        }))
    }

    /// Fine-tunes a copy of the discriminator on the task and scores it; `None` if the user stops it.
    fn scores(&self, networks: &Networks, on: Place) -> Result<Option<TrialResults>, Error> {
        let Some(model) = self.learn(networks, on)? else {
            return Ok(None);
        };
        let by = Answerer {
            model: &model,
            head: 0,
            tokenizer: &self.tokenizer,
            config: &self.config,
            device: on.device,
            at_once: self.config.predict_batch_size,
            losses: true,
        };
        let answers = self.dev.answer(&by, &mut |_| match on.stop.is_asked() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        let answers = match answers {
            Err(tasks::Error::Predict(predict::Error::Ended { .. })) => return Ok(None),
            answers => answers?,
        };
        let mut scores = answers.scores()?;
        if let Some(loss) = answers.loss() {
            scores.put("loss", Figure::Value(loss));
        }
        Ok(Some(TrialResults {
            tasks: vec![(self.dev.task().to_owned(), scores)],
        }))
    }

    fn learn(&self, networks: &Networks, on: Place) -> Result<Option<Model>, Error> {
        let config = &self.config;
        let device = on.device.clone().autodiff();
        let mut tensors = Vec::new();
        for_each_parameter(networks, &[], |parameter| {
            if parameter.name.starts_with("electra.") {
                let (name, shape) = (parameter.name, parameter.shape);
                tensors.push(stored_tensor(name, shape, parameter.value));
            }
        });
        let pack = Pack {
            tensors,
            checksums: None,
            producer: None,
        };
        let mut stored = StoredParameters::new("the discriminator".to_owned(), pack);
        let mut source = ParameterSource::new(device.clone(), config.seed, Some(&mut stored))
            .with_arithmetic(on.arithmetic);
        let mut model = Model::new(&mut source, &config.encoder(), &self.heads)?;
        let features = FeatureSet::of_rows([self.train.rows()]);
        let options = PlanOptions {
            batch_size: config.train_batch_size,
            epochs: config.num_train_epochs,
            seed: config.seed,
            shuffle: true,
            length_bucketing: false,
        };
        let mut plan = BatchPlan::new(features.lengths(), options)?;
        let schedule = Schedule {
            base: config.learning_rate,
            steps: plan.steps() as u64,
            warmup_proportion: config.warmup_proportion,
            decay: config.lr_schedule,
        };
        let settings = StepSettings {
            device: &device,
            tasks: &config.task_names,
            objective: Objective {
                trainable: Trainable::All,
                recompute_layers: on.recompute_layers,
                loss_scale: match on.arithmetic.layers {
                    Element::F16 => LOSS_SCALE,
                    Element::F32 => 1.0,
                },
            },
            seed: config.seed,
        };
        let layer_decay = LayerDecay {
            decay: config.layerwise_lr_decay,
            layers: config.encoder().num_hidden_layers,
            variant: config.lr_decay_variant,
        };
        let mut adam = Adam::new(config.weight_decay_rate, layer_decay);
        adam.begin(&model, settings.tasks);
        for step in 0..plan.steps() {
            if on.stop.is_asked() {
                return Ok(None);
            }
            let rows = plan.features(step).chunks(on.micro_batch_size.max(1));
            let parts = rows.map(|rows| Batch::collate(&features, rows));
            let parts: Vec<Batch> = parts.collect::<Result<_, _>>()?;
            let step = step as u64;
            let rate = schedule.update_rate(step);
            // A step that overflows f16 changes nothing.
            (model, _) = train_step(model, &mut adam, &parts, step, rate, &settings)?;
        }
        Ok(Some(model.valid()))
    }

    /// How long one probe takes.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measured(&self, networks: &Networks, on: Place) -> Result<Duration, Error> {
        let began = Instant::now();
        self.scores(networks, on)?;
        Ok(began.elapsed())
    }

    /// Steps between probes.
    pub fn every(&self) -> u64 {
        self.every
    }
}

/// The settings of the fine-tuning: the sizes of the discriminator, and the budget.
fn hparams(config: &PretrainConfig, task: &str, letters: Letters) -> Value {
    let network = config.discriminator();
    json!({
        "task_names": [task],
        "init_checkpoint": null,
        "model_size": config.model_size.word(),
        "model_hparam_overrides": {
            "hidden_size": network.hidden_size,
            "num_hidden_layers": network.num_hidden_layers,
            "num_attention_heads": network.num_attention_heads,
            "intermediate_size": network.intermediate_size,
            "hidden_dropout_prob": network.hidden_dropout_prob,
            "attention_probs_dropout_prob": network.attention_probs_dropout_prob,
            "max_position_embeddings": network.max_position_embeddings,
            "type_vocab_size": network.type_vocab_size,
            "layer_norm_eps": network.layer_norm_eps,
        },
        "embedding_size": network.embedding_size,
        "vocab_size": network.vocab_size,
        "vocab_file": config.vocab_file,
        "do_lower_case": letters.lower_case,
        "strip_accents": letters.strip_accents,
        "seed": config.seed,
        "train_batch_size": BATCH,
        "predict_batch_size": BATCH,
        "num_train_epochs": EPOCHS,
        "max_train_examples": EXAMPLES,
        "max_eval_examples": EXAMPLES,
    })
}

/// The probes of a run.
pub struct Probes<'a> {
    probe: &'a Probe,
    log: DevLog,
    /// Total steps of the run.
    steps: u64,
    on: Place<'a>,
}

impl<'a> Probes<'a> {
    /// The probes of a run in `model_dir` that resumes after `step` of `steps` steps.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub fn resume(
        probe: &'a Probe,
        model_dir: &Path,
        [step, steps]: [u64; 2],
        on: Place<'a>,
    ) -> Result<Self, Error> {
        let mut note = |line: String| on.progress.note(&line);
        let tasks = &probe.config.task_names;
        let path = model_dir.join(FILE);
        DevLog::keep_other_tasks(&path, tasks, &mut note)?;
        Ok(Self {
            log: DevLog::resume(&path, tasks, step, &mut note)?,
            probe,
            steps,
            on,
        })
    }

    /// Returns whether the model is probed after `step` steps and has not been yet.
    pub fn is_due(&self, step: u64) -> bool {
        let done = self.log.records().iter().any(|record| record.step == step);
        !done && (step.is_multiple_of(self.probe.every) || step == self.steps)
    }

    /// Probes the networks after `step` steps, with micro-batches of `at_once` examples, if a probe is due
    /// and not done yet. Returns whether the user has stopped it. A probe that the device cannot run is
    /// skipped, and training continues.
    ///
    /// # Errors
    /// If the log cannot be written, or the task cannot be scored.
    pub fn look(&mut self, step: u64, networks: &Networks, at_once: usize) -> Result<bool, Error> {
        self.on.micro_batch_size = at_once;
        if !self.is_due(step) {
            return Ok(false);
        }
        let began = Instant::now();
        let results = match self.probe.scores(networks, self.on) {
            Ok(Some(results)) => results,
            Ok(None) => return Ok(true),
            Err(error) if error.is_of_device() => {
                log::warn!("step {step}: without a probe: {error}");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        for (task, scores) in &results.tasks {
            let line = scores.line();
            self.on
                .progress
                .note(&format!("step {step}: probe {task}: {line}"));
        }
        let seconds = began.elapsed().as_secs_f64();
        let mut record = DevRecord::new(step, &results, seconds);
        let dev = &self.probe.dev;
        let taken = dev.taken().map(|taken| (dev.task().to_owned(), taken));
        record.taken.extend(taken);
        self.log.add(record)?;
        Ok(false)
    }
}
