//! Recorded runs, followed step by step with their masks and samples.

use burn::tensor::Device;
use electra::{
    model::record,
    pretrain::{
        figures::Figures, masking::Masking, networks::Networks, part::Part,
        recorded_masks::RecordedMasks, schedule::Schedule, step::step_gradients,
    },
    train::{adam::Adam, schedule::LayerDecay},
};
use serde_json::Value;

use super::{config, json_file, masking, networks, objective, unpacked, without_dropout};
use crate::support::{distance_and_norm, golden, shared, tiny_vocabulary};

/// Follows a recorded run for some steps, with each batch in several parts.
fn check_trajectory(
    trajectory: &Value,
    recorded: &RecordedMasks,
    mut networks: Networks,
    masking: &Masking,
    device: &Device,
    parts: usize,
) -> Networks {
    let config = config(&trajectory["hparams"]);
    let objective = objective(&config, masking, device);
    let schedule = Schedule::of(&config);
    let whole = LayerDecay {
        decay: 0.0,
        layers: 0,
        variant: electra::config::LrDecayVariant::Released,
    };
    let mut adam = Adam::new(config.weight_decay_rate, whole);
    let steps = trajectory["steps"].as_array().unwrap();
    assert_eq!(recorded.steps.len(), steps.len());
    for (number, (theirs, examples)) in steps.iter().zip(&recorded.steps).enumerate() {
        let number = number as u64;
        let size = examples.len().div_ceil(parts);
        let split = examples.chunks(size).enumerate();
        let split: Vec<Part> = split
            .map(|(part, examples)| Part {
                examples: examples.to_vec(),
                first_place: part * size,
            })
            .collect();
        let step = step_gradients(&networks, &split, &objective, without_dropout(number)).unwrap();
        let rate = schedule.update_rate(number);
        for (key, ours) in [
            ("learning_rate", schedule.learning_rate(number)),
            ("update_learning_rate", rate),
        ] {
            let theirs = theirs[key].as_f64().unwrap();
            assert_eq!(ours as f32, theirs as f32, "{key} of step {number}");
        }
        let most = if number < 10 { 1e-3 } else { 1e-2 };
        for (key, ours) in [
            ("total_loss", Some(step.losses.total)),
            ("mlm_loss", Some(step.losses.masked_lm)),
            ("disc_loss", step.losses.discriminator),
            ("cloze_loss", step.losses.cloze),
            ("grad_norm", Some(step.figures.grad_norm)),
        ] {
            let theirs = theirs[key].as_f64();
            assert_eq!(ours.is_some(), theirs.is_some(), "{key}");
            if let Some((ours, theirs)) = ours.zip(theirs) {
                let off = (ours / theirs - 1.0).abs();
                assert!(off <= most, "step {number}: {key} {ours}, theirs {theirs}");
            }
        }
        let mut figures = Figures::default();
        figures.add(&step.seen, config.max_seq_length);
        let figures = figures.by_name(&config);
        for key in [
            "masked_lm_accuracy",
            "sampled_masked_lm_accuracy",
            "disc_accuracy",
        ] {
            // Without a discriminator, the reference's evaluation has no samples.
            let Some((ours, theirs)) = figures.get(key).zip(theirs[key].as_f64()) else {
                continue;
            };
            // One slot or token more or less if the last digits tie.
            assert!(
                (ours - theirs).abs() < 0.03,
                "step {number}: {key} {ours} {theirs}"
            );
        }
        networks = step.update(networks, &mut adam, rate);
    }
    networks
}

#[test]
fn a_recorded_run_is_followed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let trajectory = json_file(&unpacked("trajectory/trajectory.json", folder.path()));
    let config = config(&trajectory["hparams"]);
    let masking = masking(&config, &tiny_vocabulary());
    let masks = unpacked("trajectory/masks.jsonl", folder.path());
    let examples = unpacked("data/examples.64.jsonl", folder.path());
    let recorded = RecordedMasks::read(&masks, &examples, &masking, config.vocab_size).unwrap();
    let device = Device::flex().autodiff();
    for parts in [1, 3] {
        let networks = networks(&golden("models/electra_tiny.zip"), &config, &device);
        let networks = check_trajectory(&trajectory, &recorded, networks, &masking, &device, parts);
        let Some(reference) = shared("reference") else {
            continue;
        };
        let last = reference.join("pretrain/trajectory/final/model.ckpt");
        let theirs = self::networks(&last, &config, &device);
        let values = |networks: &Networks| {
            let mut values = Vec::new();
            record::for_each_parameter(networks, &[], |parameter| {
                let value = parameter.value.try_into_vec_as::<f32>().unwrap();
                values.push((parameter.name.to_owned(), value));
            });
            values
        };
        for ((name, ours), (_, theirs)) in values(&networks).iter().zip(values(&theirs)) {
            let (off, size) = distance_and_norm(ours, &theirs);
            // Adam divides by the square root of the second moment: if gradients are rounding
            // noise, as for key biases, the update's sign is noise too.
            if !name.ends_with("key.bias") {
                assert!(
                    off <= 1e-2 * size + 1e-3,
                    "{name} is off by {off} of {size}"
                );
            }
        }
    }
}

#[test]
fn recorded_runs_of_other_set_ups_are_followed() {
    let Some(reference) = shared("reference") else {
        eprintln!("skipped: the whole reference is not at hand");
        return;
    };
    let variants = reference.join("pretrain/variants");
    let device = Device::flex().autodiff();
    for variant in ["electra_untied_embeddings", "electric", "mlm"] {
        let folder = variants.join(variant);
        let trajectory = json_file(&folder.join("trajectory/trajectory.json"));
        let config = config(&trajectory["hparams"]);
        let masking = masking(&config, &variants.join("vocab.txt"));
        let masks = folder.join("trajectory/masks.jsonl");
        let examples = variants.join("examples.jsonl");
        let recorded = RecordedMasks::read(&masks, &examples, &masking, config.vocab_size).unwrap();
        let networks = networks(&folder.join("init/model.ckpt"), &config, &device);
        eprintln!("{variant}");
        check_trajectory(&trajectory, &recorded, networks, &masking, &device, 2);
    }
}
