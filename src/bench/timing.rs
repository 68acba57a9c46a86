//! What the measurements share: which steps are timed, how they compute, and what is read of them.

use std::time::Instant;

use burn::tensor::Device;

use crate::{
    config::OptimizerMoments,
    device::DeviceError,
    model::{arithmetic::Arithmetic, parameters},
    train::memory::PeakMemory,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(transparent)]
    Data(#[from] crate::pretrain::Error),
    #[error("{0}")]
    Read(#[from] DeviceError),
    #[error("step {step}: {source}; give a smaller --micro-batch-size")]
    Device { step: usize, source: DeviceError },
}

/// Which steps are timed, and how they compute.
#[derive(Debug, Clone)]
pub struct Timing<'a> {
    pub device: &'a Device,
    pub arithmetic: Arithmetic,
    /// Real lengths of each step's sequences; steps go round them.
    pub groups: Vec<Vec<usize>>,
    /// Computes every sequence as this many tokens, as a program that pads would.
    pub pad_to: Option<usize>,
    pub steps: usize,
    /// Steps before the first reading.
    pub warmup: usize,
    pub micro_batch_size: Option<usize>,
    pub moments: OptimizerMoments,
    /// Keeps only each layer's input and computes the rest again in the backward pass.
    pub recompute_layers: bool,
    pub loss_scale: f64,
}

impl Timing<'_> {
    /// The number of each step and the real lengths of its sequences; the warm-up comes first.
    pub(super) fn all_steps(&self) -> impl Iterator<Item = (usize, &[usize])> {
        let groups = self.groups.iter().cycle().map(Vec::as_slice);
        groups.take(self.warmup + self.steps).enumerate()
    }

    /// As how many tokens a sequence of this real length is computed.
    pub(super) fn computed(&self, length: usize) -> usize {
        self.pad_to.map_or(length, |width| width.max(length))
    }

    /// Waits until the device has computed everything.
    fn synchronise(&self, step: usize) -> Result<(), Error> {
        self.device.sync().map_err(|e| Error::Device {
            step,
            source: DeviceError::new(e),
        })
    }
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Seconds of each timed step.
    pub seconds: Vec<f64>,
    pub sequences: usize,
    /// Real tokens.
    pub tokens: usize,
    /// Floating-point operations of the model's products on the real tokens.
    pub operations: f64,
    pub peak_bytes: Option<u64>,
}

impl Figures {
    pub fn median_seconds(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => 0.0,
            count if count % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    pub fn total_seconds(&self) -> f64 {
        self.seconds.iter().sum()
    }
}

/// Reads the clock and the memory after each step.
pub(super) struct Readings<'a> {
    timing: &'a Timing<'a>,
    memory: PeakMemory,
    pub figures: Figures,
}

impl<'a> Readings<'a> {
    /// Waits for what the device computes before the first step.
    ///
    /// # Errors
    /// If the device fails.
    pub fn begin(timing: &'a Timing<'a>) -> Result<Self, Error> {
        let memory = PeakMemory::new(timing.device);
        timing.synchronise(0)?;
        Ok(Self {
            timing,
            memory,
            figures: Figures::default(),
        })
    }

    /// Ends a step that `began` then, on sequences of these real lengths: waits for the device, and counts
    /// the step if the warm-up is over.
    ///
    /// # Errors
    /// If the device fails.
    pub fn end(
        &mut self,
        step: usize,
        began: Instant,
        lengths: &[usize],
        operations: impl FnOnce() -> f64,
    ) -> Result<(), Error> {
        self.timing.synchronise(step)?;
        let seconds = began.elapsed().as_secs_f64();
        let figures = &mut self.figures;
        figures.peak_bytes = self.memory.sample();
        if step >= self.timing.warmup {
            figures.seconds.push(seconds);
            figures.sequences += lengths.len();
            figures.tokens += lengths.iter().sum::<usize>();
            figures.operations += operations();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two() {
        let figures = |seconds: &[f64]| Figures {
            seconds: seconds.to_vec(),
            ..Figures::default()
        };
        assert_eq!(figures(&[3.0, 1.0, 2.0]).median_seconds(), 2.0);
        assert_eq!(figures(&[4.0, 1.0, 2.0, 3.0]).median_seconds(), 2.5);
        assert_eq!(figures(&[]).median_seconds(), 0.0);
    }
}
