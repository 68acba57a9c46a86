//! Tests the model against the reference, stage by stage: layers, logits, gradients.

use crate::support::{ReferenceRun, devices, distance_and_norm, max_difference, runs, tasks};
use burn::{Tensor, tensor::Device};
use electra::{
    data::split::Split,
    model::{ModelInput, dropout::Mode},
    tasks::qa::beam,
    train::{
        gradients::Gradients,
        objective::{Objective, Trainable},
        step::accumulate,
    },
};

/// The reference also ran in float32, with other orders of summation; values are near 1.
const LAYER_TOLERANCE: f32 = 2e-4;

fn check_forward(run: &ReferenceRun, weights: &str, name: &str, device: &Device) {
    let arrays = run.arrays(&format!("forward.{weights}.safetensors"));
    let input_mask = arrays.integers("input_mask");
    let batch = arrays.batch(&input_mask);
    let model = run.model(weights, device);
    let input = ModelInput::new(&batch, 0, device);
    let check = |what: &str, ours: &[f32], theirs: &[f32]| {
        let difference = max_difference(ours, theirs);
        println!("{} {weights} {name} {what}: {difference:e}", run.name);
        assert!(difference <= LAYER_TOLERANCE, "{what}: {difference}");
    };
    let values = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
    // The reference computes padding too; ours has only the real tokens.
    let real = |values: Vec<f32>| -> Vec<f32> {
        let width = values.len() / input_mask.len();
        let rows = values.chunks_exact(width).zip(&input_mask);
        rows.filter(|(_, mask)| **mask == 1)
            .flat_map(|(row, _)| row.to_vec())
            .collect()
    };

    let mut hidden = model.electra.embeddings.forward(&input, Mode::Predict);
    if model.electra.embeddings.project.is_none() {
        // With a projection, the reference's array is the value before it.
        let theirs = real(arrays.floats("embedding_output"));
        check("embedding_output", &values(hidden.clone()), &theirs);
    }
    for layer in 0..model.electra.layers.len() {
        hidden = model
            .electra
            .forward_layers(layer..layer + 1, hidden, &input, Mode::Predict);
        let key = format!("layer_{layer}");
        check(&key, &values(hidden.clone()), &real(arrays.floats(&key)));
    }
    let windows = beam::predict(&model, 0, &input, &batch.features, 20).unwrap();
    let all = |pick: fn(&beam::WindowOutput) -> &[f32]| -> Vec<f32> {
        windows
            .iter()
            .flat_map(|window| pick(window).to_vec())
            .collect()
    };
    let answerable: Vec<f32> = windows
        .iter()
        .map(|window| window.answerable_logit)
        .collect();
    check(
        "start_logits",
        &all(|w| &w.start_logits),
        &real(arrays.floats("start_logits")),
    );
    check(
        "answerable_logit",
        &answerable,
        &arrays.floats("answerable_logit"),
    );
    for (what, ours) in [
        ("start_top_log_probs", all(|w| &w.start_top_log_probs)),
        ("end_top_log_probs", all(|w| &w.end_top_log_probs)),
    ] {
        // Candidates on masked positions, with very low logits, are meaningless.
        let theirs = arrays.floats(what);
        assert_eq!(ours.len(), theirs.len());
        let (ours, theirs): (Vec<f32>, Vec<f32>) = ours
            .into_iter()
            .zip(theirs)
            .filter(|(_, theirs)| *theirs > -500.0)
            .unzip();
        check(what, &ours, &theirs);
    }
    let starts: Vec<i32> = windows
        .iter()
        .flat_map(|window| window.start_top_index.iter().map(|&place| place as i32))
        .collect();
    let theirs = arrays.integers("start_top_index");
    let log_probs = arrays.floats("start_top_log_probs");
    for (place, (ours, theirs)) in starts.iter().zip(&theirs).enumerate() {
        // Candidates that tie within rounding may swap places, and masked ones are meaningless.
        let tied = [place.wrapping_sub(1), place + 1].iter().any(|&neighbour| {
            log_probs
                .get(neighbour)
                .is_some_and(|value| (value - log_probs[place]).abs() < 1e-4)
        });
        assert!(
            ours == theirs || tied || log_probs[place] < -500.0,
            "start candidate {place}: {ours} instead of {theirs}"
        );
    }
}

#[test]
fn layers_and_logits_are_the_references() {
    for (name, device) in devices() {
        for run in runs() {
            for weights in ["init", "trained"] {
                check_forward(&run, weights, name, &device);
            }
        }
    }
}

