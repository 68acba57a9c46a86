//! The training loop: from the newest checkpoint, or from the start, to the last step.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{module::Module, tensor::Device};
use serde_json::Value;

use super::{
    adam::Adam,
    checkpoint::{self, State},
    disk_room,
    gradients::Objective,
    log::TrainLog,
    loss_scale::LossScale,
    memory::PeakMemory,
    run_folder::{self, TRAIN_LOG},
    run_identity,
    schedule::Schedule,
    step::{StepFigures, StepSettings, step_gradients},
};
use crate::{
    batch::{Batch, FeatureSet, plan::BatchPlan},
    device::DeviceError,
    model::{folder, parameters, record},
    progress::Progress,
    step_record::StepRecord,
    tasks::model::Model,
    tensorboard::event_log::EventLog,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    DiskRoom(#[from] disk_room::Error),
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    #[error(transparent)]
    Model(#[from] folder::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(transparent)]
    Record(#[from] record::WriteError),
    #[error("{path}: {source}; free space or choose another model_dir")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error("step {step}: {source}; {advice}")]
    Device {
        step: u64,
        source: DeviceError,
        advice: &'static str,
    },
    #[error("stopped after step {step} of {steps}")]
    Stopped { step: u64, steps: u64 },
    #[error(
        "step {step}: gradients are beyond f16's range even unscaled; give --precision f32, or \
         lower learning_rate"
    )]
    Overflow { step: u64 },
    #[error(
        "step {step}: loss {loss}, gradient norm {grad_norm}, {NOT_FINITE_STEPS} steps in a row \
         without numbers; lower learning_rate, or look for damaged data near feature {feature}; the \
         last checkpoint is kept"
    )]
    NotFinite {
        step: u64,
        loss: f64,
        grad_norm: f64,
        feature: usize,
    },
}

/// Steps in a row whose figures are not numbers, after which a run is given up.
const NOT_FINITE_STEPS: u32 = 10;

const DEVICE_ADVICE: &str =
    "start the same command again to go on from the last checkpoint, or give --device cpu";

/// Everything that a run needs besides the model's first values.
pub struct Run<'a> {
    /// Without autodiff.
    pub device: &'a Device,
    pub model_dir: &'a Path,
    pub tasks: &'a [String],
    pub features: FeatureSet<'a>,
    pub plan: BatchPlan,
    pub schedule: Schedule,
    pub objective: Objective,
    /// Whether the layers compute in f16 and the loss is scaled for it.
    pub scaled_loss: bool,
    /// Features computed at once, at most.
    pub micro_batch_size: usize,
    pub seed: u64,
    /// What a checkpoint must share to be gone on from.
    pub hparams: Value,
    pub save_every_steps: u64,
    pub save_every: Duration,
    pub max_save: usize,
    pub log_every: u64,
    /// Set from outside to end the run after a step, with a checkpoint.
    pub stop: &'a AtomicBool,
}

