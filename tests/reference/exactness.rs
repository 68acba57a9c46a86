//! Tests that memory savings change no results: packed rows, recomputed layers, micro-batches and
//! the shaders' matrix products, each against the plain way, with dropout on.

use std::collections::BTreeMap;

use crate::support::{ReferenceRun, devices, distance_and_norm, fast, runs, tasks};
use burn::tensor::Device;
use electra::{
    batch::{Batch, FeatureSet},
    data::split::Split,
    kernels::matmul::{MatmulTilings, config::MatmulTiling},
    model::{
        ModelInput,
        arithmetic::Arithmetic,
        dropout::{Mode, StepSeed},
    },
    tasks::model::Model,
    train::{
        gradients::Gradients,
        objective::{Objective, Trainable},
        step::accumulate,
    },
};

/// Relative L2 tolerance for float32 sums in another order.
const TOLERANCE: f64 = 1e-5;

/// Returns four of the run's features with very different lengths.
fn features(run: &ReferenceRun) -> Vec<electra::tasks::qa::feature::Feature> {
    let mut features = run.features(Split::Train);
    features.sort_by_key(|feature| feature.input_ids.len());
    let step = (features.len() - 1) / 3;
    features.into_iter().step_by(step).take(4).collect()
}

/// Returns loss and gradients of the parts of a batch.
fn gradients(
    model: &Model,
    parts: &[Batch],
    recompute_layers: bool,
    device: &Device,
) -> (f64, BTreeMap<String, Vec<f32>>) {
    let objective = Objective {
        trainable: Trainable::All,
        recompute_layers,
        loss_scale: 1.0,
    };
    let mut gradients = Gradients::default();
    let (mut loss, mut place) = (0.0, 0);
    for part in parts {
        let share = accumulate(
            model,
            &ModelInput::new(part, place, device),
            &part.labels,
            &part.task,
            objective,
            Mode::Train(StepSeed::new(3, 5)),
            &mut gradients,
        );
        loss += f64::from(share.try_into_scalar::<f32>().unwrap());
        place += part.size;
    }
    let values = gradients
        .into_values(model, &tasks())
        .into_iter()
        .map(|(name, gradient)| (name, gradient.try_into_vec_as::<f32>().unwrap()))
        .collect();
    (loss, values)
}

#[track_caller]
fn assert_same(
    what: &str,
    ours: &(f64, BTreeMap<String, Vec<f32>>),
    theirs: &(f64, BTreeMap<String, Vec<f32>>),
) {
    assert!((ours.0 / theirs.0 - 1.0).abs() < TOLERANCE, "{what}: loss");
    assert_eq!(ours.1.len(), theirs.1.len());
    let mut worst = 0.0_f64;
    for (name, theirs) in &theirs.1 {
        let (distance, norm) = distance_and_norm(&ours.1[name], theirs);
        // Gradients whose true value is 0 consist only of rounding errors.
        assert!(
            distance <= TOLERANCE * norm + 2e-6,
            "{what}: {name}: {distance} of {norm}"
        );
        if norm > 1e-4 {
            worst = worst.max(distance / norm);
        }
    }
    println!("{what}: worst gradient {worst:e}");
}

#[test]
fn recomputed_and_split_batches_have_the_gradients_of_the_whole() {
    for (name, device) in devices() {
        let device = device.autodiff();
        for run in runs() {
            let features = features(&run);
            let set = FeatureSet::from(features.as_slice());
            let rows: Vec<usize> = (0..features.len()).collect();
            let parts = |size: usize| -> Vec<Batch> {
                rows.chunks(size)
                    .map(|rows| Batch::collate(&set, rows).unwrap())
                    .collect()
            };
            let model = run.model_with("init", &device, 0.1, fast(name));
            let whole = gradients(&model, &parts(rows.len()), false, &device);
            for (size, recompute) in [(rows.len(), true), (2, false), (1, true)] {
                let ours = gradients(&model, &parts(size), recompute, &device);
                let what = format!(
                    "{} {name}, {size} at once, recomputed {recompute}",
                    run.name
                );
                assert_same(&what, &ours, &whole);
            }
        }
    }
}

#[test]
fn the_shaders_products_have_the_gradients_of_burns() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let device = device.autodiff();
    let run = &runs()[0];
    let features = features(run);
    let rows: Vec<usize> = (0..features.len()).collect();
    let batch = Batch::collate(&FeatureSet::from(features.as_slice()), &rows).unwrap();
    let with = |tilings: MatmulTilings| {
        let arithmetic = Arithmetic {
            full: tilings,
            ..Arithmetic::default()
        };
        let model = run.model_with("init", &device, 0.1, arithmetic);
        gradients(&model, std::slice::from_ref(&batch), false, &device)
    };
    let plain = with(MatmulTilings::default());
    for quarters in [1, 2] {
        let tiling = MatmulTiling::Tiled { quarters };
        assert_same(
            &tiling.to_string(),
            &with(MatmulTilings::all(tiling)),
            &plain,
        );
    }
}

#[test]
fn a_packed_sequence_has_the_hidden_states_that_it_has_alone() {
    for (name, device) in devices() {
        for run in runs() {
            let model = run.model("init", &device);
            let features = features(&run);
            let set = FeatureSet::from(features.as_slice());
            let rows: Vec<usize> = (0..features.len()).collect();
            let states = |rows: &[usize]| {
                let batch = Batch::collate(&set, rows).unwrap();
                let input = ModelInput::new(&batch, 0, &device);
                let hidden = model.electra.forward(&input, Mode::Predict);
                hidden.try_into_vec_as::<f32>().unwrap()
            };
            let packed = states(&rows);
            let alone: Vec<f32> = rows.iter().flat_map(|row| states(&[*row])).collect();
            let (distance, norm) = distance_and_norm(&packed, &alone);
            println!("{} {name}: packed rows {:e}", run.name, distance / norm);
            assert!(distance <= TOLERANCE * norm, "{name}: {distance} of {norm}");
        }
    }
}