/// Returns the TF variable that a record's parameter came from.
fn source_variable(name: &str, answerable_has_hidden: bool) -> String {
    let name = name.replace(".weight", ".kernel");
    if let Some(table) = name
        .strip_prefix("electra.embeddings.")
        .and_then(|rest| rest.strip_suffix(".kernel"))
        .filter(|table| ["word", "token_type", "position"].contains(table))
    {
        return format!("electra/embeddings/{table}_embeddings");
    }
    let (answerable, answerable_hidden) = if answerable_has_hidden {
        ("dense_3", "dense_2")
    } else {
        ("dense_2", "")
    };
    name.replace("electra.embeddings.project", "electra/embeddings_project")
        .replace("electra.layers.", "electra/encoder/layer_")
        .replace("attention.layer_norm", "attention/output/LayerNorm")
        .replace("attention.output", "attention/output/dense")
        .replace("feed_forward.layer_norm", "output/LayerNorm")
        .replace("feed_forward.output", "output/dense")
        .replace("feed_forward.intermediate", "intermediate/dense")
        .replace("attention.query", "attention/self/query")
        .replace("attention.key", "attention/self/key")
        .replace("attention.value", "attention/self/value")
        .replace("layer_norm", "LayerNorm")
        .replace(
            "heads.squad.answerable_hidden",
            &format!("task_specific/squad/{answerable_hidden}"),
        )
        .replace(
            "heads.squad.answerable",
            &format!("task_specific/squad/{answerable}"),
        )
        .replace("heads.squad.start", "task_specific/squad/dense")
        .replace("heads.squad.end_hidden", "task_specific/squad/qa_hidden")
        .replace("heads.squad.end", "task_specific/squad/dense_1")
        .replace('.', "/")
}

fn check_gradients(run: &ReferenceRun, name: &str, device: &Device, recompute_layers: bool) {
    let device = device.clone().autodiff();
    let model = run.model("init", &device);
    let features = run.features(Split::Train);
    let batch = run.training_batch(&features, 0);
    let input = ModelInput::new(&batch, 0, &device);
    let objective = Objective {
        trainable: Trainable::All,
        recompute_layers,
        loss_scale: 1.0,
    };
    let mut gradients = Gradients::default();
    let loss = accumulate(
        &model,
        &input,
        &batch.labels,
        &batch.task,
        objective,
        // The reference's run has no dropout.
        Mode::Predict,
        &mut gradients,
    );
    let step = &run.trajectory["steps"][0];
    let loss = f64::from(loss.try_into_scalar::<f32>().unwrap());
    let norm = gradients.global_norm(&model);
    let norm = f64::from(norm.try_into_scalar::<f32>().unwrap());
    assert!((loss / step["loss"].as_f64().unwrap() - 1.0).abs() < 1e-5);
    assert!((norm / step["grad_norm"].as_f64().unwrap() - 1.0).abs() < 1e-5);

    let theirs = run.arrays("gradients.safetensors");
    let mut worst = (0.0, String::new());
    let ours = gradients.into_values(&model, &tasks());
    assert_eq!(ours.len(), crate::support::parameters(&model).len());
    for (parameter, ours) in ours {
        let ours = ours.try_into_vec_as::<f32>().unwrap();
        let variable = source_variable(&parameter, run.head().answerable_uses_start_logits);
        let (distance, norm) = distance_and_norm(&ours, &theirs.floats(&variable));
        // Softmax is invariant to a shift of all its inputs, so these biases have no gradient; both
        // programs give the rounding errors of sums that cancel.
        let cancels = parameter.ends_with("attention.key.bias")
            || parameter == "heads.squad.start.bias"
            || parameter == "heads.squad.end.bias";
        if cancels {
            assert!(
                norm < 1e-6 && distance < 2e-6,
                "{parameter}: {distance} of {norm}"
            );
            continue;
        }
        let relative = distance / norm;
        if relative > worst.0 {
            worst = (relative, parameter.clone());
        }
        assert!(relative <= 1e-4, "{parameter}: {relative}");
    }
    println!(
        "{} {name} recomputed: {recompute_layers}, worst gradient: {:e} {}",
        run.name, worst.0, worst.1
    );
}

#[test]
fn gradients_of_the_first_batch_are_the_references() {
    for (name, device) in devices() {
        for run in runs() {
            for recompute_layers in [false, true] {
                check_gradients(&run, name, &device, recompute_layers);
            }
        }
    }
}
