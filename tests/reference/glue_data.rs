//! Tests GLUE's files, features, scores and outputs against the reference.
//! tests/golden/glue/README.md explains the files.
//!
//! rte and sts are always tested; the other tasks are looked for in the folder named by
//! ELECTRA_SHARED (or ../shared), and a line says so if it is absent.

use std::{
    fs,
    path::{Path, PathBuf},
};

use electra::{
    eval::figures::Scores,
    tasks::classification::{
        data::ClassificationData,
        feature_file::write_features,
        labels::Gold,
        metric::Metric,
        prediction::Prediction,
        prediction_file::{write_predictions, write_test_outputs},
        read_options::ReadOptions,
        scorers::score::{Marked, own_scores},
        task::ClassificationTask,
    },
    text::tokenizer::Tokenizer,
};
use serde_json::Value;

use crate::support::place::{golden, shared, tiny_vocabulary};

/// The tasks with their max_seq_length.
const TASKS: [(&str, usize); 8] = [
    ("cola", 48),
    ("mrpc", 64),
    ("mnli", 64),
    ("sst", 32),
    ("rte", 64),
    ("qnli", 48),
    ("qqp", 48),
    ("sts", 64),
];

fn lines(path: &Path) -> Vec<Value> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn read(task: &str, split: &str, folder: &Path, max_seq_length: usize) -> ClassificationData {
    let task = ClassificationTask::glue(task).unwrap();
    let split = task.split(split).unwrap();
    let file = task.file(folder, split).unwrap();
    let options = ReadOptions {
        double_unordered: true,
        ..ReadOptions::default()
    };
    let tokenizer = Tokenizer::read(&tiny_vocabulary(), true).unwrap();
    ClassificationData::read(&task, split, &file, options, &tokenizer, max_seq_length).unwrap()
}

/// Returns the lines of the features file that is written for a data set.
fn written(data: &ClassificationData) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.jsonl");
    write_features(&path, &data.features).unwrap();
    lines(&path)
}

/// Asserts that the features equal the reference's, including keys and their order.
fn assert_features(data: &ClassificationData, expected: &[Value], what: &str) -> usize {
    let found = written(data);
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Compared as text, since the order of the keys counts.
        assert_eq!(
            found.to_string(),
            expected.to_string(),
            "{what}, line {number}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{what}: number of features");
    found.len()
}

/// Returns the folders of each task's data and of its features.
fn folders() -> Vec<(&'static str, usize, PathBuf, PathBuf)> {
    let whole = shared("reference/glue");
    let all = TASKS.into_iter().filter_map(|(task, length)| {
        if let Some(whole) = &whole {
            return Some((
                task,
                length,
                whole.join(task).join("data"),
                whole.join(task),
            ));
        }
        let committed = golden("glue").join(task);
        let there = committed.is_dir();
        there.then(|| (task, length, committed.clone(), committed))
    });
    all.collect()
}

#[test]
fn features_of_every_split_are_the_reference_s() {
    let (mut files, mut features) = (0, 0);
    for (task, length, data_folder, folder) in folders() {
        for split in ClassificationTask::glue(task).unwrap().splits() {
            let data = read(task, split.name, &data_folder, length);
            let expected = lines(&folder.join(format!("features.{}.jsonl", split.name)));
            features += assert_features(&data, &expected, &format!("{task} {}", split.name));
            files += 1;
        }
    }
    println!("{files} files, {features} features, 0 differences");
    assert!(files >= 6);
}

#[test]
fn the_committed_files_are_checked_where_the_whole_reference_is_at_hand_too() {
    for task in ["rte", "sts"] {
        let folder = golden("glue").join(task);
        for split in ["train", "dev", "test"] {
            let expected = lines(&folder.join(format!("features.{split}.jsonl")));
            assert_features(&read(task, split, &folder, 64), &expected, task);
        }
    }
}

