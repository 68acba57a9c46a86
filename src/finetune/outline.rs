//! What a training run is about to do, one line for each part, before it takes hours.

use indicatif::HumanCount;

use super::{Error, Finetune};
use crate::{
    batch::{FeatureSet, plan::BatchPlan},
    config::{Config, LrSchedule},
    counted::{counted, grouped},
    device::ByteSize,
    model::ParameterCount,
    tasks::{
        head::{self, TaskHead},
        task::TaskFile,
    },
    train::{memory_plan::MemoryPlan, objective::Trainable},
};

/// Training examples of each task that `log_examples` shows.
const EXAMPLES: usize = 3;

impl Finetune<'_> {
    /// Logs what training is about to do.
    pub(super) fn say_what_will_be_done(
        &self,
        train: &[Box<dyn TaskFile>],
        features: &FeatureSet,
    ) -> Result<(), Error> {
        let plan = BatchPlan::new(features.lengths(), self.plan_options(1))?;
        let layers = self.config.encoder().num_hidden_layers;
        let trainable = Trainable::new(self.config.trainable_layers, layers);
        let lengths = features.lengths().into_iter();
        let outline = Outline {
            config: self.config,
            heads: self.heads,
            tokens: lengths.map(|length| length as u64).sum(),
            steps: plan.steps() as u64,
            trial: self.trial,
            memory: self.memory_plan(trainable, features)?,
            budget: self.memory_limits.budget,
        };
        for line in outline.lines() {
            self.progress.note(&line);
        }
        if self.config.log_examples {
            let shown = train
                .iter()
                .flat_map(|file| file.examples(EXAMPLES, self.tokenizer));
            shown.for_each(|line| self.progress.note(&line));
        }
        Ok(())
    }
}

/// A training run.
struct Outline<'a> {
    config: &'a Config,
    heads: &'a [TaskHead],
    /// Tokens of all training features, without padding.
    tokens: u64,
    steps: u64,
    /// The only trial to run.
    trial: Option<usize>,
    memory: MemoryPlan,
    /// Memory budget of training, in bytes.
    budget: Option<u64>,
}

impl Outline<'_> {
    /// The model, the training and its memory.
    fn lines(&self) -> Vec<String> {
        let config = self.config;
        let mut lines = vec![self.model()];
        let layers = config.encoder().num_hidden_layers;
        if let Some(top) = config.trainable_layers {
            lines.push(format!(
                "trained: the top {top} of {}, and the head",
                counted(layers, "layer")
            ));
        }
        lines.extend([self.training(), self.rates(), self.memory()]);
        lines
    }

    fn model(&self) -> String {
        let config = self.config;
        let encoder = config.encoder();
        let sizes = ParameterCount::new(&encoder, head::shapes(self.heads));
        let accents = config.strip_accents.unwrap_or(config.do_lower_case);
        let case = match (config.do_lower_case, accents) {
            (true, true) => "lower case",
            (true, false) => "lower case with accents",
            (false, true) => "cased, no accents",
            (false, false) => "cased",
        };
        format!(
            "model: {} × {}, {}, {} parameters, {case}",
            counted(encoder.num_hidden_layers, "layer"),
            encoder.hidden_size,
            counted(encoder.num_attention_heads, "head"),
            HumanCount(sizes.all()),
        )
    }

    fn training(&self) -> String {
        let config = self.config;
        let trials = match (self.trial, config.num_trials) {
            (Some(trial), of) => format!("trial {trial} of {of}, "),
            (None, 1) => String::new(),
            (None, trials) => format!("{trials} × "),
        };
        format!(
            "training: {trials}{}, {} {}, batch {}, {} tokens, seed {}",
            grouped(self.steps as usize, "step"),
            config.num_train_epochs,
            match config.num_train_epochs {
                1.0 => "epoch",
                _ => "epochs",
            },
            config.train_batch_size,
            HumanCount(self.tokens),
            config.trial_seed(self.trial.unwrap_or(1)),
        )
    }

    fn rates(&self) -> String {
        let config = self.config;
        let decay = match config.layerwise_lr_decay {
            decay if decay > 0.0 => format!(", × {decay} per layer down"),
            _ => String::new(),
        };
        let schedule = match config.lr_schedule {
            LrSchedule::Linear => String::new(),
            other => format!(", {other}"),
        };
        format!(
            "learning rate: {:e}{schedule}{decay}; warm-up {} % of the steps",
            config.learning_rate,
            (config.warmup_proportion * 1e4).round() / 100.0,
        )
    }

    fn memory(&self) -> String {
        let plan = self.memory;
        let budget = match self.budget {
            Some(bytes) => format!(" of {}", ByteSize(bytes)),
            None => String::new(),
        };
        let at_once = match plan.micro_batch_size {
            all if all >= self.config.train_batch_size => "a whole batch at once".to_owned(),
            some => format!("{} at once", counted(some, "feature")),
        };
        let again = match plan.recompute_layers {
            true => ", layers recomputed",
            false => "",
        };
        format!(
            "memory: {}{budget} for a step; {at_once}{again}",
            ByteSize(plan.bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use serde_json::json;

    use super::*;
    use crate::tasks::kind;

    #[test]
    fn every_part_of_a_run_is_told_in_one_line() {
        let given = json!({
            "task_names": ["squad"], "model_size": "large", "trainable_layers": 8, "seed": 7,
            "num_trials": 3, "strip_accents": false, "learning_rate": 3e-5,
        });
        let config = Config::resolve(Path::new("d"), "m", given.as_object().unwrap())
            .unwrap()
            .0;
        let outline = Outline {
            config: &config,
            heads: &kind::heads(&config, &BTreeMap::new()).unwrap(),
            tokens: 1_234_567,
            steps: 8159,
            trial: None,
            memory: MemoryPlan {
                micro_batch_size: 4,
                recompute_layers: true,
                bytes: 6 << 30,
            },
            budget: Some(7 << 30),
        };
        assert_eq!(
            outline.lines(),
            [
                "model: 24 layers × 1024, 16 heads, 336,192,515 parameters, lower case with accents",
                "trained: the top 8 of 24 layers, and the head",
                "training: 3 × 8,159 steps, 2 epochs, batch 32, 1,234,567 tokens, seed 7",
                "learning rate: 3e-5, × 0.9 per layer down; warm-up 10 % of the steps",
                "memory: 6 GiB of 7 GiB for a step; 4 features at once, layers recomputed",
            ]
        );
        let alone = Outline {
            trial: Some(2),
            ..outline
        };
        assert_eq!(
            alone.training(),
            "training: trial 2 of 3, 8,159 steps, 2 epochs, batch 32, 1,234,567 tokens, seed 8"
        );
        let config = Config {
            lr_schedule: LrSchedule::Cosine,
            ..config.clone()
        };
        let rates = Outline {
            config: &config,
            ..alone
        }
        .rates();
        let expected =
            "learning rate: 3e-5, cosine, × 0.9 per layer down; warm-up 10 % of the steps";
        assert_eq!(rates, expected);
    }
}
