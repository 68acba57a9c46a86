//! Trains one trial, from initial weights or from where it stopped, into a self-contained folder.

use std::{fs::OpenOptions, path::Path, time::Duration};

use burn::tensor::Device;
use checkpoints_convert::{CONFIG_FILE, ConfigFile};

use super::{Error, Finetune, GOES_ON, io, orders::Order};
use crate::{
    batch::{
        FeatureSet,
        plan::{BatchPlan, PlanOptions},
    },
    config::EncoderConfig,
    counted::counted,
    device::ByteSize,
    durable_file::write_whole,
    eval::json_file::write_json,
    kernels::{formats::Element, work},
    model::{
        ParameterCount,
        folder::{self, Finder},
        parameters::{Origin, ParameterSource, StoredParameters},
        record,
    },
    tasks::{head, kind, model::Model, task::TaskFile},
    train::{
        self,
        adam::Adam,
        dev_curve::DevPlan,
        memory_plan::{Footprint, MemoryLimits, MemoryPlan},
        objective::{Objective, Trainable},
        prediction_memory::{PredictionFootprint, weights},
        run::Trained,
        run_folder,
        schedule::{LayerDecay, Schedule},
    },
    user_cache,
};

impl Finetune<'_> {
    /// Trains; `between` are the files that are scored during training. A rank other than the first only
    /// computes its share, and writes nothing.
    pub(super) fn train(
        &self,
        trial: usize,
        features: &FeatureSet,
        between: &[Box<dyn TaskFile>],
        identity: serde_json::Value,
    ) -> Result<Trained, Error> {
        let config = self.config;
        let model_dir = config.paths().model_dir(trial);
        let seed = config.trial_seed(trial);
        let plan = BatchPlan::new(features.lengths(), self.plan_options(trial))?;
        let layers = config.encoder().num_hidden_layers;
        let trainable = Trainable::new(config.trainable_layers, layers);
        let memory = self.memory_plan(trainable, features)?;
        let score = |model: &Model| self.score(model, between);
        let taken = between.iter();
        let taken = taken.filter_map(|file| Some((file.task().to_owned(), file.taken()?)));
        let evaluations = config.eval_every.map(|every| DevPlan {
            every: every.steps(plan.steps_per_epoch()),
            keep_best: config.keep_best.as_deref(),
            patience: config.patience,
            score: &score,
            taken: taken.collect(),
        });
        let steps = plan.steps() as u64;
        let run = train::run::Run {
            device: self.device,
            model_dir: &model_dir,
            tasks: &config.task_names,
            schedule: Schedule {
                base: config.learning_rate,
                steps,
                warmup_proportion: config.warmup_proportion,
                decay: config.lr_schedule,
            },
            features,
            plan,
            objective: Objective {
                trainable,
                recompute_layers: memory.recompute_layers,
                loss_scale: 1.0,
            },
            scaled_loss: self.arithmetic.layers == Element::F16,
            micro_batch_size: memory.micro_batch_size,
            seed,
            hparams: identity,
            dev: evaluations,
            stop: self.stop.asked(),
            ranks: self.ranks,
            wire: config.gradient_exchange.wire(),
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
        let of_run = |error| match error {
            train::run::Error::Stopped { step, steps } => {
                self.stopped(trial, &format!("after step {step} of {steps}"), GOES_ON)
            }
            error => error.into(),
        };
        let adam =
            Adam::new(config.weight_decay_rate, layer_decay).with_moments(config.optimizer_moments);
        if !self.ranks.is_first() {
            let build = |device: &Device, stored: Option<&mut StoredParameters>| {
                self.build(trial, device, stored)
            };
            return run.follow(adam, build, self.progress).map_err(of_run);
        }
        self.order(&Order::Train(trial));
        let trained = run.train(
            adam,
            |device, stored| {
                // Makes checkpoints usable for inference before the run ends. What fails here fails again at
                // the end, where it matters.
                if let Err(error) = self
                    .describe_begun(&model_dir)
                    .and_then(|()| self.describe_best(&model_dir))
                {
                    log::info!("{error}");
                }
                self.build(trial, device, stored)
            },
            self.progress,
        );
        let trained = trained.map_err(of_run)?;
        self.describe(&model_dir)?;
        Ok(trained)
    }

    /// How a trial's batches are drawn.
    pub(super) fn plan_options(&self, trial: usize) -> PlanOptions {
        let config = self.config;
        PlanOptions {
            batch_size: config.train_batch_size,
            epochs: config.num_train_epochs,
            seed: config.trial_seed(trial),
            shuffle: config.shuffle && self.given.replay.is_none(),
            length_bucketing: config.length_bucketing,
        }
    }

    /// How a batch is computed in the available memory.
    pub(super) fn memory_plan(
        &self,
        trainable: Trainable,
        features: &FeatureSet,
    ) -> Result<MemoryPlan, Error> {
        let config = self.config;
        let encoder = config.encoder();
        let longest = features.lengths().into_iter().max().unwrap_or(1);
        let footprint = self.footprint(&encoder, trainable, longest);
        let widths = [encoder.hidden_size, encoder.intermediate_size];
        let limits = MemoryLimits {
            tokens: work::most_tokens(self.device, widths),
            ..self.memory_limits
        };
        Ok(footprint.plan(
            config.train_batch_size,
            limits,
            config.gradient_checkpointing,
            config.micro_batch_size,
        )?)
    }

    /// Returns how many rows are evaluated at once within the memory budget, in addition to what training
    /// holds. Every evaluation of a run asks for it, and the first one tells it.
    pub(super) fn answered_at_once(&self) -> usize {
        *self
            .answered_at_once
            .get_or_init(|| self.rows_within_budget())
    }

    fn rows_within_budget(&self) -> usize {
        let config = self.config;
        let usual = config.predict_batch_size;
        let Some(budget) = self.memory_limits.budget else {
            return usual;
        };
        let encoder = config.encoder();
        let trainable = Trainable::new(config.trainable_layers, encoder.num_hidden_layers);
        let held = match config.do_train {
            true => self.footprint(&encoder, trainable, 1).state(),
            false => weights(&encoder, self.arithmetic, head::shapes(self.heads)),
        };
        let footprint = PredictionFootprint {
            encoder: &encoder,
            arithmetic: self.arithmetic,
            held,
            beam_size: config.beam_size,
            longest: config.max_seq_length,
        };
        let rows = footprint.rows(usual, budget).unwrap_or_else(|error| {
            log::warn!(
                "an evaluation of one row of {} tokens needs {}, but the memory budget is {}; one row is \
                 computed at once nevertheless",
                error.tokens,
                ByteSize(error.needed),
                ByteSize(error.budget)
            );
            1
        });
        if rows < usual {
            let rows = counted(rows, "row");
            log::info!(
                "{rows} answered at once, not {usual}, in {}",
                ByteSize(budget)
            );
        }
        rows
    }

    /// What a training step is made of.
    fn footprint<'e>(
        &self,
        encoder: &'e EncoderConfig,
        trainable: Trainable,
        longest: usize,
    ) -> Footprint<'e> {
        let layers = encoder.num_hidden_layers;
        let sizes = ParameterCount::new(encoder, head::shapes(self.heads));
        let (trained, trained_layers) = match trainable {
            Trainable::All => (sizes.all(), layers),
            Trainable::FromLayer(first) => {
                let top = layers.saturating_sub(first);
                (sizes.heads + sizes.layer * top as u64, top)
            }
        };
        Footprint {
            encoder,
            arithmetic: self.arithmetic,
            moments: self.config.optimizer_moments,
            parameters: sizes.all(),
            trained,
            trained_layers,
            longest,
        }
    }

    /// Like [`describe`](Self::describe), at the start of a run. The log comes first: it identifies the
    /// folder as a run's.
    fn describe_begun(&self, model_dir: &Path) -> Result<(), Error> {
        let log = model_dir.join(run_folder::TRAIN_LOG);
        self.remove_link(&log)?;
        let opened = OpenOptions::new().create(true).append(true).open(&log);
        opened.map_err(io(&log, "creating"))?;
        self.describe(model_dir)
    }

    /// The same for the best weights, if the run keeps them.
    pub(super) fn describe_best(&self, model_dir: &Path) -> Result<(), Error> {
        if self.config.keep_best.is_none() {
            return Ok(());
        }
        let best = model_dir.join(run_folder::BEST);
        self.remove_link(&best)?;
        std::fs::create_dir_all(&best).map_err(io(&best, "creating"))?;
        self.describe(&best)
    }

    fn remove_link(&self, path: &Path) -> Result<(), Error> {
        let mut note = |line: String| self.progress.note(&line);
        run_folder::remove_link(path, &mut note).map_err(io(path, "removing a link"))
    }

    /// Writes `config.json` and `vocab.txt` beside the record, so that the folder is self-contained.
    pub(super) fn describe(&self, model_dir: &Path) -> Result<(), Error> {
        let path = model_dir.join(CONFIG_FILE);
        self.remove_link(&path)?;
        let mut described = ConfigFile::of_run(
            self.config.hparams(),
            serde_json::json!(self.config.encoder()),
            head::described(self.heads).into(),
        );
        kind::keep(&mut described, &path, self.config);
        write_json(&path, &described)?;
        let (from, to) = (
            self.config.paths().vocab_file().to_owned(),
            model_dir.join("vocab.txt"),
        );
        let vocab = std::fs::read(&from).map_err(io(&from, "reading"))?;
        self.remove_link(&to)?;
        write_whole(&to, |out| out.write_all(&vocab)).map_err(io(&to, "writing"))
    }

    /// Builds the model from `stored`, else from `init_checkpoint`, else with initial weights.
    pub(super) fn build(
        &self,
        trial: usize,
        device: &Device,
        stored: Option<&mut StoredParameters>,
    ) -> Result<Model, folder::Error> {
        let config = self.config;
        let mut initial = match (&stored, &config.init_checkpoint) {
            (None, Some(path)) => Some(self.open(path)?),
            _ => None,
        };
        let stored = stored.or(initial.as_mut());
        let mut source = ParameterSource::new(device.clone(), config.trial_seed(trial), stored)
            .with_arithmetic(self.arithmetic);
        let mut model = Model::new(&mut source, &config.encoder(), self.heads)?;
        for head in &mut model.heads {
            head.smooth_labels(config.label_smoothing);
        }
        let origin = source.finish();
        self.tell(&origin);
        match origin.initialised.into_iter().next() {
            Some(parameter) if !config.do_train && !self.untrained_head => {
                Err(folder::Error::NoHead { parameter })
            }
            _ => Ok(model),
        }
    }

    pub(super) fn open(&self, path: &Path) -> Result<StoredParameters, folder::Error> {
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
            "parameters: {} loaded, {} new, {} in the checkpoint unused",
            origin.loaded.len(),
            origin.initialised.len(),
            origin.unused.len()
        ));
        for name in &origin.initialised {
            log::info!("new: {name}");
        }
    }
}