#[test]
fn features_of_mixtures_are_the_reference_s() {
    let Some(folder) = shared("reference/multitask") else {
        return;
    };
    let mut features = 0;
    for (mixture, task, length, splits) in [
        ("rte_squad", "rte", 128, &["dev"][..]),
        ("cola_sts_chunk", "cola", 48, &["dev", "test"]),
        ("cola_sts_chunk", "sts", 48, &["dev", "test"]),
    ] {
        let folder = folder.join(mixture);
        let data_folder = folder.join("data").join(task);
        for split in splits {
            let expected = lines(&folder.join(format!("features.{task}.{split}.jsonl")));
            let data = read(task, split, &data_folder, length);
            features += assert_features(&data, &expected, &format!("{mixture} {task} {split}"));
        }
        // The mixed file has the tasks' features in another order.
        let mut expected: Vec<String> = lines(&folder.join("features.train.jsonl"))
            .into_iter()
            .filter(|line| line["task"] == task)
            .map(|mut line| {
                line.as_object_mut().unwrap().shift_remove("task");
                line.to_string()
            })
            .collect();
        let data = read(task, "train", &data_folder, length);
        let mut found: Vec<String> = written(&data).iter().map(Value::to_string).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{mixture} {task} train");
        features += found.len();
    }
    println!("{features} features of mixtures, 0 differences");
}

/// Compares the scores with those of a record, in which nan is a string.
fn assert_figures(found: &Scores, expected: &[(String, f64)], tolerance: f64, what: &str) {
    let keys: Vec<&str> = found.iter().map(|(key, _)| key).collect();
    let expected_keys: Vec<&str> = expected.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, expected_keys, "{what}");
    for ((key, found), (_, expected)) in found.iter().zip(expected) {
        let found = found.value();
        if expected.is_nan() {
            assert!(found.is_nan(), "{what}, {key}: {found}");
            continue;
        }
        // The reference computes the mean of squares in f32.
        let tolerance = if key == "mse" {
            tolerance.max(1e-7)
        } else {
            tolerance
        };
        let difference = (found - expected).abs();
        assert!(
            difference <= tolerance * expected.abs().max(1.0),
            "{what}, {key}: expected {expected}, found {found}"
        );
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| {
        assert_eq!(value, "nan");
        f64::NAN
    })
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn scorers_give_the_reference_s_figures() {
    let mut checked = 0;
    for case in json(&golden("glue/scorers.json")).as_array().unwrap() {
        let metric = match case["scorer"].as_str() {
            Some("accuracy") => Metric::Accuracy,
            Some("mcc") => Metric::Matthews,
            Some("regression") => Metric::Correlation,
            _ => continue,
        };
        let columns = ["labels", "predictions", "losses"].map(|key| numbers(&case[key]));
        let [labels, predictions, losses] = columns;
        let gold = |number: f64| match metric {
            Metric::Correlation => Gold::Value(number as f32),
            Metric::Accuracy | Metric::Matthews => Gold::Class(number as u32),
        };
        let marked: Vec<Marked> = labels
            .into_iter()
            .zip(predictions)
            .zip(losses)
            .map(|((label, prediction), loss)| Marked {
                gold: gold(label),
                predicted: gold(prediction),
                loss,
            })
            .collect();
        let expected: Vec<(String, f64)> = case["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| (result[0].as_str().unwrap().to_owned(), number(&result[1])))
            .collect();
        assert_figures(&metric.scores(&marked), &expected, 1e-9, &case.to_string());
        checked += 1;
    }
    assert_eq!(checked, 11);
}

/// Computes predictions from the logits of an evaluation's record.
fn predictions(data: &ClassificationData, record: &[Value]) -> Vec<Prediction> {
    let logits = record.iter().map(|line| {
        let logits = match &line["logits"] {
            Value::Null => vec![number(&line["prediction"])],
            logits => numbers(logits),
        };
        logits.into_iter().map(|logit| logit as f32).collect()
    });
    data.predictions(logits.collect()).unwrap()
}

/// Compares the lines written for predictions with a record; they are equal except for the loss.
fn assert_lines(predictions: &[Prediction], record: &[Value], what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.jsonl");
    write_predictions(&path, predictions).unwrap();
    for (found, expected) in lines(&path).into_iter().zip(record) {
        let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
        let keys: Vec<&String> = found.keys().collect();
        assert_eq!(keys, expected.keys().collect::<Vec<_>>(), "{what}");
        for (key, value) in expected {
            if key == "loss" {
                let (found, expected) = (number(&found[key]), number(value));
                let difference = (found - expected).abs();
                // The reference's loss, in f32, has fewer exact digits than the logits.
                assert!(difference < 1e-5, "{what}: loss {expected}, found {found}");
            } else {
                assert_eq!(&found[key], value, "{what}: {key} of {}", expected["eid"]);
            }
        }
    }
}

#[test]
fn evaluations_give_the_reference_s_lines_and_figures() {
    let whole = shared("reference/glue");
    let mut checked = 0;
    for (task, length, data_folder, folder) in folders() {
        let eval = match &whole {
            Some(_) => folder.join("eval"),
            None => folder,
        };
        for split in ["dev", "dev_mismatched"] {
            for weights in ["init", "trained", "learned"] {
                let record = eval.join(format!("predictions.{split}.{weights}.jsonl"));
                if !record.is_file() {
                    continue;
                }
                let what = record.display().to_string();
                let record = lines(&record);
                let data = read(task, split, &data_folder, length);
                let predictions = predictions(&data, &record);
                assert_lines(&predictions, &record, &what);

                let marked: Vec<Marked> =
                    predictions.iter().filter_map(Prediction::marked).collect();
                let part = if split == "dev" {
                    ""
                } else {
                    "dev_mismatched."
                };
                let expected = json(&eval.join(format!("results.{part}{weights}.json")));
                let expected: Vec<(String, f64)> = expected
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(key, value)| (key.clone(), number(value)))
                    .collect();
                let scores = data.task.metric().scores(&marked);
                assert_figures(&scores, &expected, 1e-5, &what);
                let own = own_scores(&data.task.labels, &marked);
                assert_eq!(own.get("f1").is_some(), data.task.labels.outputs() == 2);
                checked += 1;
            }
        }
    }
    println!("{checked} evaluations, 0 differences");
    assert!(checked >= 2);
}

