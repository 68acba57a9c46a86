//! Layers in f16: how far their numbers are from float32's, and what happens beyond f16's range.

use crate::support::{ReferenceRun, devices, fast, parameters, runs, tasks};
use burn::tensor::Device;
use electra::{
    batch::Batch,
    data::split::Split,
    kernels::formats::Element,
    model::arithmetic::Arithmetic,
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        schedule::LayerDecay,
        step::{StepFigures, StepSettings, train_step},
    },
};

/// Layers in f16 on a device of this name.
fn half(device: &str) -> Arithmetic {
    Arithmetic {
        layers: Element::F16,
        ..fast(device)
    }
}

fn settings<'a>(device: &'a Device, tasks: &'a [String], loss_scale: f64) -> StepSettings<'a> {
    StepSettings {
        device,
        tasks,
        objective: Objective {
            trainable: Trainable::All,
            recompute_layers: false,
            loss_scale,
        },
        seed: 1,
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

#[test]
fn steps_in_f16_follow_the_references_steps() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    for (name, device) in devices() {
        // A software driver takes many seconds for a step.
        let steps = if name == "cpu" { 5 } else { 2 };
        let device = device.autodiff();
        let tasks = tasks();
        let mut model = run.model_with("init", &device, 0.0, half(name));
        let mut adam = adam(run);
        let settings = settings(&device, &tasks, 64.0);
        let mut worst = [0.0_f64; 2];
        for step in 0..steps {
            let reference = &run.trajectory["steps"][step];
            let rate = run.trajectory["steps"][step + 1]["learning_rate"]
                .as_f64()
                .unwrap();
            let batch = run.training_batch(&features, step);
            let (updated, figures) =
                train_step(model, &mut adam, &[batch], step as u64, rate, &settings).unwrap();
            model = updated;
            assert!(figures.is_finite());
            let ours = [figures.loss, figures.grad_norm];
            for ((worst, ours), key) in worst.iter_mut().zip(ours).zip(["loss", "grad_norm"]) {
                let theirs = reference[key].as_f64().unwrap();
                *worst = worst.max((ours / theirs - 1.0).abs());
            }
        }
        println!("{name}: loss {:e}, gradient norm {:e}", worst[0], worst[1]);
        // Values are rounded to 11 bits (5e-4) at some thirty places on the way; their errors
        // mostly cancel in sums over a batch.
        assert!(worst[0] < 2e-3 && worst[1] < 1e-2, "{name}: {worst:?}");
    }
}

#[test]
fn a_step_beyond_the_range_of_f16_changes_nothing() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    for (name, device) in devices() {
        let device = device.autodiff();
        let tasks = tasks();
        let mut adam = adam(run);
        let model = run.model_with("init", &device, 0.0, half(name));
        let before = parameters(&model);
        let batch: Batch = run.training_batch(&features, 0);
        let mut step = |model, loss_scale: f64| -> (_, StepFigures) {
            let settings = settings(&device, &tasks, loss_scale);
            let batch = std::slice::from_ref(&batch);
            train_step(model, &mut adam, batch, 0, 1e-3, &settings).unwrap()
        };
        let (model, figures) = step(model, 1e7);
        assert!(!figures.is_finite(), "{name}");
        assert_eq!(parameters(&model), before, "{name}");
        let (model, figures) = step(model, 64.0);
        assert!(figures.is_finite(), "{name}");
        assert_ne!(parameters(&model), before, "{name}");
        assert_eq!(adam.stored().len(), 2 * before.len(), "{name}");
    }
}
