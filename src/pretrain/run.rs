//! A pre-training run: from the newest checkpoint, or from initial weights, to the last step.

mod arrivals;
mod error;
mod follow;
mod gradients;
mod initial;
mod parts;
mod place;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use serde_json::{Value, json};

pub use error::Error;
pub(super) use error::io_of;
use initial::Initial;
pub(super) use parts::{check_maskable, parts};

use self::arrivals::{Arrivals, Step};
use super::{
    batches::Batches,
    examples::Examples,
    figures::Losses,
    memory_plan::at_once,
    model_files::{self, Letters},
    networks::Networks,
    objective::{Chance, Objective},
    part::Masked,
    probe::{Place, Probe, Probes},
    run_origin::RunOrigin,
    schedule::Schedule,
    seen::Seen,
    step::{BegunStep, begin_step},
    step_log::{self, StepLog, StepRecord},
    trained_positions::trained_positions,
};
use crate::{
    config::{LrDecayVariant, PretrainConfig},
    device::is_cpu,
    eval::origin::Origin,
    kernels::formats::Element,
    model::{
        arithmetic::Arithmetic,
        parameters::{ParameterSource, StoredParameters},
    },
    progress::Progress,
    ranks::Ranks,
    stop::Stop,
    train::{
        adam::Adam,
        checkpoint,
        course::{Begin, Course, agree_on_weights, compare_last_weights},
        disk_space,
        memory::PeakMemory,
        memory_plan::MemoryPlan,
        resume::{self, Start},
        run_folder, run_identity,
        saver::Saver,
        schedule::LayerDecay,
    },
};

/// A run with resolved hyper-parameters.
pub struct Pretraining<'a> {
    pub config: &'a PretrainConfig,
    /// Without autodiff.
    pub device: &'a Device,
    /// The device's name for people.
    pub device_name: String,
    pub arithmetic: Arithmetic,
    /// How a step is computed in this machine's memory, which the run's files do not record; an evaluation
    /// has no plan.
    pub memory: Option<MemoryPlan>,
    pub batches: Batches,
    pub letters: Letters,
    /// Moves an earlier run's folder aside instead of resuming it.
    pub restart: bool,
    pub progress: &'a Progress,
    pub stop: &'a Stop,
    /// Those that train together.
    pub ranks: &'a Ranks,
}

