//! The training loop on the reference's data, with shuffling and dropout.
#![allow(dead_code)]

use std::{path::Path, sync::atomic::AtomicBool, time::Duration};

use burn::tensor::Device;
use electra::{
    batch::{
        FeatureSet,
        plan::{BatchPlan, PlanOptions},
    },
    config::OptimizerMoments,
    model::{arithmetic::Arithmetic, parameters::ParameterSource},
    progress::{Output, Progress},
    ranks::{Ranks, Wire},
    step_record::StepRecord,
    tasks::{model::Model, qa::feature::Feature},
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        run::{Error, Run},
        schedule::{LayerDecay, Schedule},
    },
};

use super::{ReferenceRun, converted, tasks};

static STOP: AtomicBool = AtomicBool::new(false);

pub struct TrainingLoop<'a> {
    pub run: &'a ReferenceRun,
    pub features: &'a [Feature],
    pub trainable: Trainable,
    pub moments: OptimizerMoments,
    pub save_every_steps: u64,
    pub batch_size: usize,
    pub scaled_loss: bool,
    pub arithmetic: Arithmetic,
    pub stop: &'a AtomicBool,
}

impl<'a> TrainingLoop<'a> {
    /// All layers, in batches of eight, without checkpoints before the last step.
    pub fn of(run: &'a ReferenceRun, features: &'a [Feature]) -> Self {
        Self {
            run,
            features,
            trainable: Trainable::All,
            moments: OptimizerMoments::F32,
            save_every_steps: 100,
            batch_size: 8,
            scaled_loss: false,
            arithmetic: Arithmetic::default(),
            stop: &STOP,
        }
    }

    fn plan(&self) -> BatchPlan {
        let options = PlanOptions {
            batch_size: self.batch_size,
            epochs: 1.0,
            seed: 3,
            shuffle: true,
            length_bucketing: false,
        };
        BatchPlan::new(FeatureSet::from(self.features).lengths(), options).unwrap()
    }

    #[track_caller]
    pub fn train(&self, model_dir: &Path, device: &Device, steps: u64) -> Model {
        self.try_train(model_dir, device, steps).unwrap()
    }

    /// Trains, returning any error.
    pub fn try_train(&self, model_dir: &Path, device: &Device, steps: u64) -> Result<Model, Error> {
        let tasks = tasks();
        let training = Run {
            device,
            model_dir,
            tasks: &tasks,
            features: &FeatureSet::from(self.features),
            plan: self.plan(),
            schedule: Schedule {
                base: self.run.config.learning_rate,
                steps,
                warmup_proportion: self.run.config.warmup_proportion,
                decay: self.run.config.lr_schedule,
            },
            objective: Objective {
                trainable: self.trainable,
                recompute_layers: false,
                loss_scale: 1.0,
            },
            scaled_loss: self.scaled_loss,
            micro_batch_size: usize::MAX,
            seed: 7,
            hparams: serde_json::json!({
                "seed": 7, "optimizer_moments": self.moments.word(),
            }),
            save_every_steps: self.save_every_steps,
            save_every: Duration::from_secs(3600),
            max_save: 100,
            log_every: 1,
            dev: None,
            stop: self.stop,
            ranks: &Ranks::alone(),
            wire: Wire::F32,
        };
        let mut encoder = self.run.encoder();
        encoder.hidden_dropout_prob = 0.1;
        encoder.attention_probs_dropout_prob = 0.1;
        let build = |device: &Device, stored: Option<&mut _>| {
            let mut initial = converted(&self.run.folder.join("init").join("model.ckpt"));
            let stored = stored.or(Some(&mut initial));
            let mut source =
                ParameterSource::new(device.clone(), 1, stored).with_arithmetic(self.arithmetic);
            Ok(Model::new(&mut source, &encoder, &self.run.heads())?)
        };
        let adam = Adam::new(
            self.run.config.weight_decay_rate,
            LayerDecay {
                decay: self.run.config.layerwise_lr_decay,
                layers: encoder.num_hidden_layers,
                variant: self.run.config.lr_decay_variant,
            },
        )
        .with_moments(self.moments);
        let trained = training.train(adam, build, &Progress::new(Output::Quiet))?;
        Ok(trained.model)
    }
}

/// Returns the lines of the log.
pub fn log(model_dir: &Path) -> Vec<StepRecord> {
    std::fs::read_to_string(model_dir.join("train_log.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