/// Compares the test outputs of predictions whose logits are in a record, by eid.
fn assert_test_outputs(data: &ClassificationData, record: &Path) {
    let expected = json(record);
    let logits = data.features.iter().map(|feature| {
        let logits = &expected[feature.eid.to_string()];
        let logits = match logits {
            Value::Array(_) => numbers(logits),
            value => vec![number(value)],
        };
        logits.into_iter().map(|logit| logit as f32).collect()
    });
    let predictions = data.predictions(logits.collect()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outputs.json");
    write_test_outputs(&path, &predictions).unwrap();
    assert_eq!(
        json(&path).to_string(),
        expected.to_string(),
        "{}",
        record.display()
    );
}

#[test]
fn test_outputs_are_the_reference_s() {
    for (task, weights) in [("rte", "learned"), ("sts", "trained")] {
        let folder = golden("glue").join(task);
        let record = folder.join(format!("test_predictions.{weights}.json"));
        assert_test_outputs(&read(task, "test", &folder, 64), &record);
    }
    let Some(folder) = shared("reference/glue") else {
        return;
    };
    let mut checked = 0;
    for (task, length) in TASKS {
        for split in ClassificationTask::glue(task).unwrap().splits() {
            for weights in ["init", "trained", "learned"] {
                let record = folder
                    .join(task)
                    .join(format!("eval/test_predictions.{weights}"))
                    .join(format!("{task}_{}_1_predictions.pkl.json", split.name));
                if record.is_file() {
                    let data = read(task, split.name, &folder.join(task).join("data"), length);
                    assert_test_outputs(&data, &record);
                    checked += 1;
                }
            }
        }
    }
    println!("{checked} test outputs, 0 differences");
    assert!(checked > 10);
}
