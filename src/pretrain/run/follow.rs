//! A run of pre-training as every rank but the first has it: its share of each step, and nothing that is
//! written.

use serde_json::Value;

use super::{Pretraining, error::Error, initial::Initial};
use crate::{
    kernels::formats::Element,
    pretrain::schedule::Schedule,
    train::{
        course::{Begin, Course, agree_on, agree_on_weights, compare_last_weights},
        watch::Watch,
    },
};

impl Pretraining<'_> {
    /// The initial weights, after all ranks have compared what decides the training.
    ///
    /// # Errors
    /// If they cannot be read, or something is different in some rank.
    pub(super) fn agreed(&self) -> Result<Initial, Error> {
        let initial = Initial::open(self.config, self.progress)?;
        let hparams = self.identity(self.config, initial.identity.clone());
        agree_on(self.ranks, &self.compared(&hparams)?)?;
        Ok(initial)
    }

    /// Refuses what several ranks cannot do.
    ///
    /// # Errors
    /// A rate is to be measured, or a rank would have nothing to compute.
    pub(super) fn check_ranks(&self) -> Result<(), Error> {
        let (ranks, examples) = (self.ranks.count(), self.config.train_batch_size);
        if let Some(hours) = self.config.hours
            && ranks > 1
        {
            return Err(Error::HoursOfRanks { hours, ranks });
        }
        match examples < ranks {
            true => Err(Error::MoreRanks { ranks, examples }),
            false => Ok(()),
        }
    }

    /// What must be the same in all ranks.
    ///
    /// # Errors
    /// If the first batch cannot be read.
    pub(super) fn compared(&self, hparams: &Value) -> Result<Value, Error> {
        let mut compared = hparams["pretraining"].clone();
        compared["program"] = env!("CARGO_PKG_VERSION").into();
        let mut sum = 0;
        for masked in self.batches.training(0)? {
            let slots = masked.slots.iter().map(|slot| slot.position as u32);
            for word in masked.example.ids.iter().copied().chain(slots) {
                sum = crc32c::crc32c_append(sum, &word.to_le_bytes());
            }
        }
        compared["first_batch"] = format!("crc32c {sum:08x}").into();
        Ok(compared)
    }

    /// Trains along with rank 0, to the last step or to where that ends.
    ///
    /// # Errors
    /// As for [`Pretraining::train`].
    pub(super) fn follow(&self) -> Result<(), Error> {
        self.check_ranks()?;
        let _held = self.stop.hold();
        let config = self.config;
        let device = self.device.clone().autodiff();
        let mut initial = self.agreed()?;
        let steps = config.num_train_steps.min(self.batches.steps());
        let mut adam = self.adam();
        let begin = Begin::hear(self.ranks)?;
        let mut networks =
            begin.model::<_, Error>(&config.model_dir, &[], &mut adam, |checkpoint| {
                self.build(&device, checkpoint.or(initial.stored.as_mut()))
            })?;
        drop(initial);
        adam.begin(&networks, &[]);
        agree_on_weights(self.ranks, &networks, &[])?;
        let schedule = Schedule::of(config);
        let scaled = self.arithmetic.layers == Element::F16;
        let loss_scale = scaled.then(|| begin.loss_scale.unwrap_or_default());
        let mut watch = Watch::new(loss_scale, self.progress);
        let mut micro_batch_size = self.micro_batch_size(config.train_batch_size, None);
        let mut step = begin.step;
        let mut course = Course::GoOn.of_first(self.ranks);
        while step < steps && course == Course::GoOn {
            let (_, computed) =
                self.computed(&networks, step, &device, &mut watch, &mut micro_batch_size)?;
            networks = computed.update(networks, &mut adam, schedule.update_rate(step));
            step += 1;
            course = match self.ranks.any(self.stop.is_asked()) {
                true => Course::Stopped,
                false => Course::GoOn.of_first(self.ranks),
            };
        }
        if step == steps {
            compare_last_weights(self.ranks, &networks, &[])?;
        }
        // Rank 0 still writes: signals are deferred until it has.
        self.ranks.most(0);
        match step < steps {
            true => Err(Error::Stopped { step, steps }),
            false => Ok(()),
        }
    }
}
