//! The gradients of a step, computed part by part, by one rank or by several that share its examples.

use burn::tensor::Device;

use super::{
    Pretraining,
    error::Error,
    parts::{check_maskable, parts},
};
use crate::{
    device::DeviceError,
    pretrain::{
        networks::Networks,
        objective::{Chance, Objective},
        part::{Masked, Part},
        seen::Counts,
        step::{StepGradients, step_gradients, step_share, sum_shares},
    },
    train::{outgoing::Outgoing, step_failure::StepFailure, watch::Watch},
};

impl Pretraining<'_> {
    /// The batch of a step, and its gradients with their figures checked.
    pub(super) fn computed(
        &self,
        networks: &Networks,
        step: u64,
        device: &Device,
        watch: &mut Watch,
        micro_batch_size: &mut usize,
    ) -> Result<(Vec<Masked>, StepGradients), Error> {
        let batch = self.batches.training(step)?;
        check_maskable(&batch, step)?;
        let objective = self.objective(device, watch.loss_factor());
        let chance = self.chance(step);
        let computed = match self.ranks.is_alone() {
            true => self.compute(networks, &batch, &objective, chance, micro_batch_size)?,
            false => self.share(networks, &batch, &objective, chance, micro_batch_size)?,
        };
        watch.check_finite(computed.figures, step, &[])?;
        Ok((batch, computed))
    }

    /// The gradients of all examples. Parts that the device cannot hold are halved.
    pub(in crate::pretrain) fn compute(
        &self,
        networks: &Networks,
        batch: &[Masked],
        objective: &Objective,
        chance: Chance,
        micro_batch_size: &mut usize,
    ) -> Result<StepGradients, Error> {
        loop {
            let parts = parts(batch, 0, *micro_batch_size);
            match step_gradients(networks, &parts, objective, chance) {
                Ok(gradients) => return Ok(gradients),
                Err(error) => *micro_batch_size = self.smaller(&parts, chance.step, error)?,
            }
        }
    }

    /// The same of this rank's examples, and sums what all ranks have computed.
    fn share(
        &self,
        networks: &Networks,
        batch: &[Masked],
        objective: &Objective,
        chance: Chance,
        micro_batch_size: &mut usize,
    ) -> Result<StepGradients, Error> {
        let own = self.ranks.share(batch.len());
        let counts = Counts::of_examples(batch.iter());
        let (step, device) = (chance.step, self.device.clone());
        let wire = self.config.gradient_exchange.wire();
        self.ranks.exchange(|exchange| {
            let layers = networks.layers_as_left();
            let mut outgoing = Outgoing::new(exchange, wire, networks, &[], layers, device);
            loop {
                let parts = parts(&batch[own.clone()], own.start, *micro_batch_size);
                match step_share(networks, &parts, counts, objective, chance, outgoing) {
                    // The others have these sums, too: a rank that fails now cannot compute its share again.
                    Ok(share) => {
                        let summed = sum_shares(networks, share, self.ranks, objective, chance);
                        return Ok(summed.map_err(|source| StepFailure { step, source })?);
                    }
                    Err((left, error)) => {
                        outgoing = left;
                        *micro_batch_size = self.smaller(&parts, step, error)?;
                    }
                }
            }
        })
    }

    /// Half of the largest part's examples, after a device failed to compute these.
    fn smaller(&self, parts: &[Part], step: u64, error: DeviceError) -> Result<usize, Error> {
        let failed = parts.iter().map(|part| part.examples.len()).max();
        let failure = StepFailure {
            step,
            source: error,
        };
        let failed = failed.unwrap_or(0);
        Ok(failure.half_of(failed, "examples", self.device, self.progress)?)
    }
}
