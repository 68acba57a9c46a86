//! Tests training against the reference's trajectory, and frozen layers.

use crate::support::{ReferenceRun, devices, fast, max_difference, parameters, runs, tasks};
use burn::tensor::Device;
use electra::{
    batch::{Batch, FeatureSet},
    data::split::Split,
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        schedule::{LayerDecay, Schedule},
        step::{StepSettings, train_step},
    },
};

fn schedule(run: &ReferenceRun) -> Schedule {
    Schedule {
        base: run.config.learning_rate,
        steps: run.trajectory["num_train_steps"].as_u64().unwrap(),
        warmup_proportion: run.config.warmup_proportion,
        decay: run.config.lr_schedule,
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

/// Returns the steps whose update used the rate of the step itself, not of the next.
///
/// The reference advances its step counter concurrently with the update, in no defined order. The
/// counter almost always comes first; in the committed run the update of step 14 did. With the
/// other rate there, every later step is off by a thousandth or more; with this one, by less than
/// 1e-4 to the end.
fn raced_steps(run: &ReferenceRun) -> &'static [usize] {
    match run.name {
        "squad2-tiny-projected" => &[14],
        _ => &[],
    }
}

/// Follows the reference for some steps, with its batches and without dropout.
///
/// In parallel, twins sum each batch in two parts, in three and in five. Rounding errors grow along
/// a trajectory, and once different orders of our own sums diverge, no other program's can be
/// followed: there the comparison ends. A single twin may by chance stay close for a few more
/// steps, so there are three. Before step 15 nothing diverges, and a comparison that ends there
/// needs none.
fn check_trajectory(run: &ReferenceRun, name: &str, device: &Device, mut steps: usize) {
    let device = device.clone().autodiff();
    let tasks = tasks();
    let features = run.features(Split::Train);
    let schedule = schedule(run);
    let settings = StepSettings {
        device: &device,
        tasks: &tasks,
        objective: Objective {
            trainable: Trainable::All,
            recompute_layers: false,
            loss_scale: 1.0,
        },
        seed: 1,
    };
    let mut model = run.model("init", &device);
    let parts: &[usize] = if steps > 15 { &[2, 3, 5] } else { &[] };
    let mut twins: Vec<_> = parts
        .iter()
        .map(|parts| (*parts, Some(run.model("init", &device)), adam(run)))
        .collect();
    let mut adam = adam(run);
    let (mut worst_early, mut worst) = (0.0_f64, 0.0_f64);
    for step in 0..steps {
        let theirs = &run.trajectory["steps"][step];
        let rate = schedule.learning_rate(step as u64);
        let their_rate = theirs["learning_rate"].as_f64().unwrap();
        assert_eq!(
            rate as f32, their_rate as f32,
            "learning rate of step {step}"
        );
        let batch = run.training_batch(&features, step);
        let rate = if raced_steps(run).contains(&step) {
            schedule.learning_rate(step as u64)
        } else {
            schedule.update_rate(step as u64)
        };
        let (updated, figures) = train_step(
            model,
            &mut adam,
            std::slice::from_ref(&batch),
            step as u64,
            rate,
            &settings,
        )
        .unwrap();
        model = updated;
        let (loss, norm) = (figures.loss, figures.grad_norm);
        let mut parted = 0.0_f64;
        for (parts, twin, twin_adam) in &mut twins {
            let rows: Vec<Batch> = batch
                .features
                .chunks(batch.size.div_ceil(*parts))
                .map(|rows| Batch::collate(&FeatureSet::from(features.as_slice()), rows))
                .collect::<Result<_, _>>()
                .unwrap();
            let before = twin.take().unwrap();
            let (updated, figures) =
                train_step(before, twin_adam, &rows, step as u64, rate, &settings).unwrap();
            *twin = Some(updated);
            parted = parted
                .max((loss / figures.loss - 1.0).abs())
                .max((norm / figures.grad_norm - 1.0).abs());
        }
        if parted > 1e-3 {
            assert!(step >= 15, "our own sums part by {parted} at step {step}");
            println!(
                "{} {name}: our own sums part by {parted:e} at step {step}",
                run.name
            );
            steps = step;
            break;
        }
        for (key, ours) in [("loss", loss), ("grad_norm", norm)] {
            let theirs = theirs[key].as_f64().unwrap();
            let relative = (ours / theirs - 1.0).abs();
            worst = worst.max(relative);
            if step < 10 {
                worst_early = worst_early.max(relative);
            }
            // From step 15 on, the run with wide embeddings amplifies rounding differences a
            // thousandfold per step: another order of sums in our own program changes it as much.
            let tolerance = if step < 15 { 1e-3 } else { 1e-2 };
            assert!(
                relative <= tolerance,
                "step {step}: {key} {ours} instead of {theirs}"
            );
        }
    }
    println!(
        "{} {name}: {worst_early:e} in 10 steps, {worst:e} in {steps}",
        run.name
    );
    if steps as u64 == schedule.steps {
        let trained = parameters(&run.model("trained", &device));
        for (parameter, ours) in parameters(&model) {
            let difference = max_difference(&ours, &trained[&parameter]);
            // Adam's steps have the size of the learning rate whatever the gradient's, so a weight
            // whose gradient is only rounding noise may drift by a fraction of the rates' sum.
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
    if let Some(device) = crate::support::gpu() {
        for run in runs() {
            check_trajectory(&run, "wgpu", &device, 10);
        }
    }
}

#[test]
fn layers_above_frozen_ones_get_the_gradients_of_a_whole_run() {
    use electra::{
        model::{ModelInput, dropout::Mode},
        train::{gradients::Gradients, step::accumulate},
    };
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let batch = run.training_batch(&features, 0);
    for (name, device) in devices() {
        let device = device.autodiff();
        let gradients = |trainable: Trainable, recompute_layers: bool| {
            let model = trainable.freeze(run.model_with("init", &device, 0.0, fast(name)));
            let input = ModelInput::new(&batch, 0, &device);
            let objective = Objective {
                trainable,
                recompute_layers,
                loss_scale: 1.0,
            };
            let mut gradients = Gradients::default();
            accumulate(
                &model,
                &input,
                &batch.labels,
                &batch.task,
                objective,
                Mode::Predict,
                &mut gradients,
            );
            gradients.into_values(&model, &tasks())
        };
        let whole: std::collections::BTreeMap<_, _> =
            gradients(Trainable::All, false).into_iter().collect();
        let layers = run.encoder().num_hidden_layers;
        for recompute_layers in [false, true] {
            let top = gradients(Trainable::new(Some(1), layers), recompute_layers);
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
                // The start and end biases have no true gradient: their values are the remainder of
                // sums of some hundred terms that cancel.
                assert!(
                    difference <= 1e-5 * scale + 5e-7,
                    "{name} {parameter}: {difference} of {scale}"
                );
            }
        }
    }
}
