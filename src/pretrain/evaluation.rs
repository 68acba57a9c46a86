//! Evaluates the newest checkpoint of a run with the reference's metrics, and writes them.

use serde_json::{Map, Value};

use super::{
    figures::{Figures, Losses},
    objective::Chance,
    run::{Error, Pretraining, check_maskable, parts},
    seen::Counts,
};
use crate::{
    eval::json_file::{write_json, write_text},
    model::record,
    train::{checkpoint, run_lock::RunLock, step_failure::StepFailure},
};

/// Evaluation steps have their own random numbers.
const EVALUATION: u64 = 1 << 62;

impl Pretraining<'_> {
    /// Evaluates the newest checkpoint, writes the metrics, and returns them under the reference's names.
    ///
    /// # Errors
    /// If there is no model, or the device fails.
    pub fn evaluate(&self) -> Result<Map<String, Value>, Error> {
        let (config, model_dir) = (self.config, self.config.model_dir.as_path());
        let untrained = || Error::Untrained {
            model_dir: model_dir.into(),
        };
        let mut note = |line: String| self.progress.note(&line);
        if !model_dir.is_dir() {
            return Err(untrained());
        }
        let _lock = RunLock::take(model_dir)?;
        let Some((folder, state)) = checkpoint::newest(model_dir, &mut note)? else {
            return Err(untrained());
        };
        let mut weights = record::open(&folder.join("model.bpk"))?;
        let networks = self.build(self.device, Some(&mut weights))?;
        self.progress
            .note(&format!("evaluating {}", folder.display()));
        let objective = self.objective(self.device, 1.0);
        // It has no memory plan, which would see to it that no launch takes the device too long.
        let in_time = networks.electra.most_tokens(self.device);
        let micro_batch_size = self.micro_batch_size(config.eval_batch_size, in_time);
        let mut figures = Figures::default();
        let bar = self
            .progress
            .windows(config.num_eval_steps as usize, "batches");
        for step in 0..config.num_eval_steps.min(self.batches.steps()) {
            let batch = self.batches.evaluation(step)?;
            check_maskable(&batch, step)?;
            let chance = Chance {
                seed: config.seed,
                step: EVALUATION + step,
                drops: false,
            };
            let parts = parts(&batch, 0, micro_batch_size);
            let counts = Counts::of(&parts);
            let mut seen = Vec::new();
            for part in &parts {
                let made = objective.run(&networks, part, counts, chance, None);
                seen.extend(made.map_err(|source| StepFailure { step, source })?);
            }
            let width = match config.auc_counts_padding {
                true => config.max_seq_length,
                false => 0,
            };
            figures.add(&seen, width);
            figures.batch(Losses::of(&seen, config).total);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let named = figures.by_name(config);
        let mut results: Map<String, Value> = named
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        results.insert("global_step".to_owned(), state.step.into());
        results.sort_keys();
        let lines = results
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"));
        write_text(&config.results_txt, &lines.collect::<String>())?;
        write_json(&config.results_json(), &results)?;
        Ok(results)
    }
}
