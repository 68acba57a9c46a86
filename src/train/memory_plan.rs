//! How a batch is split so that a training step fits a memory budget.
//!
//! A step holds weights, two moments and gradients of every trained parameter, whatever the batch;
//! and activations in proportion to the tokens computed at once. If they do not fit, layers are recomputed in
//! the backward pass (a third more work), and the batch is split into micro-batches whose gradients are
//! summed.

mod footprint;

use std::fmt;

pub use footprint::{Footprint, reserved};

use crate::{config::GradientCheckpointing, counted::counted, device::ByteSize};

/// A GPU is idle with fewer tokens than this at once, so recomputing layers is the better trade.
const FEW_TOKENS: u64 = 2_048;

/// What a device can hold, in bytes unless stated otherwise; `None` if unknown or unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Total for training.
    pub budget: Option<u64>,
    /// For one tensor.
    pub tensor: Option<u64>,
    /// Tokens at once; more would take a slow device so long that its driver aborts the launch.
    pub tokens: Option<usize>,
}

/// How a batch is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Features in a micro-batch.
    pub micro_batch_size: usize,
    /// Whether to keep only each layer's input and recompute the rest.
    pub recompute_layers: bool,
    /// Maximum bytes of a step.
    pub bytes: u64,
}

/// Why not even the smallest micro-batch fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// What a step computes, and how many at once.
    row: &'static str,
    rows: usize,
    tokens: usize,
    needed: u64,
    limit: Limit,
    /// Other ways to need less memory.
    advice: &'static str,
}

/// The limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Budget(u64),
    /// The device's largest tensor.
    Tensor(u64),
}

impl fmt::Display for TooLarge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, rows, tokens) = (self.row, self.rows, counted(self.tokens, "token"));
        let needed = ByteSize(self.needed);
        match rows {
            1 => write!(out, "a step of one {row} of {tokens} needs {needed}")?,
            _ => write!(
                out,
                "a step of {rows} {row}s of {tokens} at once needs {needed}"
            )?,
        }
        match self.limit {
            Limit::Budget(budget) => write!(
                out,
                " but the budget is {}; raise --memory-budget, ",
                ByteSize(budget)
            )?,
            Limit::Tensor(most) => write!(
                out,
                " in one tensor but the device's largest is {}; ",
                ByteSize(most)
            )?,
        }
        match rows {
            1 => write!(out, "lower max_seq_length, or {}", self.advice),
            _ => write!(
                out,
                "lower micro_batch_size, or leave it out for as many as fit"
            ),
        }
    }
}

impl std::error::Error for TooLarge {}

/// A batch to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub batch: usize,
    /// Tokens of the longest row.
    pub longest: usize,
    pub checkpointing: GradientCheckpointing,
    /// Requested micro-batch size.
    pub micro_batch_size: Option<usize>,
}

impl Wanted {
    /// The largest micro-batch that fits, with recomputed layers if it would otherwise be too small; the
    /// whole batch without limits. `needed` gives the bytes of a step for a micro-batch size, with or without
    /// recomputation, and `largest` those of its largest tensor. `None` if not even one row fits.
    pub fn fit(
        self,
        limits: MemoryLimits,
        needed: &dyn Fn(usize, bool) -> u64,
        largest: &dyn Fn(usize) -> u64,
    ) -> Option<MemoryPlan> {
        let Self {
            longest,
            checkpointing,
            micro_batch_size,
            ..
        } = self;
        let batch = self.batch.max(1);
        let most = limits
            .tokens
            .map_or(batch, |tokens| tokens / longest.max(1));
        let most = most.clamp(1, batch);
        let plan = |micro_batch_size: usize, recompute_layers: bool| MemoryPlan {
            micro_batch_size,
            recompute_layers,
            bytes: needed(micro_batch_size, recompute_layers),
        };
        let fits = |plan: &MemoryPlan| {
            let largest = largest(plan.micro_batch_size);
            limits.budget.is_none_or(|budget| plan.bytes <= budget)
                && limits.tensor.is_none_or(|tensor| largest <= tensor)
        };
        let largest = |recompute_layers: bool| {
            let sizes = match micro_batch_size {
                Some(size) => size.min(batch)..=size.min(batch),
                None => 1..=most,
            };
            sizes
                .rev()
                .map(|size| plan(size, recompute_layers))
                .find(fits)
        };
        let whole = (checkpointing != GradientCheckpointing::On)
            .then(|| largest(false))
            .flatten();
        let recomputed = (checkpointing != GradientCheckpointing::Off)
            .then(|| largest(true))
            .flatten();
        let enough = |plan: &MemoryPlan| {
            let tokens = (plan.micro_batch_size * longest) as u64;
            plan.micro_batch_size == most || micro_batch_size.is_some() || tokens >= FEW_TOKENS
        };
        whole.filter(enough).or(recomputed).or(whole)
    }

    /// Why [`fit`](Self::fit) found no plan with the same arguments, for a message: `row` is what a row is
    /// called, and `advice` another way to need less.
    pub fn too_large(
        self,
        limits: MemoryLimits,
        needed: &dyn Fn(usize, bool) -> u64,
        largest: &dyn Fn(usize) -> u64,
        (row, advice): (&'static str, &'static str),
    ) -> TooLarge {
        let rows = self.micro_batch_size.unwrap_or(1).min(self.batch.max(1));
        let step = needed(rows, self.checkpointing != GradientCheckpointing::Off);
        let (needed, limit) = match (limits.budget, limits.tensor) {
            (Some(budget), _) if step > budget => (step, Limit::Budget(budget)),
            (_, Some(tensor)) => (largest(rows), Limit::Tensor(tensor)),
            (budget, None) => (step, Limit::Budget(budget.unwrap_or_default())),
        };
        TooLarge {
            row,
            rows,
            tokens: self.longest,
            needed,
            limit,
            advice,
        }
    }
}

#[cfg(test)]
mod tests;
