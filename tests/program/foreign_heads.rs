//! Tests the heads of Hugging Face's models: each output is compared with f64 sums over the
//! encoder's hidden states, and a run trains them further.
#![cfg(target_os = "linux")]

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path, process::Command};

use crate::support::{golden, place::tiny_vocabulary};
use checkpoints_convert::{Format, convert, export};
use electra::{
    batch::FeatureSet,
    config::Precision,
    device::{DeviceRequest, choose},
    fine_tuned::FineTuned,
    model::{Electra, dropout::Mode, parameters::ParameterSource, record},
    tasks::{asked::Asked, output::Output, predict::predict, reply::Reply},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Tolerance between two f32 computations of sums of some hundred products of values around 1.
const TOLERANCE: f64 = 2e-5;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns a value unlike those of neighbouring positions.
fn uneven(place: usize) -> f32 {
    (((place * 7919) % 1013) as f32 / 1013.0 - 0.5) * 0.25
}

/// Returns a tensor whose values start at a different position for each `seed`.
fn made(shape: &[usize], seed: usize) -> (Vec<usize>, Vec<f32>) {
    let count: usize = shape.iter().product();
    (
        shape.to_vec(),
        (0..count).map(|place| uneven(place + seed)).collect(),
    )
}

/// Saves the tiny model in the format of `transformers`, with this class and the tensors of a head,
/// which depend on the hidden size.
fn model(class: &str, more: &Value, head: impl Fn(usize) -> Tensors) -> (TempDir, Tensors) {
    let [record, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    convert(
        &golden("models/electra_tiny.zip"),
        record.path(),
        &mut |_, _| {},
    )
    .unwrap();
    fs::copy(tiny_vocabulary(), record.path().join("vocab.txt")).unwrap();
    export(Format::Hf, record.path(), folder.path(), &mut |_, _| {}).unwrap();
    let file = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    config["architectures"] = json!([class]);
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fs::write(&file, config.to_string()).unwrap();

    let head = head(config["hidden_size"].as_u64().unwrap() as usize);
    let weights = folder.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let encoder = SafeTensors::deserialize(&bytes).unwrap();
    let values: Vec<(String, Vec<usize>, Vec<u8>)> = head
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            (name.clone(), shape.clone(), bytes.collect())
        })
        .collect();
    let own = values.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    let all: Vec<_> = encoder.tensors().into_iter().chain(own).collect();
    fs::write(&weights, safetensors::serialize(all, None).unwrap()).unwrap();
    (folder, head)
}

fn opened(folder: &Path, record: &Path) -> FineTuned {
    convert(folder, record, &mut |_, _| {}).unwrap();
    FineTuned::open(record, &choose(DeviceRequest::Cpu).unwrap(), Precision::F32).unwrap()
}

/// Returns the model's reply to an input, and the encoder's hidden state of each token.
fn said(model: &FineTuned, asked: &Asked) -> (Reply, Output, Vec<Vec<f64>>) {
    let asked = model.featurize(asked).unwrap();
    assert_eq!(asked.row_count(), 1);
    let rows = || FeatureSet::of_rows([asked.rows(0..1)]);
    let outputs = model.compute(&rows(), &mut |_, _| {}).unwrap();
    let device = choose(DeviceRequest::Cpu).unwrap().device;
    let mut stored = record::open(&model.folder.join("model.bpk")).unwrap();
    let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored));
    let encoder = model.config.encoder();
    let electra = Electra::new(&mut source, &encoder).unwrap();
    let states = predict(
        &rows(),
        1,
        None,
        &device,
        |input, _| {
            let hidden = electra.forward(input, Mode::Predict);
            Ok(vec![hidden.try_into_vec_as::<f32>().unwrap()])
        },
        &mut |_| ControlFlow::Continue(()),
    );
    let states = states.unwrap().remove(0);
    let states = states.chunks(encoder.hidden_size);
    let states = states.map(|state| state.iter().map(|&value| f64::from(value)).collect());
    let reply = model.reply(&asked, outputs.clone()).unwrap();
    (reply, outputs[0].clone(), states.collect())
}

/// Computes `W · x + b` for a weight `[out, in]`.
fn dense(head: &Tensors, layer: &str, x: &[f64]) -> Vec<f64> {
    let (_, weight) = &head[&format!("{layer}.weight")];
    let (_, bias) = &head[&format!("{layer}.bias")];
    let rows = weight.chunks(x.len()).zip(bias);
    rows.map(|(row, bias)| {
        let products = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
        products.sum::<f64>() + f64::from(*bias)
    })
    .collect()
}

/// Computes GELU, summing `erf` by its series, which converges in f64 for arguments below 5.
fn gelu(x: f64) -> f64 {
    assert!(x.abs() < 5.0, "{x}");
    let z = x / 2f64.sqrt();
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
}

#[track_caller]
fn assert_near(found: f32, expected: f64) {
    let difference = (f64::from(found) - expected).abs();
    assert!(difference < TOLERANCE, "{found} for {expected}");
}

