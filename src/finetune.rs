//! The reference's `run_finetuning`: trains and evaluates each trial and writes the results.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use burn::tensor::Device;

use crate::{
    config::{self, Config},
    data::{
        self,
        batch::FeatureSet,
        batch_plan::{BatchPlan, PlanOptions},
        example::Split,
        tokenizer::Tokenizer,
    },
    device::ByteSize,
    durable_file::write_whole,
    eval::{
        self,
        evaluate::{self, TaskData},
        json_file::write_json,
        nbest::QuestionPrediction,
        results::{ResultFiles, TrialResults, test_outputs},
        score::Metric,
    },
    kernels::shader::Element,
    model::{
        Elements, HeadConfig, QuestionAnsweringModel,
        arithmetic::Arithmetic,
        folder::{self, Finder},
        parameters::{Origin, ParameterSource, StoredParameters},
        record,
    },
    report::run_report::RunReport,
    tensorboard::event_log::EventLog,
    train::{
        self,
        adam::Adam,
        gradients::{Objective, Trainable},
        memory_plan::{Footprint, MemoryLimits, MemoryPlan},
        progress::Progress,
        run_lock::RunLock,
        schedule::{LayerDecay, Schedule},
    },
    user_cache,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Model(#[from] folder::Error),
    #[error(transparent)]
    Train(#[from] train::run::Error),
    #[error(transparent)]
    Eval(#[from] evaluate::Error),
    #[error(transparent)]
    Results(#[from] eval::Error),
    #[error(transparent)]
    Lock(#[from] train::run_lock::Error),
    #[error(transparent)]
    Memory(#[from] train::memory_plan::TooLarge),
    #[error(
        "{path}: expected questions with passages to learn from or to answer, found none{left_out}; \
         give another file, or correct where its answers begin"
    )]
    NoQuestion { path: PathBuf, left_out: String },
    #[error("{path}: {action} failed: {source}; check the path and its permissions")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
}

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    pub trials: Vec<TrialResults>,
}

/// A run of `electra finetune`, its hyper-parameters resolved.
pub struct Finetune<'a> {
    pub config: &'a Config,
    /// Without autodiff.
    pub device: &'a Device,
    pub arithmetic: Arithmetic,
    pub tokenizer: &'a Tokenizer,
    /// Whether a model that is only evaluated may have a head with random values.
    pub untrained_head: bool,
    /// Moves an earlier run's folder aside instead of going on from it.
    pub restart: bool,
    pub progress: &'a Progress,
    pub memory_limits: MemoryLimits,
    /// Set from outside to end training after a step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

impl Finetune<'_> {
    /// Runs every trial.
    pub fn run(&self) -> Result<Outcome, Error> {
        let config = self.config;
        let train = self.read(config.do_train, Split::Train)?;
        let dev = self.read(config.do_eval, Split::Dev)?;
        let results = ResultFiles::new(config);
        let mut report = RunReport::default();
        let mut trials = Vec::new();
        for trial in 1..=config.num_trials {
            if config.num_trials > 1 {
                self.progress
                    .note(&format!("trial {trial} of {}", config.num_trials));
            }
            let (model, steps) = if config.do_train {
                let (model, steps) = self.train(trial, &train)?;
                (model, Some(steps))
            } else {
                (self.build(trial, self.device, None)?, None)
            };
            let model_dir = config.paths().model_dir(trial);
            // What is only evaluated may lie in a folder of its own.
            let trained_in = match &config.init_checkpoint {
                Some(checkpoint) if !config.do_train => checkpoint,
                _ => &model_dir,
            };
            report.add_training(trained_in, trial, self.progress);
            if config.do_eval {
                let scores = self.evaluate(&model, &dev, &results)?;
                if let Some(steps) = steps {
                    EventLog::resume(&model_dir, steps, self.progress).evaluation(steps, &scores);
                }
                trials.push(scores);
                results.write_results(&trials)?;
                // The results are on the disk: a page about them is no reason to end the run.
                if let Err(error) = report.write(config, &trials) {
                    log::warn!("the run goes on without its report: {}", one_line(&error));
                }
            }
            if config.write_test_outputs && trial <= config.n_writes_test {
                self.write_test_outputs(&model, trial)?;
            }
            if config.do_train && !config.keep_all_models && trial < config.num_trials {
                std::fs::remove_dir_all(&model_dir).map_err(io(&model_dir, "removing"))?;
            }
        }
        Ok(Outcome { trials })
    }

    fn read(&self, wanted: bool, split: Split) -> Result<Vec<TaskData>, Error> {
        if !wanted {
            return Ok(Vec::new());
        }
        let mut tasks = Vec::new();
        for task in &self.config.task_names {
            let file = self.config.paths().task_data(task, split);
            let bar = self.progress.busy(&format!("preparing {}", file.display()));
            let data = TaskData::read(task, &file, split, self.tokenizer, self.config)?;
            bar.finish_and_clear();
            let left_out = match data.examples.skipped.len() {
                0 => String::new(),
                skipped => format!(", {skipped} questions left out: answer not found"),
            };
            self.progress.note(&format!(
                "{task} {}: {} questions, {} windows{left_out}",
                split.name(),
                data.examples.examples.len(),
                data.features.len(),
            ));
            if data.features.is_empty() {
                let path = file;
                return Err(Error::NoQuestion { path, left_out });
            }
            tasks.push(data);
        }
        Ok(tasks)
    }

    /// Trains, and tells after how many steps.
    fn train(
        &self,
        trial: usize,
        data: &[TaskData],
    ) -> Result<(QuestionAnsweringModel, u64), Error> {
        let config = self.config;
        let model_dir = config.paths().model_dir(trial);
        if let Some(parent) = model_dir.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent, "creating"))?;
        }
        let _lock = RunLock::take(&model_dir)?;
        if self.restart {
            move_aside(&model_dir)?;
        }
        std::fs::create_dir_all(&model_dir).map_err(io(&model_dir, "creating"))?;
        let seed = config.trial_seed(trial);
        let features = FeatureSet::new(data.iter().map(|d| d.features.as_slice()).collect());
        let plan = BatchPlan::new(
            features.lengths(),
            PlanOptions {
                batch_size: config.train_batch_size,
                epochs: config.num_train_epochs,
                seed,
                shuffle: config.shuffle,
                length_bucketing: config.length_bucketing,
            },
        )?;
        let layers = config.encoder().num_hidden_layers;
        let trainable = Trainable::new(config.trainable_layers, layers);
        let memory = self.memory_plan(trainable, &features)?;
        let steps = plan.steps() as u64;
        let run = train::run::Run {
            device: self.device,
            model_dir: &model_dir,
            tasks: &config.task_names,
            schedule: Schedule {
                base: config.learning_rate,
                steps,
                warmup_proportion: config.warmup_proportion,
            },
            features,
            plan,
            objective: Objective {
                answerable_weight: config.answerable_weight,
                trainable,
                recompute_layers: memory.recompute_layers,
                loss_scale: 1.0,
            },
            scaled_loss: self.arithmetic.layers == Element::F16,
            micro_batch_size: memory.micro_batch_size,
            seed,
            hparams: training_hparams(config, data),
            stop: self.stop,
            save_every_steps: config.save_checkpoints_steps,
            save_every: Duration::from_secs(config.save_checkpoints_secs),
            max_save: config.max_save,
            log_every: config.log_every,
        };
        let layer_decay = LayerDecay {
            decay: config.layerwise_lr_decay,
            layers,
            variant: config.lr_decay_variant,
        };
        let adam =
            Adam::new(config.weight_decay_rate, layer_decay).with_moments(config.optimizer_moments);
        let model = run.train(
            adam,
            |device, stored| self.build(trial, device, stored),
            self.progress,
        )?;
        self.describe(&model_dir)?;
        Ok((model, steps))
    }

    /// How a batch is computed in the memory at hand; says so where it is not the plain way.
    fn memory_plan(
        &self,
        trainable: Trainable,
        features: &FeatureSet,
    ) -> Result<MemoryPlan, Error> {
        let config = self.config;
        let encoder = config.encoder();
        let heads = config.task_names.len();
        let layers = encoder.num_hidden_layers;
        let sizes = Elements::new(&encoder, HeadConfig::of(config), heads);
        let (trained, trained_layers) = match trainable {
            Trainable::All => (sizes.all(), layers),
            Trainable::FromLayer(first) => {
                let top = layers.saturating_sub(first);
                (sizes.heads + sizes.layer * top as u64, top)
            }
        };
        let footprint = Footprint {
            encoder: &encoder,
            layers_in: self.arithmetic.layers,
            moments: config.optimizer_moments,
            parameters: sizes.all(),
            trained,
            trained_layers,
            longest: features.lengths().into_iter().max().unwrap_or(1),
        };
        let plan = footprint.plan(
            config.train_batch_size,
            self.memory_limits,
            config.gradient_checkpointing,
            config.micro_batch_size,
        )?;
        if plan.recompute_layers || plan.micro_batch_size < config.train_batch_size {
            self.progress.note(&format!(
                "memory: {} for a step; {} features at once{}",
                ByteSize(plan.bytes),
                plan.micro_batch_size,
                if plan.recompute_layers {
                    ", layers computed again in the backward pass"
                } else {
                    ""
                }
            ));
        }
        Ok(plan)
    }

    /// Writes `config.json` and `vocab.txt` beside the record, so that the folder stands alone.
    fn describe(&self, model_dir: &Path) -> Result<(), Error> {
        let mut described = self.config.to_json();
        described["model"] = serde_json::json!(self.config.encoder());
        described["heads"] = self
            .config
            .task_names
            .iter()
            .map(|task| (task.clone(), serde_json::json!(HeadConfig::of(self.config))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let path = model_dir.join("config.json");
        write_json(&path, &described)?;
        let (from, to) = (
            self.config.paths().vocab_file().to_owned(),
            model_dir.join("vocab.txt"),
        );
        let vocab = std::fs::read(&from).map_err(io(&from, "reading"))?;
        write_whole(&to, |out| out.write_all(&vocab)).map_err(io(&to, "writing"))
    }

    /// Makes the model from `stored`, or else from `init_checkpoint`, or else anew.
    fn build(
        &self,
        trial: usize,
        device: &Device,
        stored: Option<&mut StoredParameters>,
    ) -> Result<QuestionAnsweringModel, folder::Error> {
        let config = self.config;
        let mut initial = match (&stored, &config.init_checkpoint) {
            (None, Some(path)) => Some(self.open(path)?),
            _ => None,
        };
        let stored = stored.or(initial.as_mut());
        let mut source = ParameterSource::new(device.clone(), config.trial_seed(trial), stored)
            .with_arithmetic(self.arithmetic);
        let model = QuestionAnsweringModel::new(
            &mut source,
            &config.encoder(),
            &config.task_names,
            HeadConfig::of(config),
        )?;
        let origin = source.finish();
        self.tell(&origin);
        match origin.initialised.into_iter().next() {
            Some(parameter) if !config.do_train && !self.untrained_head => {
                Err(folder::Error::NoHead { parameter })
            }
            _ => Ok(model),
        }
    }

    fn open(&self, path: &Path) -> Result<StoredParameters, folder::Error> {
        let home = self.config.paths().pretrained_model();
        let found = Finder {
            home: Some(&home),
            cache: user_cache::folder(),
            note: &mut |line| self.progress.note(line),
            progress: &mut |_, _| {},
        }
        .find(path)?;
        Ok(record::open(&found.path.join("model.bpk"))?)
    }

    fn tell(&self, origin: &Origin) {
        self.progress.note(&format!(
            "{} parameters loaded, {} new, {} of the checkpoint unused",
            origin.loaded.len(),
            origin.initialised.len(),
            origin.unused.len()
        ));
        for name in &origin.initialised {
            log::info!("new: {name}");
        }
    }

    fn evaluate(
        &self,
        model: &QuestionAnsweringModel,
        dev: &[TaskData],
        results: &ResultFiles,
    ) -> Result<TrialResults, Error> {
        let mut tasks = Vec::new();
        for (head, data) in dev.iter().enumerate() {
            let predictions = self.answer(model, head, data)?;
            results.write_predictions(&data.task, &predictions)?;
            let scores = evaluate::mark(data, &predictions, self.config)?;
            if Metric::of_task(&data.task) == Metric::Squad2 {
                results.write_eval(&data.task, &scores)?;
            }
            self.progress
                .note(&format!("{}: {}", data.task, scores.line()));
            tasks.push((data.task.clone(), scores));
        }
        Ok(TrialResults { tasks })
    }

    fn answer(
        &self,
        model: &QuestionAnsweringModel,
        head: usize,
        data: &TaskData,
    ) -> Result<Vec<QuestionPrediction>, Error> {
        let bar = self.progress.windows(data.features.len());
        let predictions = evaluate::answer(
            model,
            head,
            data,
            self.tokenizer,
            self.config,
            self.device,
            &mut |done| bar.set_position(done as u64),
        );
        bar.finish_and_clear();
        Ok(predictions?)
    }

    /// Predictions for the test file of the task `squad`, as the leaderboard takes them.
    fn write_test_outputs(
        &self,
        model: &QuestionAnsweringModel,
        trial: usize,
    ) -> Result<(), Error> {
        for (head, task) in self.config.task_names.iter().enumerate() {
            let file = self.config.paths().task_data(task, Split::Test);
            if Metric::of_task(task) != Metric::Squad2 || !file.is_file() {
                continue;
            }
            let data = TaskData::read(task, &file, Split::Test, self.tokenizer, self.config)?;
            let predictions = self.answer(model, head, &data)?;
            let outputs = test_outputs(&predictions, self.config.qa_na_threshold);
            write_json(
                &self
                    .config
                    .paths()
                    .test_predictions(task, Split::Test, trial),
                &outputs,
            )?;
        }
        Ok(())
    }
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}

/// An error and its causes in one line.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// Renames `folder` to `folder.old`, or to the first of `folder.old2`, … that is free.
fn move_aside(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    let mut number = 1;
    loop {
        let mut name = folder.as_os_str().to_owned();
        name.push(if number == 1 {
            ".old".into()
        } else {
            format!(".old{number}")
        });
        let aside = PathBuf::from(name);
        if !aside.exists() {
            return std::fs::rename(folder, &aside).map_err(io(folder, "moving aside"));
        }
        number += 1;
    }
}

/// What decides a training run's numbers, its features included: a checkpoint of another run is not
/// gone on from.
fn training_hparams(config: &Config, data: &[TaskData]) -> serde_json::Value {
    let mut hparams = config.decides_training();
    hparams.insert("training_data".into(), digest(data).into());
    hparams.into()
}

/// Number and checksum of all features.
fn digest(data: &[TaskData]) -> String {
    let features = data.iter().flat_map(|data| &data.features);
    let (mut count, mut sum) = (0, 0);
    for feature in features {
        count += 1;
        let places = [
            feature.start,
            feature.end,
            usize::from(feature.is_impossible),
        ];
        let words = feature.input_ids.iter().copied();
        for word in words.chain(places.map(|place| place as u32)) {
            sum = crc32c::crc32c_append(sum, &word.to_le_bytes());
        }
    }
    format!("{count} features, crc32c {sum:08x}")
}
