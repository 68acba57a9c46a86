//! The gradients of a step, computed part by part, by one rank or by several that share its rows.

use super::{
    outgoing::Outgoing,
    run::{Error, Pace, Run},
    step::{StepGradients, step_gradients, step_share, sum_shares},
    step_failure::StepFailure,
};
use crate::{batch::Batch, device::DeviceError, progress::Progress, tasks::model::Model};

impl Run<'_> {
    /// The gradients of a step, with their figures checked.
    pub(super) fn gradients(
        &self,
        model: &Model,
        rows: &[usize],
        step: u64,
        pace: &mut Pace,
        progress: &Progress,
    ) -> Result<StepGradients, Error> {
        pace.settings.objective.loss_scale = pace.watch.loss_factor();
        let gradients = match self.ranks.is_alone() {
            true => self.in_parts(model, rows, step, pace, progress)?,
            false => self.in_shares(model, rows, step, pace, progress)?,
        };
        pace.watch.check_finite(gradients.figures, step, rows)?;
        Ok(gradients)
    }

    /// Computes the gradients of all rows. Parts that the device cannot hold are halved, and those of the
    /// steps that follow with them.
    fn in_parts(
        &self,
        model: &Model,
        rows: &[usize],
        step: u64,
        pace: &mut Pace,
        progress: &Progress,
    ) -> Result<StepGradients, Error> {
        loop {
            let parts = self.parts(rows, pace.micro_batch_size)?;
            match step_gradients(model, &parts, step, &pace.settings) {
                Ok(gradients) => return Ok(gradients),
                Err(error) => {
                    pace.micro_batch_size = self.smaller(&parts, step, error, progress)?;
                }
            }
        }
    }

    /// The same of this rank's rows, and sums what all ranks have computed.
    fn in_shares(
        &self,
        model: &Model,
        rows: &[usize],
        step: u64,
        pace: &mut Pace,
        progress: &Progress,
    ) -> Result<StepGradients, Error> {
        let own = self.ranks.share(rows.len());
        let device = self.device.clone();
        let layers = model.electra.layers.iter().rev();
        self.ranks.exchange(|exchange| {
            let mut outgoing =
                Outgoing::new(exchange, self.wire, model, self.tasks, layers, device);
            loop {
                let parts = self.parts(&rows[own.clone()], pace.micro_batch_size)?;
                let settings = &pace.settings;
                match step_share(model, &parts, own.start, step, settings, outgoing) {
                    // The others have these sums, too: a rank that fails now cannot compute its share again.
                    Ok(share) => {
                        let summed = sum_shares(model, share, self.ranks, step, settings);
                        return Ok(summed.map_err(|source| StepFailure { step, source })?);
                    }
                    Err((left, error)) => {
                        outgoing = left;
                        pace.micro_batch_size = self.smaller(&parts, step, error, progress)?;
                    }
                }
            }
        })
    }

    /// These rows in parts of so many.
    pub(super) fn parts(&self, rows: &[usize], size: usize) -> Result<Vec<Batch>, Error> {
        let parts = rows.chunks(size.max(1));
        let parts = parts.map(|rows| Batch::collate(self.features, rows));
        Ok(parts.collect::<Result<_, _>>()?)
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
        let failure = StepFailure {
            step,
            source: error,
        };
        Ok(failure.half_of(failed, "features", self.device, progress)?)
    }
}
