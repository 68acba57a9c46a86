//! Tests evaluation against the reference: null odds, answers and metrics of whole dev sets.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path};

use crate::support::{devices, golden, runs, shared, tiny_vocabulary};
use burn::tensor::Device;
use electra::{
    config::Config,
    data::split::Split,
    model::parameters::ParameterSource,
    tasks::{
        head::TaskHead,
        model::Model,
        qa::{
            answers::nbest::QuestionPrediction,
            evaluate::{self, TaskData},
            span_head::SpanHeadConfig,
        },
    },
    text::tokenizer::Tokenizer,
};
use serde_json::Value;

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Compares answers, null odds and metrics with the reference's files.
fn check(
    name: &str,
    data: &TaskData,
    predictions: &[QuestionPrediction],
    config: &Config,
    [preds, odds, eval]: [&Path; 3],
) {
    let their_answers: BTreeMap<String, String> = read(preds);
    let their_odds: BTreeMap<String, f64> = read(odds);
    assert_eq!(predictions.len(), their_answers.len());
    let (mut worst, mut tied) = (0.0_f64, 0);
    // Uses the reference's answer if two candidates tie, so that metrics can always be compared.
    let mut settled = predictions.to_vec();
    for (prediction, settled) in predictions.iter().zip(&mut settled) {
        let id = &prediction.qas_id;
        worst = worst.max((prediction.null_odds.unwrap() - their_odds[id]).abs());
        if prediction.text == their_answers[id] {
            continue;
        }
        // Candidates whose scores differ by less than rounding may swap places.
        let best = &prediction.nbest[0];
        let score =
            |e: &electra::tasks::qa::answers::nbest::NbestEntry| e.start_logit + e.end_logit;
        let near = prediction
            .nbest
            .iter()
            .any(|entry| entry.text == their_answers[id] && score(best) - score(entry) < 1e-4);
        assert!(
            near,
            "{name} {id}: {:?} instead of {:?}",
            prediction.text, their_answers[id]
        );
        tied += 1;
        settled.text.clone_from(&their_answers[id]);
    }
    println!("{name}: null odds within {worst:e}, {tied} ties");
    assert!(worst < 1e-3, "{name}: null odds differ by {worst}");
    let scores = evaluate::mark(data, &settled, config).unwrap();
    let theirs: serde_json::Map<String, Value> = read(eval);
    assert_eq!(scores.iter().count(), theirs.len());
    for (key, figure) in scores.iter() {
        // Thresholds are null odds; the other metrics are equal if the answers are.
        let tolerance = if key.ends_with("thresh") { 1e-3 } else { 1e-6 };
        let theirs = theirs[key].as_f64().unwrap();
        assert!(
            (figure.value() - theirs).abs() < tolerance,
            "{name} {key}: {} instead of {theirs}",
            figure.value()
        );
    }
}

#[test]
fn init_and_trained_weights_give_the_references_answers() {
    for (device_name, device) in devices() {
        for run in runs() {
            let file = golden("data/squad2-tiny.dev.json");
            let tokenizer = run.tokenizer();
            let data = TaskData::read("squad", &file, Split::Dev, &tokenizer, &run.config).unwrap();
            // A software driver takes a minute for each; with the whole reference available, run
            // them anyway.
            let weights: &[&str] = match device_name {
                "wgpu" if shared("reference").is_none() => &["trained"],
                _ => &["init", "trained"],
            };
            for weights in weights {
                let model = run.model(weights, &device);
                let answered = evaluate::answer(
                    &model,
                    0,
                    &data,
                    &tokenizer,
                    &run.config,
                    &device,
                    &mut |_| ControlFlow::Continue(()),
                );
                let file =
                    |kind: &str| run.folder.join(format!("eval/squad_{kind}.{weights}.json"));
                check(
                    &format!("{} {weights} {device_name}", run.name),
                    &data,
                    &answered.unwrap(),
                    &run.config,
                    [&file("preds"), &file("null_odds"), &file("eval")],
                );
            }
        }
    }
}

#[test]
fn the_model_trained_on_facts_answers_as_the_reference() {
    let Some(folder) = shared("reference/qa-facts") else {
        return;
    };
    let run: Value = read(&folder.join("run.json"));
    let mut given = run["hparams"].as_object().unwrap().clone();
    given.insert("task_names".into(), serde_json::json!(["squad"]));
    let (config, _) = Config::resolve(Path::new("data"), "model", &given).unwrap();
    let vocab = tiny_vocabulary();
    let tokenizer = Tokenizer::read(&vocab, true).unwrap();
    let file = folder.join("dev.json");
    let data = TaskData::read("squad", &file, Split::Dev, &tokenizer, &config).unwrap();
    let model = |device: &Device| {
        let mut stored = crate::support::converted(&folder.join("trained/model.ckpt"));
        let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored));
        let head = TaskHead::span("squad", SpanHeadConfig::of(&config));
        Model::new(&mut source, &config.encoder(), &[head]).unwrap()
    };
    for (name, device) in devices() {
        let answered = evaluate::answer(
            &model(&device),
            0,
            &data,
            &tokenizer,
            &config,
            &device,
            &mut |_| ControlFlow::Continue(()),
        );
        let eval = |kind: &str| folder.join(format!("eval/squad_{kind}.json"));
        check(
            &format!("qa-facts {name}"),
            &data,
            &answered.unwrap(),
            &config,
            [&eval("preds"), &eval("null_odds"), &eval("eval")],
        );
    }
}
