//! The evaluation of a run's newest checkpoint, by the reference's figures, which are written.

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

/// Steps of an evaluation have random numbers of their own.
const EVALUATION: u64 = 1 << 62;

impl Pretraining<'_> {
    /// Evaluates the newest checkpoint and writes the figures, which it returns by the reference's
    /// names.
    ///
    /// # Errors
    /// When there is no model, or the device fails.
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
            let parts = parts(&batch, self.micro_batch_size(config.eval_batch_size));
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
