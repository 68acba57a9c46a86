//! Tests layers in f16 and products in bf16: how far their results are from float32's, what happens
//! beyond f16's range, and which devices reject them.

use crate::support::{ReferenceRun, devices, fast, parameters, runs, tasks};
use burn::tensor::Device;
use electra::{
    batch::Batch,
    config::Precision,
    data::split::Split,
    device::{DeviceRequest, choose},
    kernels::{autotune::AutotuneCache, formats::Element, matmul::bf16::Instructions},
    model::{arithmetic::Arithmetic, dense::Dense, input::ModelInput},
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        schedule::LayerDecay,
        step::{StepFigures, StepSettings, train_step},
    },
};

/// Returns the arithmetic with layers in f16 on a device of this name.
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
        // A software driver takes many seconds per step.
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
        // Values are rounded to 11 bits (5e-4) at some thirty places along the way; their errors
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

#[test]
fn steps_in_bf16_follow_the_references_steps_with_the_weights_of_each() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let device = Device::flex().autodiff();
    let tasks = tasks();
    for instructions in Instructions::ALL.into_iter().filter(|by| by.available()) {
        let arithmetic = Arithmetic {
            bf16: Some(instructions),
            ..Arithmetic::default()
        };
        let mut model = run.model_with("init", &device, 0.0, arithmetic);
        let mut adam = adam(run);
        let settings = settings(&device, &tasks, 1.0);
        let mut worst = [0.0_f64; 2];
        for step in 0..5 {
            let reference = &run.trajectory["steps"][step];
            let rate = run.trajectory["steps"][step + 1]["learning_rate"]
                .as_f64()
                .unwrap();
            let batch = run.training_batch(&features, step);
            let input = ModelInput::new(&batch, 0, &Device::flex());
            let parts = [batch];
            let (updated, figures) =
                train_step(model, &mut adam, &parts, step as u64, rate, &settings).unwrap();
            model = updated;
            let ours = [figures.loss, figures.grad_norm];
            for ((worst, ours), key) in worst.iter_mut().zip(ours).zip(["loss", "grad_norm"]) {
                let theirs = reference[key].as_f64().unwrap();
                *worst = worst.max((ours / theirs - 1.0).abs());
            }
            let hidden = |model: &electra::tasks::model::Model| -> Vec<f32> {
                let hidden = model.encode(&input).hidden;
                hidden.into_data().try_to_vec().unwrap()
            };
            // A clone shares the packed weights until they are renewed.
            let mut anew = model.clone();
            anew.electra.denses().for_each(Dense::renew_packed);
            assert!(
                hidden(&model) == hidden(&anew),
                "{instructions}: step {step}"
            );
        }
        println!(
            "{instructions}: loss {:e}, gradient norm {:e}",
            worst[0], worst[1]
        );
        // As in f16, with 8 bits instead of 11.
        assert!(
            worst[0] < 1.6e-2 && worst[1] < 8e-2,
            "{instructions}: {worst:?}"
        );
        assert!(worst[1] > 1e-5, "{instructions}: {worst:?} is f32's");
    }
}

#[test]
fn bf16_is_taken_where_the_processor_has_it_and_refused_elsewhere() {
    let encoder = runs()[0].encoder();
    let on = |request| {
        let chosen = choose(request).ok()?;
        let cache = AutotuneCache::of_user();
        Some(Arithmetic::on(
            &chosen,
            Precision::Bf16,
            &encoder,
            64,
            &cache,
        ))
    };
    match (on(DeviceRequest::Cpu).unwrap(), Instructions::best()) {
        (Ok(arithmetic), Some(best)) => {
            assert!(best.available());
            assert_eq!((arithmetic.bf16, arithmetic.word()), (Some(best), "bf16"));
            assert_eq!(arithmetic.layers, Element::F32);
        }
        (Err(error), None) => {
            let message = error.to_string();
            for part in ["bf16: expected AMX", ", found ", "give --precision f32"] {
                assert!(message.contains(part), "{message}");
            }
        }
        (taken, best) => panic!("{taken:?} where {best:?} is best"),
    }
    if let Some(taken) = on(DeviceRequest::Gpu) {
        let message = taken.unwrap_err().to_string();
        assert!(message.contains("bf16: WGSL has none; give "), "{message}");
    }
    let chosen = choose(DeviceRequest::Cpu).unwrap();
    let auto = Arithmetic::on(
        &chosen,
        Precision::Auto,
        &encoder,
        64,
        &AutotuneCache::of_user(),
    );
    assert_eq!(auto.unwrap(), Arithmetic::default());
    let offer = Arithmetic::offer(&chosen, Precision::Auto);
    assert_eq!(offer.is_some(), Instructions::best().is_some());
    assert_eq!(Arithmetic::offer(&chosen, Precision::F32), None);
}
