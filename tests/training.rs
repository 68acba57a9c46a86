//! Training against the reference's trajectory, and the promises of resuming and freezing.

mod support;

use std::{path::Path, time::Duration};

use burn::tensor::Device;
use electra::{
    data::{
        batch::FeatureSet,
        batch_plan::{BatchPlan, PlanOptions},
        example::Split,
        feature::Feature,
    },
    model::{QuestionAnsweringModel, parameters::ParameterSource},
    train::{
        adam::Adam,
        gradients::Trainable,
        log::StepRecord,
        progress::Progress,
        run::Run,
        schedule::{LayerDecay, Schedule},
        step::{StepSettings, train_step},
    },
};
use support::{ReferenceRun, devices, max_difference, parameters, runs, tasks};

fn schedule(run: &ReferenceRun) -> Schedule {
    Schedule {
        base: run.config.learning_rate,
        steps: run.trajectory["num_train_steps"].as_u64().unwrap(),
        warmup_proportion: run.config.warmup_proportion,
    }
}

fn adam(run: &ReferenceRun) -> Adam {
    Adam::new(
        run.config.weight_decay_rate,
        LayerDecay {
            decay: run.config.layerwise_lr_decay,
            layers: run.encoder().num_hidden_layers,
            variant: run.config.lr_decay_variant,
        },
    )
}

/// Follows the reference for some steps; its batches, no dropout.
fn check_trajectory(run: &ReferenceRun, name: &str, device: &Device, steps: usize) {
    let device = device.clone().autodiff();
    let tasks = tasks();
    let features = run.features(Split::Train);
    let schedule = schedule(run);
    let settings = StepSettings {
        device: &device,
        tasks: &tasks,
        answerable_weight: run.config.answerable_weight,
        trainable: Trainable::All,
        seed: 1,
    };
    let mut model = run.model("init", &device);
    let mut adam = adam(run);
    let (mut worst_early, mut worst) = (0.0_f64, 0.0_f64);
    for step in 0..steps {
        let theirs = &run.trajectory["steps"][step];
        let rate = schedule.learning_rate(step as u64);
        let their_rate = theirs["learning_rate"].as_f64().unwrap();
        // The reference computes it in f32, in a few operations of half a unit's rounding each.
        assert!(
            (rate - their_rate).abs() <= their_rate * 4.0 * f64::from(f32::EPSILON),
            "step {step}: learning rate {rate} instead of {their_rate}"
        );
        let batch = run.training_batch(&features, step);
        let (updated, figures) =
            train_step(model, &mut adam, &batch, step as u64, rate, &settings);
        model = updated;
        // f32 rounding grows along a trajectory: the bound that the reference's own reruns keep.
        let tolerance = if step < 10 { 1e-3 } else { 1e-2 };
        for (key, ours) in [("loss", figures.loss), ("grad_norm", figures.grad_norm)] {
            let ours = f64::from(ours.try_into_scalar::<f32>().unwrap());
            let theirs = theirs[key].as_f64().unwrap();
            let relative = (ours / theirs - 1.0).abs();
            worst = worst.max(relative);
            if step < 10 {
                worst_early = worst_early.max(relative);
            }
            assert!(relative <= tolerance, "step {step}: {key} {ours} instead of {theirs}");
        }
    }
    println!("{} {name}: {worst_early:e} in 10 steps, {worst:e} in {steps}", run.name);
    if steps as u64 == schedule.steps {
        let trained = parameters(&run.model("trained", &device));
        for (parameter, ours) in parameters(&model) {
            let difference = max_difference(&ours, &trained[&parameter]);
            // Adam's steps have the size of the rate whatever the gradient's, so that a weight
            // whose gradient is rounding alone may wander by a part of the rates' sum.
            assert!(difference < 0.02, "{parameter} ended {difference} away");
        }
    }
}

#[test]
fn loss_norm_and_rate_follow_the_reference_to_the_end_on_the_cpu() {
    for run in runs() {
        let steps = run.trajectory["num_train_steps"].as_u64().unwrap() as usize;
        check_trajectory(&run, "cpu", &Device::flex(), steps);
    }
}

#[test]
fn loss_norm_and_rate_follow_the_reference_for_ten_steps_on_wgpu() {
    if let Some(device) = support::gpu() {
        for run in runs() {
            check_trajectory(&run, "wgpu", &device, 10);
        }
    }
}

/// A run of the training loop on the reference's data, shuffled and with dropout.
struct Loop<'a> {
    run: &'a ReferenceRun,
    features: &'a [Feature],
    trainable: Trainable,
    save_every_steps: u64,
}

impl Loop<'_> {
    fn plan(&self) -> BatchPlan {
        let options = PlanOptions {
            batch_size: 8,
            epochs: 1.0,
            seed: 3,
            shuffle: true,
            length_bucketing: false,
        };
        BatchPlan::new(FeatureSet::from(self.features).lengths(), options).unwrap()
    }

    fn train(&self, model_dir: &Path, device: &Device, steps: u64) -> QuestionAnsweringModel {
        let tasks = tasks();
        let training = Run {
            device,
            model_dir,
            tasks: &tasks,
            features: FeatureSet::from(self.features),
            plan: self.plan(),
            schedule: Schedule {
                steps,
                ..schedule(self.run)
            },
            trainable: self.trainable,
            answerable_weight: 0.5,
            seed: 7,
            hparams: serde_json::json!({"seed": 7}),
            save_every_steps: self.save_every_steps,
            save_every: Duration::from_secs(3600),
            max_save: 100,
            log_every: 1,
        };
        let mut encoder = self.run.encoder();
        encoder.hidden_dropout_prob = 0.1;
        encoder.attention_probs_dropout_prob = 0.1;
        let build = |device: &Device, stored: Option<&mut _>| {
            let mut initial =
                support::converted(&self.run.folder.join("init").join("model.ckpt"));
            let stored = stored.or(Some(&mut initial));
            let mut source = ParameterSource::new(device.clone(), 1, stored);
            Ok(QuestionAnsweringModel::new(
                &mut source,
                &encoder,
                &tasks,
                self.run.head(),
            )?)
        };
        training
            .train(adam(self.run), build, &Progress::new(true))
            .unwrap()
    }
}

