//! A run of pre-training: from the newest checkpoint, or from first values, to the last step.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use burn::tensor::Device;
use serde_json::{Value, json};

use super::{
    batches::Batches,
    figures::Figures,
    model_files::{self, Letters},
    networks::Networks,
    objective::{Chance, Objective},
    part::{Masked, Part},
    schedule::Schedule,
    step::{StepGradients, step_gradients},
    step_log::{self, StepLog, StepRecord},
};
use crate::{
    config::{GradientCheckpointing, LrDecayVariant, PretrainConfig},
    device::DeviceError,
    eval,
    kernels::formats::Element,
    model::{
        arithmetic::Arithmetic,
        parameters::{self, ParameterSource, StoredParameters},
    },
    progress::Progress,
    stop::Stop,
    train::{
        adam::Adam,
        checkpoint, disk_space,
        memory::PeakMemory,
        resume, run_folder,
        run_lock::{self, RunLock},
        saver::{self, Saver},
        schedule::LayerDecay,
        watch::{self, Watch},
    },
};

/// Tokens that are computed at once, if nothing else is asked for.
const TOKENS_AT_ONCE: usize = 8192;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] super::Error),
    #[error(transparent)]
    Model(#[from] model_files::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    DiskSpace(#[from] disk_space::Error),
    #[error(transparent)]
    Saver(#[from] saver::Error),
    #[error(transparent)]
    Watch(#[from] watch::Error),
    #[error(transparent)]
    Lock(#[from] run_lock::Error),
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error(transparent)]
    Results(#[from] eval::Error),
    #[error("{path}: {action} failed: {source}; check the path and its permissions")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
    #[error(
        "{model_dir} holds {file}, which no pre-training has made; choose another --model-name or \
         model_dir, or give --restart to have the folder moved aside"
    )]
    ForeignModel { model_dir: PathBuf, file: String },
    #[error(
        "{model_dir}: expected a model that was pre-trained, to evaluate it, found no checkpoint; train \
         first, with do_train=true"
    )]
    Untrained { model_dir: PathBuf },
    #[error("step {step}: {source}; {advice}")]
    Device {
        step: u64,
        source: DeviceError,
        advice: &'static str,
    },
    #[error("stopped after step {step} of {steps}; the same command goes on")]
    Stopped { step: u64, steps: u64 },
}

impl Error {
    /// Whether the user ended the run, which is no failure.
    pub fn was_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}

const DEVICE_ADVICE: &str =
    "start the same command again to go on from the last checkpoint, or give --device cpu";

/// A run, its hyper-parameters resolved.
pub struct Pretraining<'a> {
    pub config: &'a PretrainConfig,
    /// Without autodiff.
    pub device: &'a Device,
    pub arithmetic: Arithmetic,
    pub batches: Batches,
    pub letters: Letters,
    /// Moves an earlier run's folder aside instead of going on from it.
    pub restart: bool,
    pub progress: &'a Progress,
    pub stop: &'a Stop,
}

