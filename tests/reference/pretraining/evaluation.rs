//! The figures of evaluations.

use std::fs;

use electra::pretrain::figures::Figures;
use serde_json::{Value, json};

use super::{config, unpacked};

#[test]
fn the_evaluation_s_figures_are_the_reference_s() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&json!({}));
    for name in [
        "eval/made_up_batches.jsonl",
        "eval/batches.electra_tiny.jsonl",
        "eval/batches.after_trajectory.jsonl",
    ] {
        let text = fs::read_to_string(unpacked(name, folder.path())).unwrap();
        let mut figures = Figures::default();
        for line in text.lines() {
            let batch: Value = serde_json::from_str(line).unwrap();
            match batch.get("inputs") {
                Some(inputs) => add_made_up(&mut figures, inputs),
                None => add_recorded(&mut figures, &batch),
            }
            let ours = figures.by_name(&config);
            for (key, theirs) in batch["metrics_so_far"].as_object().unwrap() {
                let (ours, theirs) = (ours[key.as_str()], theirs.as_f64().unwrap());
                assert!(
                    (ours - theirs).abs() < 1e-5,
                    "{name}: {key} {ours} {theirs}"
                );
            }
        }
    }
}

fn floats(values: &Value) -> Vec<f32> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap() as f32).collect()
}

fn add_made_up(figures: &mut Figures, inputs: &Value) {
    for example in 0..inputs["disc_loss"].as_array().unwrap().len() {
        let row = |key: &str| floats(&inputs[key][example]);
        let (best, loss, drawn) = (
            row("masked_lm_preds"),
            row("mlm_loss"),
            row("sampled_tokids"),
        );
        let (ids, weights) = (row("masked_lm_ids"), row("masked_lm_weights"));
        for slot in (0..ids.len()).filter(|&slot| weights[slot] > 0.0) {
            let right = |token: f32| token == ids[slot];
            figures.slot(loss[slot], right(best[slot]), right(drawn[slot]));
        }
        figures.example(inputs["disc_loss"][example].as_f64().unwrap());
        let (mask, labels) = (row("input_mask"), row("disc_labels"));
        let (probabilities, says) = (row("disc_probs"), row("disc_preds"));
        for place in 0..mask.len() {
            match mask[place] > 0.0 {
                true => figures.token(labels[place] > 0.0, probabilities[place], says[place] > 0.0),
                false => figures.padding(1),
            }
        }
    }
}

fn add_recorded(figures: &mut Figures, batch: &Value) {
    for example in batch["examples"].as_array().unwrap() {
        let row = |key: &str| floats(&example[key]);
        let (best, loss, drawn) = (row("mlm_preds"), row("mlm_loss"), row("sampled"));
        for (slot, id) in row("ids").into_iter().enumerate() {
            figures.slot(loss[slot], best[slot] == id, drawn[slot] == id);
        }
        figures.example(example["disc_loss"].as_f64().unwrap());
        let (labels, probabilities) = (row("disc_labels"), row("disc_probs"));
        let says = row("disc_preds");
        for place in 0..labels.len() {
            figures.token(labels[place] > 0.0, probabilities[place], says[place] > 0.0);
        }
        figures.padding(64_usize.saturating_sub(labels.len()));
    }
}