fn questions(hidden: usize) -> Tensors {
    [
        ("qa_outputs.weight", made(&[2, hidden], 3)),
        ("qa_outputs.bias", made(&[2], 7)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into()
}

fn texts(hidden: usize, outputs: usize) -> Tensors {
    [
        ("classifier.dense.weight", made(&[hidden, hidden], 3)),
        ("classifier.dense.bias", made(&[hidden], 7)),
        ("classifier.out_proj.weight", made(&[outputs, hidden], 11)),
        ("classifier.out_proj.bias", made(&[outputs], 13)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into()
}

/// Returns the output of the text head for the first token's state.
fn classified(head: &Tensors, state: &[f64]) -> Vec<f64> {
    let inner: Vec<f64> = dense(head, "classifier.dense", state)
        .into_iter()
        .map(gelu)
        .collect();
    dense(head, "classifier.out_proj", &inner)
}

#[test]
fn a_start_and_an_end_are_those_of_qa_outputs_and_no_answer_that_of_the_first_token() {
    let (folder, head) = model("ElectraForQuestionAnswering", &json!({}), questions);
    let record = tempfile::tempdir().unwrap();
    let model = opened(folder.path(), record.path());
    assert_eq!(model.config.task_names, ["squad"]);
    assert!(!model.config.joint_prediction && !model.config.answerable_classifier);
    assert_eq!(model.config.qa_na_threshold, 0.0);
    let asked = Asked::question("Who wrote it?", "Ada wrote it in 1843, in London.");
    let (reply, output, states) = said(&model, &asked);
    let Output::Span(window) = output else {
        panic!("{output:?}")
    };
    let logits: Vec<Vec<f64>> = states
        .iter()
        .map(|state| dense(&head, "qa_outputs", state))
        .collect();
    // The question's tokens cannot be answers: their logits are lowered by 1000.
    let question = window.start_logits[1..]
        .iter()
        .take_while(|&&logit| logit < -500.0);
    let question = 1 + question.count();
    assert!(question > 3 && question < states.len());
    for (token, logits) in logits.iter().enumerate() {
        let lowered = if (1..question).contains(&token) {
            1000.0
        } else {
            0.0
        };
        // Around 1000, adjacent f32 values are 6e-5 apart.
        let near = |found: f32, logit: f64| match lowered {
            0.0 => assert_near(found, logit),
            _ => assert!((f64::from(found) - logit + lowered).abs() < 2e-4),
        };
        near(window.start_logits[token], logits[0]);
        near(window.end_logits[token], logits[1]);
    }
    let Reply::Question(reply) = reply else {
        panic!("{reply:?}")
    };
    let best = &reply
        .nbest
        .iter()
        .find(|entry| !entry.text.is_empty())
        .unwrap();
    let best = f64::from(best.start_logit) + f64::from(best.end_logit);
    let null = logits[0][0] + logits[0][1] - best;
    assert!((reply.null_odds.unwrap() - null).abs() < 3.0 * TOLERANCE);
    assert_eq!(reply.threshold, 0.0);
    assert_eq!(reply.no_answer_probability, None);
}

#[test]
fn a_class_is_that_of_both_layers_and_has_the_name_that_the_model_gives_it() {
    let labels = json!({"0": "bad", "1": "good", "2": "so-so"});
    let (folder, head) = model(
        "ElectraForSequenceClassification",
        &json!({"id2label": labels}),
        |hidden| texts(hidden, 3),
    );
    let [record, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let model = opened(folder.path(), record.path());
    assert_eq!(model.config.task_names, ["classification"]);
    let mut seen = Vec::new();
    for asked in [
        Asked::text("A splendid film.", None),
        Asked::text("A splendid film.", Some("It was long.")),
    ] {
        let (reply, output, states) = said(&model, &asked);
        let expected = classified(&head, &states[0]);
        let Output::Logits(logits) = output else {
            panic!("{output:?}")
        };
        assert_eq!(logits.len(), 3);
        for (found, expected) in logits.iter().zip(&expected) {
            assert_near(*found, *expected);
        }
        let best = (0..3).max_by(|&a, &b| expected[a].total_cmp(&expected[b]));
        let Reply::Class(reply) = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(reply.label, ["bad", "good", "so-so"][best.unwrap()]);
        seen.push(logits);
    }
    assert_ne!(seen[0], seen[1], "the second text is read");

    // After export and import the output is bitwise the same.
    export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
    let back = tempfile::tempdir().unwrap();
    let again = opened(out.path(), back.path());
    let (_, output, _) = said(&again, &Asked::text("A splendid film.", None));
    assert_eq!(output, Output::Logits(seen[0].clone()));
}

#[test]
fn a_number_is_the_model_s_own() {
    let class = "ElectraForSequenceClassification";
    let (folder, head) = model(class, &json!({}), |hidden| {
        let mut head = texts(hidden, 1);
        head.get_mut("classifier.out_proj.bias").unwrap().1 = vec![3.5];
        head
    });
    let record = tempfile::tempdir().unwrap();
    let model = opened(folder.path(), record.path());
    let (reply, _, states) = said(&model, &Asked::text("A film.", None));
    let expected = classified(&head, &states[0]);
    let Reply::Value(reply) = reply else {
        panic!("{reply:?}")
    };
    assert_near(reply.prediction, expected[0]);
    assert_eq!(reply.value, f64::from(reply.prediction));
    assert!(reply.own_scale && reply.range.is_none() && reply.value > 2.0);
    let told = serde_json::to_value(&reply).unwrap();
    assert_eq!(told["own_scale"], true);
}

/// Runs the program in the folder, with a cache of its own.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_CACHE_HOME")
        .env("ELECTRA_DEVICE", "cpu")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{told}");
    told
}

#[test]
fn such_models_are_evaluated_as_they_are_and_trained_further_with_their_heads() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let labels = json!({"0": "bad", "1": "good"});
    let (folder, _) = model(
        "ElectraForSequenceClassification",
        &json!({"id2label": labels, "finetuning_task": "films"}),
        |hidden| texts(hidden, 2),
    );
    let films = path("data/finetuning_data/films");
    fs::create_dir_all(&films).unwrap();
    fs::create_dir_all(path("data/models")).unwrap();
    fs::rename(folder.keep(), path("data/models/hf")).unwrap();
    fs::write(films.join("task.json"), r#"{"kind": "classification"}"#).unwrap();
    let rows = "text,label\nA splendid film.,good\nA dreadful film.,bad\n";
    for split in ["train.csv", "dev.csv"] {
        fs::write(films.join(split), rows).unwrap();
    }
    let shared = [
        "--data-dir",
        "data",
        "--model-name",
        "hf",
        "--set",
        "task_names=films",
    ];
    let with = |command: &str, more: &[&str]| {
        run(work.path(), &[&[command][..], &shared[..], more].concat())
    };
    with(
        "evaluate",
        &["--checkpoint", "data/models/hf", "--output", "results"],
    );
    let line = fs::read_to_string(path("results/films_predictions/films_dev.jsonl")).unwrap();
    let first: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let record = tempfile::tempdir().unwrap();
    let model = opened(&path("data/models/hf"), record.path());
    let (_, output, _) = said(&model, &Asked::text("A splendid film.", None));
    let Output::Logits(logits) = output else {
        panic!("{output:?}")
    };
    let found: Vec<f64> = serde_json::from_value(first["logits"].clone()).unwrap();
    // The two texts share a batch, and the processor may sum its products in another order.
    for (found, logit) in found.iter().zip(logits) {
        assert!(
            (found - f64::from(logit)).abs() < TOLERANCE,
            "{found} for {logit}"
        );
    }

    let trained = "data/models/hf/finetuning_models/films_model_1";
    let told = with(
        "finetune",
        &["--set", "num_train_epochs=1", "--set", "train_batch_size=2"],
    );
    // The encoder's and the head's four parameters are loaded; none is newly initialised.
    assert!(
        told.contains("loaded, 0 new, 0 in the checkpoint unused"),
        "{told}"
    );
    let config = fs::read(path(trained).join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["heads"]["films"]["hidden_layer"], true);
    assert_eq!(config["heads"]["films"]["labels"], json!(["bad", "good"]));
    run(work.path(), &["export", "--format", "hf", trained, "out"]);
    let card = fs::read_to_string(path("out/README.md")).unwrap();
    assert!(card.contains("- type: accuracy\n"), "{card}");

    // Labels that differ from the model's cannot be scored.
    let other = r#"{"kind": "classification", "labels": ["good", "bad"]}"#;
    fs::write(films.join("task.json"), other).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args([
            "evaluate",
            "--checkpoint",
            "data/models/hf",
            "--output",
            "other",
        ])
        .args(shared)
        .current_dir(work.path())
        .env("HOME", work.path())
        .env("ELECTRA_DEVICE", "cpu")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_model_of_questions_is_evaluated_with_its_own_threshold() {
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name);
    let stated = json!({"qa_na_threshold": -0.125});
    let (folder, _) = model("ElectraForQuestionAnswering", &stated, questions);
    let squad = path("data/finetuning_data/squad");
    fs::create_dir_all(&squad).unwrap();
    fs::create_dir_all(path("data/models")).unwrap();
    fs::rename(folder.keep(), path("data/models/hf")).unwrap();
    let data = r#"{"data": [{"title": "t", "paragraphs": [{"context": "Ada wrote it in 1843.", "qas": [
        {"id": "a", "question": "Who wrote it?", "is_impossible": false,
         "answers": [{"text": "Ada", "answer_start": 0}]},
        {"id": "b", "question": "Who read it?", "is_impossible": true, "answers": []}]}]}]}"#;
    fs::write(squad.join("dev.json"), data).unwrap();
    run(
        work.path(),
        &[
            "evaluate",
            "--data-dir",
            "data",
            "--model-name",
            "hf",
            "--set",
            "task_names=squad",
            "--checkpoint",
            "data/models/hf",
            "--output",
            "results",
        ],
    );
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(path("results/squad_qa").join(name)).unwrap()).unwrap()
    };
    let record = read("squad_preds.provenance.json");
    assert_eq!(record["threshold"], -0.125);
    assert_eq!(read("squad_null_odds.json").as_object().unwrap().len(), 2);
}