impl Pretraining<'_> {
    /// Trains to the last step; the model's folder then holds the model.
    ///
    /// # Errors
    /// Whatever keeps it from going on. It goes on from its last checkpoint when it is started again.
    pub fn train(&self) -> Result<(), Error> {
        let (config, model_dir) = (self.config, self.config.model_dir.as_path());
        let _lock = self.take_folder(model_dir)?;
        let _held = self.stop.hold();
        let mut note = |line: String| self.progress.note(&line);
        run_folder::tidy(model_dir, &mut note)?;
        let device = self.device.clone().autodiff();
        let scratch = model_dir.join(".electra-generator.bpk");
        let mut initial = match &config.init_checkpoint {
            Some(path) => Some(model_files::open(path, &scratch, self.progress)?),
            None => None,
        };
        let initial_weights = initial
            .as_ref()
            .map(StoredParameters::identity)
            .transpose()?;
        let hparams = self.identity(initial_weights);
        let steps = config.num_train_steps.min(self.batches.steps());
        let mut adam = self.adam();
        let newest = resume::newest(model_dir, steps, &hparams, &mut note)?;
        let (mut networks, mut step, loss_scale) = match newest {
            None => (self.build(&device, initial.as_mut())?, 0, None),
            Some((folder, state)) => {
                let (mut weights, mut moments) = checkpoint::open(&folder, &state, &hparams)?;
                let networks = self.build(&device, Some(&mut weights))?;
                adam.load(&networks, &[], &mut moments)?;
                self.progress
                    .note(&format!("going on from {}", folder.display()));
                (networks, state.step, state.loss_scale)
            }
        };
        drop(initial);
        // Of no more use, and gone already if it was never made.
        let _ = std::fs::remove_file(&scratch);
        adam.begin(&networks, &[]);
        let schedule = Schedule::of(config);
        let scaled = self.arithmetic.layers == Element::F16;
        let mut watch = Watch::new(
            scaled.then(|| loss_scale.unwrap_or_default()),
            self.progress,
        );
        let mut log = StepLog::resume(model_dir, step, &mut note)
            .map_err(io_of(&model_dir.join(step_log::FILE), "opening"))?;
        let mut memory = PeakMemory::new(self.device);
        let mut saver = self.saver(model_dir, &hparams, &networks, &adam, steps);
        if step < steps {
            saver.ensure_space()?;
        }
        let mut micro_batch_size = self.micro_batch_size(config.train_batch_size);
        self.progress.begin(step, steps);
        while step < steps {
            let began = Instant::now();
            let batch = self.batches.training(step)?;
            let objective = self.objective(&device, watch.loss_factor());
            let chance = Chance {
                seed: config.seed,
                step,
                drops: true,
            };
            let computed =
                self.compute(&networks, &batch, &objective, chance, &mut micro_batch_size)?;
            watch.check_finite(computed.figures, step, &[])?;
            let record = self.record(&computed, &batch, step, schedule.learning_rate(step));
            networks = computed.update(networks, &mut adam, schedule.update_rate(step));
            let record = StepRecord {
                seconds: began.elapsed().as_secs_f64(),
                peak_bytes: memory.sample(),
                ..record
            };
            log.step(&record, self.progress)
                .map_err(io_of(log_path(model_dir), "writing"))?;
            step += 1;
            let stopped = self.stop.is_asked() && step < steps;
            if stopped || saver.is_due(step) {
                log.sync().map_err(io_of(log_path(model_dir), "syncing"))?;
                saver.save(step, &networks, &adam, watch.loss_scale())?;
            }
            if stopped {
                return Err(Error::Stopped { step, steps });
            }
        }
        self.progress.end();
        model_files::save(&networks, config, self.letters, model_dir)?;
        Ok(())
    }

    /// Locks the model's folder, after an earlier one was moved aside if that was asked for.
    fn take_folder(&self, model_dir: &Path) -> Result<RunLock, Error> {
        if let Some(parent) = model_dir.parent() {
            std::fs::create_dir_all(parent).map_err(io_of(parent, "creating"))?;
        }
        let mut lock = RunLock::take(model_dir)?;
        if self.restart && model_dir.is_dir() {
            lock.leave();
            let aside = run_folder::aside(model_dir, "old");
            std::fs::rename(model_dir, &aside).map_err(io_of(model_dir, "moving aside"))?;
        }
        lock.enter()?;
        let began = model_dir.join(step_log::FILE).is_file();
        if let Some(file) = run_folder::foreign_model(model_dir).filter(|_| !began) {
            let file = file.file_name().unwrap_or_default();
            return Err(Error::ForeignModel {
                model_dir: model_dir.into(),
                file: file.to_string_lossy().into_owned(),
            });
        }
        Ok(lock)
    }

    pub(super) fn build(
        &self,
        device: &Device,
        stored: Option<&mut StoredParameters>,
    ) -> Result<Networks, Error> {
        let mut source = ParameterSource::new(device.clone(), self.config.seed, stored)
            .with_arithmetic(self.arithmetic);
        let networks = Networks::new(&mut source, self.config)?;
        let origin = source.finish();
        self.progress.note(&format!(
            "parameters: {} loaded, {} new, {} in the checkpoint unused",
            origin.loaded.len(),
            origin.initialised.len(),
            origin.unused.len()
        ));
        Ok(networks)
    }

    fn adam(&self) -> Adam {
        let one_rate = LayerDecay {
            decay: 0.0,
            layers: 0,
            variant: LrDecayVariant::Released,
        };
        Adam::new(self.config.weight_decay_rate, one_rate)
    }

    pub(super) fn objective<'b>(&'b self, device: &'b Device, loss_scale: f64) -> Objective<'b> {
        Objective {
            config: self.config,
            mask: self.batches.mask_id(),
            recompute_layers: self.config.gradient_checkpointing == GradientCheckpointing::On,
            loss_scale,
            device,
        }
    }

    /// What a checkpoint must share to be gone on from.
    fn identity(&self, initial_weights: Option<String>) -> Value {
        let mut told = self.config.decides_training();
        told.insert("arithmetic".to_owned(), self.arithmetic.word().into());
        told.insert("examples".to_owned(), self.batches.identity());
        told.insert("initial_weights".to_owned(), json!(initial_weights));
        json!({ "pretraining": told })
    }

    pub(super) fn micro_batch_size(&self, batch_size: usize) -> usize {
        let fitting = (TOKENS_AT_ONCE / self.config.max_seq_length).max(1);
        self.config
            .micro_batch_size
            .unwrap_or(fitting)
            .min(batch_size)
    }

    fn saver<'b>(
        &'b self,
        model_dir: &'b Path,
        hparams: &'b Value,
        networks: &Networks,
        adam: &Adam,
        steps: u64,
    ) -> Saver<'b> {
        let config = self.config;
        Saver {
            model_dir,
            tasks: &[],
            hparams,
            steps,
            every_steps: config.save_checkpoints_steps,
            every: Duration::from_secs(config.save_checkpoints_secs),
            keep: match config.keep_checkpoint_max {
                None | Some(0) => usize::MAX,
                Some(keep) => keep,
            },
            bytes: disk_space::checkpoint_bytes(networks, &[], adam),
            saved: Instant::now(),
            progress: self.progress,
        }
    }

    /// The gradients of a step. Parts that the device cannot hold are halved.
    fn compute(
        &self,
        networks: &Networks,
        batch: &[Masked],
        objective: &Objective,
        chance: Chance,
        micro_batch_size: &mut usize,
    ) -> Result<StepGradients, Error> {
        loop {
            let parts = parts(batch, *micro_batch_size);
            let error = match step_gradients(networks, &parts, objective, chance) {
                Ok(gradients) => return Ok(gradients),
                Err(error) => error,
            };
            let failed = parts.iter().map(|part| part.examples.len()).max();
            let failed = failed.unwrap_or(0);
            if failed < 2 || !error.maybe_out_of_memory(self.device) {
                return Err(device_error(chance.step, error));
            }
            self.device.memory_cleanup();
            *micro_batch_size = failed.div_ceil(2);
            self.progress.note(&format!(
                "step {}: the device could not compute {failed} examples at once, most often for lack \
                 of memory; going on with {micro_batch_size}",
                chance.step
            ));
        }
    }

    fn record(
        &self,
        computed: &StepGradients,
        batch: &[Masked],
        step: u64,
        learning_rate: f64,
    ) -> StepRecord {
        let config = self.config;
        let mut figures = Figures::default();
        figures.add(&computed.seen, 0);
        let losses = computed.losses;
        StepRecord {
            step,
            loss: losses.total,
            masked_lm_loss: losses.masked_lm,
            cloze_loss: losses.cloze,
            disc_loss: losses.discriminator,
            masked_lm_accuracy: figures.masked_lm_accuracy(),
            replaced: figures.replaced(),
            disc_auc: config.has_discriminator().then(|| figures.auc()),
            grad_norm: computed.figures.grad_norm,
            learning_rate,
            examples: batch.len(),
            tokens: batch.iter().map(Masked::tokens).sum(),
            seconds: 0.0,
            peak_bytes: None,
        }
    }
}

/// A batch in parts of so many examples.
pub(super) fn parts(batch: &[Masked], size: usize) -> Vec<Part> {
    let parts = batch.chunks(size.max(1)).enumerate();
    parts
        .map(|(number, examples)| Part {
            examples: examples.to_vec(),
            first_place: number * size.max(1),
        })
        .collect()
}

pub(super) fn device_error(step: u64, source: DeviceError) -> Error {
    Error::Device {
        step,
        source,
        advice: DEVICE_ADVICE,
    }
}

fn log_path(model_dir: &Path) -> PathBuf {
    model_dir.join(step_log::FILE)
}

fn io_of(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.as_ref().to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}