fn log(model_dir: &Path) -> Vec<StepRecord> {
    std::fs::read_to_string(model_dir.join("train_log.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_run_stopped_in_the_middle_and_started_again_ends_the_same() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = Loop {
        run,
        features: &features,
        trainable: Trainable::All,
        save_every_steps: 4,
    };
    let device = Device::flex();
    let whole = tempfile::tempdir().unwrap();
    training.train(whole.path(), &device, 10);

    // What a kill after step 7 leaves: the checkpoint of step 4 and lines of later steps.
    let stopped = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let (from, to) = (whole.path().join(name), stopped.path().join(name));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            for file in std::fs::read_dir(&from).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        } else {
            std::fs::copy(from, to).unwrap();
        }
    };
    copy("checkpoint-4");
    copy("train_log.jsonl");
    training.train(stopped.path(), &device, 10);

    let record = |folder: &Path| std::fs::read(folder.join("model.bpk")).unwrap();
    assert!(record(whole.path()) == record(stopped.path()), "records differ");
    let steps: Vec<u64> = log(stopped.path()).iter().map(|line| line.step).collect();
    assert_eq!(steps, (0..10).collect::<Vec<_>>());
    let losses = |folder: &Path| -> Vec<f64> {
        log(folder).iter().map(|line| line.loss).collect()
    };
    assert_eq!(losses(whole.path()), losses(stopped.path()));
    let left: Vec<String> = std::fs::read_dir(stopped.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("tmp"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn frozen_layers_keep_their_values_and_the_others_get_the_gradients_of_a_whole_run() {
    use electra::{
        model::ModelInput,
        train::{gradients::loss_and_gradients, loss::Targets},
    };
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let batch = run.training_batch(&features, 0);
    for (name, device) in devices() {
        let device = device.autodiff();
        let gradients = |trainable: Trainable| {
            let model = trainable.freeze(run.model("init", &device));
            let input = ModelInput::new(&batch, &device);
            let targets = Targets::new(&batch, &device);
            let (_, gradients) =
                loss_and_gradients(&model, &input, &targets, &batch.task, 0.5, trainable);
            gradients.into_values(&model, &tasks())
        };
        let whole: std::collections::BTreeMap<_, _> =
            gradients(Trainable::All).into_iter().collect();
        let layers = run.encoder().num_hidden_layers;
        let top = gradients(Trainable::new(Some(1), layers));
        let prefix = format!("electra.layers.{}.", layers - 1);
        assert_eq!(
            top.len(),
            whole
                .keys()
                .filter(|key| key.starts_with(&prefix) || key.starts_with("heads."))
                .count(),
            "{name}"
        );
        for (parameter, ours) in top {
            assert!(parameter.starts_with(&prefix) || parameter.starts_with("heads."));
            let ours = ours.try_into_vec_as::<f32>().unwrap();
            let theirs = whole[&parameter].clone().try_into_vec_as::<f32>().unwrap();
            // The same operations on the same values: only the order of sums may differ.
            let difference = max_difference(&ours, &theirs);
            let scale = theirs.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            assert!(
                difference <= 1e-5 * scale.max(1e-3),
                "{name} {parameter}: {difference} of {scale}"
            );
        }
    }

    let training = Loop {
        run,
        features: &features,
        trainable: Trainable::new(Some(1), run.encoder().num_hidden_layers),
        save_every_steps: 100,
    };
    let folder = tempfile::tempdir().unwrap();
    let trained = parameters(&training.train(folder.path(), &Device::flex(), 4));
    let initial = parameters(&run.model("init", &Device::flex()));
    let top = format!("electra.layers.{}.", run.encoder().num_hidden_layers - 1);
    for (parameter, before) in &initial {
        let moves = parameter.starts_with(&top) || parameter.starts_with("heads.");
        assert_eq!(&trained[parameter] != before, moves, "{parameter}");
    }
}

#[test]
fn memory_does_not_grow_over_steps_on_wgpu() {
    let Some(device) = support::gpu() else { return };
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = device.clone().autodiff();
    let tasks = tasks();
    let settings = StepSettings {
        device: &training,
        tasks: &tasks,
        answerable_weight: 0.5,
        trainable: Trainable::All,
        seed: 1,
    };
    let mut model = run.model("init", &training);
    let mut adam = adam(run);
    let batch = run.training_batch(&features, 0);
    let mut in_use = Vec::new();
    for step in 0..12 {
        let (updated, figures) = train_step(model, &mut adam, &batch, step, 1e-4, &settings);
        model = updated;
        figures.loss.try_into_scalar::<f32>().unwrap();
        device.sync().unwrap();
        in_use.push(device.memory_pool_usage().unwrap().bytes_in_use);
    }
    println!("bytes in use after each step: {in_use:?}");
    // Parameters, moments and one step's leftovers: after the first steps nothing may be added.
    let settled = in_use[3];
    assert!(
        in_use[4..].iter().all(|&now| now <= settled + settled / 20),
        "{in_use:?}"
    );
}