impl Pretraining<'_> {
    /// Trains to the last step; the model's folder then contains the model.
    ///
    /// # Errors
    /// Whatever stops the run. Started again, it resumes from its last checkpoint.
    pub fn train(&self) -> Result<(), Error> {
        if !self.ranks.is_first() {
            return self.follow();
        }
        let led = self.lead();
        if led.as_ref().map_or_else(Error::was_stopped, |()| true) {
            // The others defer signals until everything is written.
            self.ranks.most(0);
        }
        led
    }

    fn lead(&self) -> Result<(), Error> {
        self.check_ranks()?;
        let model_dir = self.config.model_dir.as_path();
        let probe = Probe::open(self.config, self.letters)?;
        // Before anything is moved aside: the weights can be read, and no rank differs.
        let mut initial = match self.ranks.is_alone() {
            true => Initial::open(self.config, self.progress)?,
            false => self.agreed()?,
        };
        let device = self.device.clone().autodiff();
        let mut fresh = None;
        if self.restart {
            initial.check_outside(model_dir)?;
            fresh = Some(self.build(&device, initial.stored.as_mut())?);
        }
        if self.config.hours.is_some() && fresh.take().is_some() {
            // The time per step is measured without them in memory.
            initial = Initial::open(self.config, self.progress)?;
        }
        let mut note = |line: String| self.progress.note(&line);
        let _lock = place::take(model_dir, self.restart, &mut note)?;
        let _held = self.stop.hold();
        run_folder::tidy(model_dir, &mut note)?;
        // A checkpoint is read whole to see whether it is intact: only beside a model.
        if let Err(error) = place::check_unfinished(model_dir)
            && checkpoint::newest(model_dir, &mut note)?.is_none()
        {
            return Err(error);
        }
        let mut micro_batch_size = self.micro_batch_size(self.config.train_batch_size, None);
        let config = &self.scheduled(&device, probe.as_ref(), &mut micro_batch_size)?;
        let hparams = self.identity(config, initial.identity.clone());
        let steps = config.num_train_steps.min(self.batches.steps());
        let mut adam = self.adam();
        let Start {
            model: mut networks,
            mut step,
            loss_scale,
        } = resume::start::<_, Error>(
            model_dir,
            steps,
            &hparams,
            &[],
            &mut adam,
            |checkpoint| match fresh.take() {
                Some(networks) => Ok(networks),
                None => self.build(&device, checkpoint.or(initial.stored.as_mut())),
            },
            self.progress,
        )?;
        drop(initial);
        // Nor where no checkpoint was intact.
        if step == 0 {
            place::check_unfinished(model_dir)?;
        }
        adam.begin(&networks, &[]);
        if !self.ranks.is_alone() {
            Begin::of(model_dir, step, loss_scale)?.tell(self.ranks);
            agree_on_weights(self.ranks, &networks, &[])?;
        }
        let schedule = Schedule::of(config);
        let scaled = self.arithmetic.layers == Element::F16;
        let log = StepLog::resume(model_dir, step, &mut note)
            .map_err(io_of(model_dir.join(step_log::FILE), "opening"))?;
        let scale = scaled.then(|| loss_scale.unwrap_or_default());
        let mut arrivals = Arrivals::new(config, scale, log, self.progress);
        self.origin(config, steps).write(model_dir)?;
        // Makes checkpoints usable before the run ends.
        let examples = self.batches.examples();
        let longest = examples.map_or(config.max_seq_length, Examples::max_seq_length);
        let positions = trained_positions(config, longest);
        model_files::describe(config, self.letters, positions, model_dir)?;
        let mut memory = PeakMemory::new(self.device);
        let mut saver = self.saver(model_dir, &hparams, &networks, &adam, steps);
        if step < steps {
            saver.ensure_space()?;
        }
        let probes = probe.as_ref();
        let place = self.place(micro_batch_size);
        let probes = probes.map(|it| Probes::resume(it, model_dir, [step, steps], place));
        let mut probes = probes.transpose()?;
        let is_stopped = probed(&mut probes, step, &networks, micro_batch_size)?;
        course(is_stopped).of_first(self.ranks);
        // A finished run needs no more than its model; the other ranks expect that, too.
        if is_stopped && step < steps {
            return Err(Error::Stopped { step, steps });
        }
        if step == steps {
            note(format!(
                "nothing is left to train, at step {step} of {steps}: the model is written again"
            ));
        }
        self.progress.begin(step, steps);
        while step < steps {
            let began = Instant::now();
            let factor = arrivals.expected_factor();
            let begun = self.begin(&networks, step, &device, factor, micro_batch_size);
            arrivals.arrive()?;
            // Otherwise the loss was scaled for another course of things.
            let begun = begun.filter(|_| factor == arrivals.watch.loss_factor());
            let rate = schedule.update_rate(step);
            let mut of_step = |losses: Losses, seen: &[Seen], batch: &[Masked]| {
                let record = StepRecord {
                    step,
                    learning_rate: schedule.learning_rate(step),
                    peak_bytes: memory.sample(),
                    exchange: self.ranks.last_cost(),
                    ..StepRecord::default()
                };
                Step::new(self.config, began, losses, seen, batch, record)
            };
            match begun {
                Some((batch, mut begun)) => {
                    let (losses, seen) = (begun.losses, std::mem::take(&mut begun.seen));
                    let (updated, norm) = begun.update(networks, &mut adam, rate);
                    networks = updated;
                    arrivals.expect(of_step(losses, &seen, &batch), norm);
                }
                None => {
                    let watch = &mut arrivals.watch;
                    let (batch, mut computed) =
                        self.computed(&networks, step, &device, watch, &mut micro_batch_size)?;
                    let grad_norm = computed.figures.grad_norm;
                    let (losses, seen) = (computed.losses, std::mem::take(&mut computed.seen));
                    networks = computed.update(networks, &mut adam, rate);
                    arrivals.log(of_step(losses, &seen, &batch), grad_norm)?;
                }
            }
            step += 1;
            if probes.as_ref().is_some_and(|probes| probes.is_due(step)) {
                arrivals.arrive()?;
            }
            // Before the checkpoint: a run that is killed while it is probed goes on from one before.
            let mut stopped = self.ranks.any(self.stop.is_asked());
            if !stopped {
                stopped = probed(&mut probes, step, &networks, micro_batch_size)?;
                course(stopped).of_first(self.ranks);
            }
            let stopped = stopped && step < steps;
            if stopped || saver.is_due(step) {
                arrivals.arrive()?;
                arrivals.sync()?;
                saver.save(step, &networks, &adam, arrivals.watch.loss_scale())?;
            }
            if stopped {
                return Err(Error::Stopped { step, steps });
            }
        }
        self.progress.end();
        compare_last_weights(self.ranks, &networks, &[])?;
        model_files::save(&networks, config, self.letters, positions, model_dir)?;
        Ok(())
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

    pub(super) fn adam(&self) -> Adam {
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
            recompute_layers: self.recompute_layers(),
            loss_scale,
            device,
        }
    }

    /// What a checkpoint must match for the run to resume from it.
    fn identity(&self, config: &PretrainConfig, initial_weights: Option<String>) -> Value {
        let mut told = config.decides_training();
        told.insert("arithmetic".to_owned(), self.arithmetic.word().into());
        told.insert("examples".to_owned(), self.batches.identity());
        if let Some(checksum) = self.batches.checksum() {
            told.insert(run_identity::EXAMPLES_CHECKSUM.to_owned(), checksum.into());
        }
        told.insert("initial_weights".to_owned(), json!(initial_weights));
        json!({ "pretraining": told })
    }

    /// Examples at once of such a batch, if nothing else was planned or asked for as many as the device
    /// takes `in_time`, in tokens.
    pub(super) fn micro_batch_size(&self, batch_size: usize, in_time: Option<usize>) -> usize {
        let fitting = (at_once(in_time) / self.config.max_seq_length).max(1);
        let planned = self.memory.map(|plan| plan.micro_batch_size);
        planned
            .or(self.config.micro_batch_size)
            .unwrap_or(fitting)
            .min(batch_size)
    }

    fn recompute_layers(&self) -> bool {
        self.memory.is_some_and(|plan| plan.recompute_layers)
    }

    /// What probes run on, with micro-batches of this size.
    pub(super) fn place(&self, micro_batch_size: usize) -> Place<'_> {
        Place {
            device: self.device,
            arithmetic: self.arithmetic,
            micro_batch_size,
            recompute_layers: self.recompute_layers(),
            progress: self.progress,
            stop: self.stop,
        }
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

    /// The batch of a step, and its gradients, launched on a GPU without waiting for the norm.
    ///
    /// Returns `None` if they are to be [`computed`](Self::computed): on the CPU, among several ranks, or
    /// after an error, which shows again there.
    fn begin(
        &self,
        networks: &Networks,
        step: u64,
        device: &Device,
        loss_factor: f64,
        micro_batch_size: usize,
    ) -> Option<(Vec<Masked>, BegunStep)> {
        if is_cpu(self.device) || !self.ranks.is_alone() {
            return None;
        }
        let batch = self.batches.training(step).ok()?;
        check_maskable(&batch, step).ok()?;
        let objective = self.objective(device, loss_factor);
        let parts = parts(&batch, 0, micro_batch_size);
        let begun = begin_step(networks, &parts, &objective, self.chance(step));
        let begun = begun.inspect_err(|error| log::debug!("step {step}: {error}"));
        Some((batch, begun.ok()?))
    }

    fn chance(&self, step: u64) -> Chance {
        Chance {
            seed: self.config.seed,
            step,
            drops: true,
        }
    }

    /// The run's identity, for whoever reads its folder.
    fn origin(&self, config: &PretrainConfig, steps: u64) -> RunOrigin {
        RunOrigin {
            steps,
            origin: Origin {
                device: self.device_name.clone(),
                precision: self.arithmetic.word().to_owned(),
                seed: Some(config.seed),
                settings: config.non_defaults(),
                ..Origin::of_command(&config.model_dir)
            },
        }
    }
}

/// Probes the networks after `step` steps, if the run does and that is due; returns whether that was
/// stopped.
fn probed(
    probes: &mut Option<Probes>,
    step: u64,
    networks: &Networks,
    at_once: usize,
) -> Result<bool, Error> {
    Ok(match probes {
        Some(probes) => probes.look(step, networks, at_once)?,
        None => false,
    })
}

/// How a run goes on after a look at it.
fn course(is_stopped: bool) -> Course {
    match is_stopped {
        true => Course::Stopped,
        false => Course::GoOn,
    }
}
