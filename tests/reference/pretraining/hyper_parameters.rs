//! Hyper-parameters, sizes of networks, and learning rates.

use std::path::Path;

use electra::{config::PretrainConfig, pretrain::schedule::Schedule};
use serde_json::{Value, json};

use super::{config, json_file, unpacked};

#[test]
fn hyper_parameters_resolve_as_in_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let cases = json_file(&unpacked("config.json", folder.path()));
    for (name, case) in cases.as_object().unwrap() {
        // The reference fails on these later; here they are rejected immediately.
        let refused = [
            "electric, two_tower_generator false given",
            "max_predictions_per_seq given",
        ];
        let given = case["given"].as_object().unwrap();
        let resolved = PretrainConfig::resolve(Path::new("<data-dir>"), "<model-name>", given);
        if refused.contains(&name.as_str()) {
            assert!(resolved.is_err(), "{name}");
            continue;
        }
        let config = resolved.unwrap().0;
        let ours = config.to_map();
        for (key, theirs) in case["config"].as_object().unwrap() {
            let ours = match key.as_str() {
                "max_predictions_per_seq" => config.max_predictions_per_seq().into(),
                _ => ours[key].clone(),
            };
            let same = match (ours.as_f64(), theirs.as_f64()) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => ours == *theirs,
            };
            assert!(same, "{name}: {key} {ours} {theirs}");
        }
        if config.debug {
            let network = config.discriminator();
            assert_eq!(network.hidden_size, 144, "{name}");
            assert_eq!(network.num_attention_heads, 4, "{name}");
            assert_eq!(network.intermediate_size, 576, "{name}");
        }
        for (key, ours) in [
            ("discriminator", config.discriminator()),
            ("generator", config.generator()),
        ] {
            let Some(theirs) = case[key].as_object() else {
                continue;
            };
            let ours = json!(ours);
            // Recorded before the reference's model substitutes debug mode's own network.
            if config.debug {
                let expected = [("num_hidden_layers", 3), ("max_position_embeddings", 512)];
                for (key, expected) in expected {
                    assert_eq!(ours[key], json!(expected), "{name}: {key}");
                }
                continue;
            }
            for (key, theirs) in theirs {
                if key != "hidden_act" {
                    assert_eq!(ours[key], *theirs, "{name}: {key}");
                }
            }
        }
    }
    let sizes = json_file(&unpacked("generator_sizes.json", folder.path()));
    for size in sizes.as_array().unwrap() {
        let mut given = size.as_object().unwrap().clone();
        given.retain(|key, _| {
            ["model_size", "generator_hidden_size", "generator_layers"].contains(&key.as_str())
        });
        let generator = config(&Value::from(given)).generator();
        let found = [
            ("hidden", generator.hidden_size),
            ("layers", generator.num_hidden_layers),
            ("heads", generator.num_attention_heads),
            ("ff", generator.intermediate_size),
        ];
        for (key, ours) in found {
            assert_eq!(json!(ours), size[key], "{size}");
        }
    }
    let schedules = json_file(&unpacked("schedule.json", folder.path()));
    for schedule in schedules.as_array().unwrap() {
        let ours = Schedule::of(&config(&schedule["hparams"]));
        for point in schedule["learning_rate_at"].as_array().unwrap() {
            let (step, theirs) = (point[0].as_u64().unwrap(), point[1].as_f64().unwrap());
            let ours = ours.learning_rate(step);
            assert_eq!(ours as f32, theirs as f32, "{step}");
        }
    }
}