impl Run<'_> {
    /// Trains to the end and returns the model without autodiff; `<model_dir>/model.bpk` holds it.
    ///
    /// `build` makes the model on a device from a stored record, or from its first values where
    /// that is `None`.
    pub fn train(
        &self,
        mut adam: Adam,
        build: impl FnOnce(
            &Device,
            Option<&mut parameters::StoredParameters>,
        ) -> Result<Model, folder::Error>,
        progress: &Progress,
    ) -> Result<Model, Error> {
        let training_device = self.device.clone().autodiff();
        let steps = self.schedule.steps;
        let mut note = |line: String| progress.note(&line);
        run_folder::tidy(self.model_dir, &mut note)?;
        let (model, mut step, mut scale) = match self.newest(&mut note)? {
            None => (
                build(&training_device, None)?,
                0,
                self.scaled_loss.then(LossScale::default),
            ),
            Some((folder, state)) => {
                let (mut weights, mut moments) = checkpoint::open(&folder, &state, &self.hparams)?;
                let model = build(&training_device, Some(&mut weights))?;
                adam.load(&model, self.tasks, &mut moments)?;
                progress.note(&format!("going on from {}", folder.display()));
                let scale = self
                    .scaled_loss
                    .then(|| state.loss_scale.unwrap_or_default());
                (model, state.step, scale)
            }
        };
        let mut model = self.objective.trainable.freeze(model);
        adam.begin(&model, self.tasks);
        let mut settings = StepSettings {
            device: &training_device,
            tasks: self.tasks,
            objective: self.objective,
            seed: self.seed,
        };
        let log_path = self.model_dir.join(TRAIN_LOG);
        let io = |source| Error::Io {
            path: log_path.display().to_string(),
            source,
        };
        let mut log = TrainLog::resume(&log_path, step, self.log_every, &mut note).map_err(io)?;
        let mut events = EventLog::resume(self.model_dir, step, progress);
        let mut plan = self.plan.clone();
        let mut micro_batch_size = self.micro_batch_size;
        let mut memory = PeakMemory::new(self.device);
        let mut saved = Instant::now();
        let mut not_finite = 0;
        let needed = disk_room::checkpoint_bytes(&model, self.tasks, &adam);
        let room = || disk_room::make(self.model_dir, needed, &mut |note| progress.note(&note));
        if step < steps {
            // Better now than hours later.
            room()?;
        }
        progress.begin(step, steps);

        while step < steps {
            let began = Instant::now();
            let rows = plan.features(step as usize);
            settings.objective.loss_scale = scale.map_or(1.0, |scale| scale.factor);
            let (gradients, tokens) = loop {
                let parts: Vec<Batch> = rows
                    .chunks(micro_batch_size.max(1))
                    .map(|rows| Batch::collate(&self.features, rows, None))
                    .collect::<Result<_, _>>()?;
                match step_gradients(&model, &parts, step, &settings) {
                    Ok(gradients) => break (gradients, parts.iter().map(Batch::tokens).sum()),
                    Err(error) => {
                        micro_batch_size = self.smaller(&parts, step, error, progress)?;
                    }
                }
            };
            let figures = gradients.figures;
            not_finite = if figures.is_finite() {
                0
            } else {
                not_finite + 1
            };
            judge(figures, step, rows, &mut scale, not_finite, progress)?;
            let rate = self.schedule.update_rate(step);
            model = gradients.update(model, &mut adam, rate, &settings);
            if step.is_multiple_of(self.log_every) || step + 1 == steps {
                let record = StepRecord {
                    step,
                    loss: figures.loss,
                    grad_norm: figures.grad_norm,
                    learning_rate: self.schedule.learning_rate(step),
                    features: rows.len(),
                    tokens,
                    seconds: began.elapsed().as_secs_f64(),
                    peak_bytes: memory.sample(),
                };
                log.write(&record).map_err(io)?;
                events.step(&record);
                progress.step(&record);
            }
            step += 1;
            let stopped = self.stop.load(Ordering::Relaxed) && step < steps;
            let due = step.is_multiple_of(self.save_every_steps)
                || saved.elapsed() >= self.save_every
                || step == steps
                || stopped;
            if due {
                log.sync().map_err(io)?;
                let state = State {
                    step,
                    steps,
                    hparams: self.hparams.clone(),
                    loss_scale: scale,
                    files: BTreeMap::new(),
                };
                let mut save = || {
                    checkpoint::save(self.model_dir, &model, self.tasks, &adam, &state, &mut note)
                };
                room()?;
                if let Err(error) = save() {
                    // Others may have taken the room meanwhile: made again, or its lack is said.
                    log::warn!("{error}");
                    room()?;
                    save()?;
                }
                checkpoint::prune(self.model_dir, self.max_save)?;
                saved = Instant::now();
            }
            if stopped {
                return Err(Error::Stopped { step, steps });
            }
        }
        progress.end();
        let model = model.valid();
        record::save(&model, self.tasks, &self.model_dir.join("model.bpk"))?;
        Ok(model)
    }

    /// The newest checkpoint that is whole and lies on the way to the last step; others are set
    /// aside.
    fn newest(&self, note: &mut dyn FnMut(String)) -> Result<Option<(PathBuf, State)>, Error> {
        let steps = self.schedule.steps;
        while let Some((folder, state)) = checkpoint::newest(self.model_dir, note)? {
            // Other hyper-parameters are no damage: they are told when it is opened.
            let same = run_identity::differing_keys(&state.hparams, &self.hparams).is_empty();
            if !same || (state.step <= steps && state.steps == steps) {
                return Ok(Some((folder, state)));
            }
            let damage = format!(
                "state.json is damaged: it says step {} of {}, and the run has {steps}",
                state.step, state.steps
            );
            checkpoint::set_aside(&folder, &damage, note)?;
        }
        Ok(None)
    }

    /// Half of the largest part's features, after a device failed to compute these: most often its
    /// memory ran out. The sums of the gradients stay the same.
    fn smaller(
        &self,
        parts: &[Batch],
        step: u64,
        error: DeviceError,
        progress: &Progress,
    ) -> Result<usize, Error> {
        let failed = parts.iter().map(|part| part.size).max().unwrap_or(0);
        if failed < 2 || !error.maybe_out_of_memory(self.device) {
            return Err(Error::Device {
                step,
                source: error,
                advice: DEVICE_ADVICE,
            });
        }
        log::warn!("step {step}: {error}");
        // What the failed attempt held goes back to the driver.
        self.device.memory_cleanup();
        let half = failed.div_ceil(2);
        progress.note(&format!(
            "step {step}: the device could not compute {failed} features at once, most often for \
             lack of memory; going on with {half}"
        ));
        Ok(half)
    }
}

/// Follows the loss scale, says where an update is skipped, and gives up a run whose figures stay
/// without numbers.
fn judge(
    figures: StepFigures,
    step: u64,
    rows: &[usize],
    scale: &mut Option<LossScale>,
    not_finite: u32,
    progress: &Progress,
) -> Result<(), Error> {
    match (figures.is_finite(), scale) {
        (true, None) => {}
        (true, Some(scale)) => scale.fitted(),
        (false, None) if not_finite < NOT_FINITE_STEPS => progress.note(&format!(
            "step {step}: loss {}, gradient norm {}: update skipped",
            figures.loss, figures.grad_norm
        )),
        (false, None) => {
            return Err(Error::NotFinite {
                step,
                loss: figures.loss,
                grad_norm: figures.grad_norm,
                feature: rows.first().copied().unwrap_or(0),
            });
        }
        (false, Some(scale)) => {
            if !scale.overflowed() {
                return Err(Error::Overflow { step });
            }
            progress.note(&format!(
                "step {step}: gradients beyond f16's range, update skipped; loss scale {}",
                scale.factor
            ));
        }
    }
    Ok(())
}
