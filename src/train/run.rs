//! The training loop: from the newest checkpoint, or from the start, to the last step.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{module::Module, tensor::Device};
use serde_json::Value;

use super::{
    adam::Adam,
    arrivals::{self, Arrivals},
    checkpoint,
    course::{self, Begin, Course, agree_on_weights, compare_last_weights},
    dev_curve::{self, DevCurve, DevPlan, Seen},
    disk_space,
    log::RunLog,
    loss_scale::LossScale,
    memory::PeakMemory,
    objective::Objective,
    resume::{self, Start},
    run_folder,
    saver::{self, Saver},
    schedule::Schedule,
    step::{BegunStep, StepSettings, begin_step},
    step_failure::StepFailure,
    watch::{self, Watch},
};
use crate::{
    batch::{FeatureSet, plan::BatchPlan},
    data,
    device::is_cpu,
    model::{
        folder,
        parameters::{self, StoredParameters},
        record,
    },
    progress::Progress,
    ranks::{Ranks, Wire},
    step_record::StepRecord,
    tasks::model::Model,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    DiskSpace(#[from] disk_space::Error),
    #[error(transparent)]
    Saver(#[from] saver::Error),
    #[error(transparent)]
    DevCurve(#[from] dev_curve::Error),
    #[error(transparent)]
    Watch(#[from] watch::Error),
    #[error(transparent)]
    Log(#[from] super::log::Error),
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Model(#[from] folder::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error("{0}")]
    Course(#[from] course::Error),
    #[error(transparent)]
    Record(#[from] record::WriteError),
    #[error(transparent)]
    Device(#[from] StepFailure),
    #[error("stopped after step {step} of {steps}")]
    Stopped { step: u64, steps: u64 },
}

impl From<arrivals::Error> for Error {
    fn from(error: arrivals::Error) -> Self {
        match error {
            arrivals::Error::Device(failure) => Self::Device(failure),
            arrivals::Error::Watch(error) => Self::Watch(error),
            arrivals::Error::Log(error) => Self::Log(error),
        }
    }
}

fn course_of(seen: Seen) -> Course {
    match seen {
        Seen::GoOn => Course::GoOn,
        Seen::Enough => Course::Enough,
        Seen::Broken => Course::Stopped,
    }
}

/// A look at the model after `step` steps, if the run evaluates between them.
fn look(
    dev: &mut Option<DevCurve>,
    step: u64,
    model: &Model,
    log: &mut RunLog,
) -> Result<Seen, dev_curve::Error> {
    match dev {
        Some(dev) => dev.look(step, model, log),
        None => Ok(Seen::GoOn),
    }
}

/// Everything that a run needs besides the model's first values.
pub struct Run<'a> {
    /// Without autodiff.
    pub device: &'a Device,
    pub model_dir: &'a Path,
    pub tasks: &'a [String],
    pub features: &'a FeatureSet<'a>,
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
    /// Evaluations between the steps; `None` if there are none.
    pub dev: Option<DevPlan<'a>>,
    /// Set from outside to end the run after a step, with a checkpoint.
    pub stop: &'a AtomicBool,
    /// Those that train it together, and the format in which they exchange gradients.
    pub ranks: &'a Ranks,
    pub wire: Wire,
}

/// What changes from step to step besides the model and its moments, in every rank alike.
pub(super) struct Pace<'a> {
    pub settings: StepSettings<'a>,
    pub micro_batch_size: usize,
    pub watch: Watch<'a>,
}

impl Pace<'_> {
    /// Whether the loss was last scaled as it is to be now.
    fn is_scaled_now(&self) -> bool {
        self.settings.objective.loss_scale == self.watch.loss_factor()
    }
}

/// What a run leaves.
pub struct Trained {
    /// Without autodiff.
    pub model: Model,
    /// Steps that were made.
    pub steps: u64,
}

impl Run<'_> {
    /// Trains to the end; `<model_dir>/model.bpk` holds the model.
    ///
    /// `build` makes the model on a device from a stored record, or, without one, from its first
    /// values.
    pub fn train(
        &self,
        mut adam: Adam,
        build: impl Fn(&Device, Option<&mut StoredParameters>) -> Result<Model, folder::Error>,
        progress: &Progress,
    ) -> Result<Trained, Error> {
        let device = self.device.clone().autodiff();
        let steps = self.schedule.steps;
        run_folder::tidy(self.model_dir, &mut |line| progress.note(&line))?;
        let (mut model, mut step, loss_scale) = self.start(&device, &mut adam, &build, progress)?;
        if !self.ranks.is_alone() {
            Begin::of(self.model_dir, step, loss_scale)?.tell(self.ranks);
            agree_on_weights(self.ranks, &model, self.tasks)?;
        }
        let mut pace = self.pace(&device, loss_scale, progress);
        let mut log = RunLog::resume(self.model_dir, step, self.log_every, progress)?;
        let mut plan = self.plan.clone();
        let mut arrivals = Arrivals::new(self.tasks);
        let mut memory = PeakMemory::new(self.device);
        let mut saver = self.saver(&model, &adam, step, progress)?;
        let dev = self
            .dev
            .as_ref()
            .map(|plan| DevCurve::resume(plan, self.model_dir, self.tasks, step, steps, progress));
        let mut dev = dev.transpose()?;
        let mut seen = look(&mut dev, step, &model, &mut log)?;
        course_of(seen).of_first(self.ranks);
        if seen == Seen::Broken {
            return Err(Error::Stopped { step, steps });
        }
        // A run that is killed goes on from here.
        dev.as_mut().map_or(Ok(()), DevCurve::checkpoint_saved)?;
        progress.begin(step, steps);

        while step < steps && seen != Seen::Enough {
            let began = Instant::now();
            let rows = plan.features(step as usize);
            let begun = self.begin(&model, rows, step, &mut pace, arrivals.is_waiting());
            arrivals.arrive(&mut pace.watch, &mut log)?;
            // Otherwise the loss was scaled for another course of things.
            let begun = begun.filter(|_| pace.is_scaled_now());
            let rate = self.schedule.update_rate(step);
            let is_logged = step.is_multiple_of(self.log_every) || step + 1 == steps;
            let mut of_step = |began: Instant| arrivals::Step {
                step,
                rows: rows.to_vec(),
                began,
                record: is_logged.then(|| self.record(step, rows, memory.sample())),
            };
            match begun {
                Some(begun) => {
                    let (updated, figures) = begun.update(model, &mut adam, rate, &pace.settings);
                    model = updated;
                    arrivals.expect(of_step(began), figures);
                }
                None => {
                    let gradients = self.gradients(&model, rows, step, &mut pace, progress)?;
                    let figures = gradients.figures;
                    let task_losses = gradients.task_losses.clone();
                    model = gradients.update(model, &mut adam, rate, &pace.settings);
                    arrivals.log(of_step(began), figures, &task_losses, &mut log)?;
                }
            }
            step += 1;
            if dev.as_ref().is_some_and(|dev| dev.is_due(step)) {
                arrivals.arrive(&mut pace.watch, &mut log)?;
            }
            let mut stopped = self.ranks.any(self.stop.load(Ordering::Relaxed)) && step < steps;
            if !stopped {
                seen = look(&mut dev, step, &model, &mut log)?;
                course_of(seen).of_first(self.ranks);
                stopped = seen == Seen::Broken;
            }
            if stopped || seen == Seen::Enough || saver.is_due(step) {
                arrivals.arrive(&mut pace.watch, &mut log)?;
                log.sync()?;
                saver.save(step, &model, &adam, pace.watch.loss_scale())?;
                dev.as_mut().map_or(Ok(()), DevCurve::checkpoint_saved)?;
            }
            if stopped {
                return Err(Error::Stopped { step, steps });
            }
        }
        progress.end();
        compare_last_weights(self.ranks, &model, self.tasks)?;
        let file = self.model_dir.join("model.bpk");
        let model = match dev.map_or(Ok(false), |dev| dev.finish(step, &file))? {
            true => {
                let mut best = record::open(&file).map_err(folder::Error::from)?;
                build(self.device, Some(&mut best))?
            }
            false => {
                let model = model.valid();
                record::save(&model, self.tasks, &file)?;
                model
            }
        };
        Ok(Trained { model, steps: step })
    }

    /// The model as the newest checkpoint has it, or else with its first values; the number of
    /// finished steps; and the loss scale. `adam` has the moments of every trained parameter.
    fn start(
        &self,
        device: &Device,
        adam: &mut Adam,
        build: impl Fn(&Device, Option<&mut StoredParameters>) -> Result<Model, folder::Error>,
        progress: &Progress,
    ) -> Result<(Model, u64, Option<LossScale>), Error> {
        let Start {
            model,
            step,
            loss_scale,
        } = resume::start::<_, Error>(
            self.model_dir,
            self.schedule.steps,
            &self.hparams,
            self.tasks,
            adam,
            |stored| Ok(build(device, stored)?),
            progress,
        )?;
        let (model, loss_scale) = self.begun(model, adam, loss_scale);
        Ok((model, step, loss_scale))
    }

    /// The model as it is trained, with the moments and the loss scale that it begins with.
    pub(super) fn begun(
        &self,
        model: Model,
        adam: &mut Adam,
        loss_scale: Option<LossScale>,
    ) -> (Model, Option<LossScale>) {
        let model = self.objective.trainable.freeze(model);
        adam.begin(&model, self.tasks);
        let loss_scale = self.scaled_loss.then(|| loss_scale.unwrap_or_default());
        (model, loss_scale)
    }

    /// How the steps of a run begin, computed on `device`.
    pub(super) fn pace<'b>(
        &'b self,
        device: &'b Device,
        loss_scale: Option<LossScale>,
        progress: &'b Progress,
    ) -> Pace<'b> {
        Pace {
            settings: StepSettings {
                device,
                tasks: self.tasks,
                objective: self.objective,
                seed: self.seed,
            },
            micro_batch_size: self.micro_batch_size,
            watch: Watch::new(loss_scale, progress),
        }
    }

    /// What saves the checkpoints after `step`. A full disk shows now, not hours later.
    fn saver<'a>(
        &'a self,
        model: &Model,
        adam: &Adam,
        step: u64,
        progress: &'a Progress,
    ) -> Result<Saver<'a>, Error> {
        let saver = Saver {
            model_dir: self.model_dir,
            tasks: self.tasks,
            hparams: &self.hparams,
            steps: self.schedule.steps,
            every_steps: self.save_every_steps,
            every: self.save_every,
            keep: self.max_save,
            bytes: disk_space::checkpoint_bytes(model, self.tasks, adam),
            saved: Instant::now(),
            progress,
        };
        if step < saver.steps {
            saver.ensure_space()?;
        }
        Ok(saver)
    }

    /// What the log has of a step besides its figures and its time.
    fn record(&self, step: u64, rows: &[usize], peak_bytes: Option<u64>) -> StepRecord {
        StepRecord {
            step,
            loss: f64::NAN,
            task_losses: None,
            grad_norm: f64::NAN,
            learning_rate: self.schedule.learning_rate(step),
            features: rows.len(),
            tokens: self.tokens(rows),
            seconds: 0.0,
            peak_bytes,
            exchange: self.ranks.last_cost(),
        }
    }

    /// Tokens of these features.
    fn tokens(&self, rows: &[usize]) -> usize {
        let rows = rows.iter().filter_map(|&row| self.features.get(row));
        rows.map(|(_, row)| row.input_ids.len()).sum()
    }

    /// Launches the gradients of a step on a GPU without waiting for anything. The loss is scaled as if
    /// the figures of the step before are finite, if these are still on their way.
    ///
    /// Returns `None` if they are to be computed by [`gradients`](Self::gradients): on the CPU, among
    /// several ranks, or after an error, which shows again there.
    fn begin(
        &self,
        model: &Model,
        rows: &[usize],
        step: u64,
        pace: &mut Pace,
        is_waiting: bool,
    ) -> Option<BegunStep> {
        if is_cpu(self.device) || !self.ranks.is_alone() {
            return None;
        }
        pace.settings.objective.loss_scale = match is_waiting {
            true => pace.watch.expected_factor(),
            false => pace.watch.loss_factor(),
        };
        let parts = self.parts(rows, pace.micro_batch_size).ok()?;
        begin_step(model, &parts, step, &pace.settings)
            .inspect_err(|error| log::debug!("step {step}: {error}"))
            .ok()
    }
}
