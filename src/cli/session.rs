//! A command's device, opened once, and what is opened on it.

use std::path::Path;

use super::{GlobalArgs, compute::ComputeArgs, model::describe_model};
use crate::{
    config::{EncoderConfig, Precision},
    counted::counted,
    device::{self, AdapterKind, ByteSize, Chosen},
    fine_tuned::{Described, FineTuned, TaskChoice},
    kernels::autotune::AutotuneCache,
    model::arithmetic::Arithmetic,
    progress::Progress,
    train::memory_plan::MemoryLimits,
};

/// An open device.
pub(super) struct Session<'a> {
    pub chosen: Chosen,
    /// The output on standard error.
    pub progress: Progress,
    compute: &'a ComputeArgs,
}

impl<'a> Session<'a> {
    /// Opens the device that the flags ask for, and reports on standard error which one and why.
    ///
    /// # Errors
    /// If it is not available.
    pub fn open(compute: &'a ComputeArgs, global: &GlobalArgs) -> Result<Self, device::Error> {
        let chosen = device::choose(compute.device)?;
        let progress = global.progress();
        progress.note(&format!("device: {}", chosen.line()));
        Ok(Self {
            chosen,
            progress,
            compute,
        })
    }

    /// Returns the precision of a command without hyper-parameters.
    pub fn precision(&self) -> Precision {
        self.compute.precision.unwrap_or(Precision::Auto)
    }

    /// Returns how much memory training may use: the flag's value, or nine tenths of a GPU's own
    /// memory, since the desktop and the driver need the rest; if it shares memory with the
    /// processor, half, which is what drivers allow. A software adapter and the CPU have no limit
    /// of their own.
    pub fn memory_limits(&self) -> MemoryLimits {
        let chosen = &self.chosen;
        let own = chosen
            .memory
            .filter(|_| chosen.adapter.is_some() && !chosen.is_software)
            .map(
                |bytes| match chosen.adapter.as_ref().map(|adapter| adapter.kind) {
                    Some(AdapterKind::Integrated) => bytes / 2,
                    _ => bytes / 10 * 9,
                },
            );
        let budget = self.compute.memory_budget.map(|ByteSize(bytes)| bytes);
        let adapter = chosen.adapter.as_ref();
        MemoryLimits {
            budget: budget.or(own),
            tensor: adapter.map(|adapter| adapter.max_storage_binding.min(adapter.max_buffer)),
            tokens: None,
        }
    }

    /// Returns the arithmetic of an encoder that reads `tokens` tokens at once.
    ///
    /// # Errors
    /// As for [`Arithmetic::on`].
    pub fn arithmetic(
        &self,
        precision: Precision,
        encoder: &EncoderConfig,
        tokens: usize,
    ) -> Result<Arithmetic, device::Error> {
        let cache = AutotuneCache::of_user();
        Arithmetic::on(&self.chosen, precision, encoder, tokens, &cache)
    }

    /// Opens the fine-tuned model at `checkpoint`, converting it first if necessary; if it has
    /// several tasks, the chosen one answers.
    ///
    /// # Errors
    /// If there is no model, or it cannot answer.
    pub fn model(&self, checkpoint: &Path, choice: TaskChoice<'_>) -> anyhow::Result<FineTuned> {
        self.open_model(describe_model(checkpoint, choice, &self.progress)?)
    }

    /// Opens a model from its description. If the flags give a memory budget, it answers within that, and
    /// a line says so if fewer rows are computed at once for it.
    ///
    /// # Errors
    /// If it is damaged, lacks the head that answers, or does not fit the budget.
    pub fn open_model(&self, described: Described) -> anyhow::Result<FineTuned> {
        let usual = described.config.predict_batch_size;
        let mut model = FineTuned::of(described, &self.chosen, self.precision())?;
        if let Some(budget) = self.compute.memory_budget {
            let (rows, needed) = model.within(budget.0)?;
            if rows < usual {
                self.progress.note(&format!(
                    "memory: {} of {budget} for a prediction; {} at once",
                    ByteSize(needed),
                    counted(rows, "row")
                ));
            }
        }
        Ok(model)
    }
}
