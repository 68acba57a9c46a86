//! Tests chunking against the reference: label ids, features field by field, spans of tag
//! sequences, and scores of recorded predictions. tests/golden/chunk/README.md explains the files.

use std::{fs, path::Path};

use crate::support::place::{golden, shared, tiny_vocabulary};
use electra::{
    tasks::tagging::{
        feature::{Feature, FeatureOptions, featurize},
        feature_file::write_features,
        labels::Labels,
        options::ReadOptions,
        reader::read,
        rules::Rules,
        scorer::{Answer, TagFigures, score},
        sentence::Sentences,
        span::{Span, bioes, spans},
        tag::Tag,
    },
    text::tokenizer::Tokenizer,
};
use serde_json::Value;

const SPLITS: [&str; 3] = ["train", "dev", "test"];
const WEIGHTS: [&str; 3] = ["init", "trained", "learned"];

fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

fn json_lines(path: &Path) -> Vec<Value> {
    let lines = text(path);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the splits of a folder and their labels.
fn task(folder: &Path) -> (Vec<Sentences>, Labels) {
    let files = SPLITS.map(|split| {
        let path = folder.join(format!("{split}.txt"));
        read(&path, &ReadOptions::chunk(false)).unwrap()
    });
    let labels = Labels::of_files(&files, Rules::Reference).unwrap();
    (files.into(), labels)
}

fn features(file: &Sentences, labels: &Labels) -> Vec<Feature> {
    // Chunk words are lower-cased although this tokenizer does not lower-case.
    let tokenizer = Tokenizer::read(&tiny_vocabulary(), false).unwrap();
    let options = FeatureOptions {
        max_seq_length: 48,
        rules: Rules::Reference,
    };
    featurize(file, labels, &tokenizer, &options).unwrap()
}

/// Returns the features as the program writes them.
fn written(features: &[Feature]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.jsonl");
    write_features(&path, features).unwrap();
    json_lines(&path)
}

fn keys(line: &Value) -> Vec<&String> {
    line.as_object().unwrap().keys().collect()
}

#[test]
fn label_ids_equal_the_reference() {
    let (files, labels) = task(&golden("chunk/data"));
    let expected = json(&golden("chunk/label_mapping.json"));
    let names: Vec<String> = labels.names().collect();
    let expected: Vec<(&String, u64)> = expected
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, id)| (name, id.as_u64().unwrap()))
        .collect();
    assert_eq!(names.iter().zip(0..).collect::<Vec<_>>(), expected);
    // dev.txt ends without a blank line.
    let lost: Vec<bool> = files.iter().map(|file| file.lost.is_some()).collect();
    assert_eq!(lost, [false, true, false]);
    let counts: Vec<usize> = files.iter().map(|file| file.sentences.len()).collect();
    assert_eq!(counts, [44, 23, 12]);
}

#[test]
fn features_equal_the_reference() {
    let (files, labels) = task(&golden("chunk/data"));
    for (split, file) in SPLITS.iter().zip(&files) {
        let expected = json_lines(&golden(&format!("chunk/features.{split}.jsonl")));
        let found = written(&features(file, &labels));
        assert_eq!(found.len(), expected.len(), "{split}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(keys(found), keys(expected));
            assert_eq!(found, expected, "{split}");
        }
    }
}

/// Finds them among the examples of three tasks, in the order of a mixture.
#[test]
fn features_of_a_mixture_equal_the_reference() {
    let Some(folder) = shared("reference/multitask/cola_sts_chunk") else {
        return;
    };
    let (files, labels) = task(&folder.join("data/chunk"));
    let ids = json(&folder.join("label_mapping.json"));
    assert!(labels.names().eq(ids.as_object().unwrap().keys().cloned()));
    let mut compared = 0;
    for (split, file) in SPLITS.iter().zip(&files) {
        let found = written(&features(file, &labels));
        let expected: Vec<Value> = if *split == "train" {
            let mut lines = json_lines(&folder.join("features.train.jsonl"));
            lines.retain(|line| line["task"] == "chunk");
            for line in &mut lines {
                line.as_object_mut().unwrap().shift_remove("task");
            }
            lines
        } else {
            json_lines(&folder.join(format!("features.chunk.{split}.jsonl")))
        };
        assert_eq!(found.len(), expected.len(), "{split}");
        for expected in &expected {
            let eid = usize::try_from(expected["eid"].as_u64().unwrap()).unwrap();
            assert_eq!(&found[eid], expected, "{split}");
            compared += 1;
        }
    }
    assert_eq!(compared, 44 + 23 + 12);
    for weights in ["init", "trained"] {
        let eval = folder.join("eval");
        let results = json(&eval.join(format!("results.{weights}.json")));
        let predictions = eval.join(format!("chunk.predictions.dev.{weights}.jsonl"));
        let figures = figures(&predictions, &labels);
        assert_figures(&figures, &results["chunk"], weights);
    }
}

/// Scores recorded predictions.
fn figures(predictions: &Path, labels: &Labels) -> TagFigures {
    let ids = |line: &Value, key: &str| -> Vec<u32> {
        serde_json::from_value(line[key].clone()).unwrap()
    };
    let lines: Vec<(Vec<u32>, Vec<u32>, f32)> = json_lines(predictions)
        .iter()
        .map(|line| {
            let loss = line["loss"].as_f64().unwrap() as f32;
            (ids(line, "labels"), ids(line, "predictions"), loss)
        })
        .collect();
    let answers = lines.iter().enumerate().map(|(eid, line)| Answer {
        eid,
        labels: &line.0,
        predictions: &line.1,
        loss: line.2,
    });
    score(answers, labels).unwrap()
}

/// Asserts that the scores are bitwise the reference's, in its order.
fn assert_figures(figures: &TagFigures, expected: &Value, what: &str) {
    let found: Vec<(&str, f64)> = figures
        .scores
        .iter()
        .map(|(key, figure)| (key, figure.value()))
        .collect();
    let expected: Vec<(&str, f64)> = expected
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_f64().unwrap()))
        .collect();
    assert_eq!(found, expected, "{what}");
}

#[test]
fn figures_of_recorded_predictions_equal_the_reference() {
    let (files, labels) = task(&golden("chunk/data"));
    for weights in WEIGHTS {
        for (split, file) in SPLITS.iter().zip(&files).skip(1) {
            let what = format!("{split}, {weights}");
            let predictions = golden(&format!("chunk/eval/predictions.{split}.{weights}.jsonl"));
            let found = figures(&predictions, &labels);
            let results = match *split {
                "dev" => format!("chunk/eval/results.{weights}.json"),
                _ => format!("chunk/eval/results.{split}.{weights}.json"),
            };
            assert_figures(&found, &json(&golden(&results)), &what);
            if *split == "dev" {
                let line = text(&golden(&format!("chunk/eval/results.{weights}.txt")));
                let shown: Vec<String> = found
                    .scores
                    .iter()
                    .map(|(key, figure)| format!("{key}: {}", figure.shown()))
                    .collect();
                assert_eq!(line.trim_end(), format!("chunk: {}", shown.join(" - ")));
            }
            // The kept words are what is scored.
            let marked = json_lines(&predictions);
            let features = features(file, &labels);
            assert_eq!(marked.len(), features.len());
            for (line, feature) in marked.iter().zip(&features) {
                assert_eq!(line["eid"], feature.eid, "{what}");
                assert_eq!(
                    line["labels"],
                    serde_json::json!(feature.kept_labels()),
                    "{what}"
                );
            }
        }
    }
}

fn tags(list: &Value) -> Vec<Tag> {
    let tags = list.as_array().unwrap().iter();
    tags.map(|tag| Tag::parse(tag.as_str().unwrap(), Rules::Reference).unwrap())
        .collect()
}

fn as_json(spans: &[Span]) -> Value {
    spans
        .iter()
        .map(|span| serde_json::json!([span.start, span.end, &*span.kind]))
        .collect()
}

#[test]
fn spans_of_broken_tags_equal_the_reference() {
    let scorers = json(&golden("chunk/scorers.json"));
    let cases = scorers[2]["spans"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    for case in cases {
        let tags = tags(&case["tags"]);
        let found = spans(&tags, Rules::Reference);
        assert_eq!(as_json(&found), case["spans"], "{case}");
        let names: Value = bioes(&found, tags.len())
            .iter()
            .map(|tag| Value::from(tag.to_string()))
            .collect();
        assert_eq!(names, case["bioes"], "{case}");
    }
}

#[test]
fn made_up_predictions_are_marked_as_in_the_reference() {
    let scorers = json(&golden("chunk/scorers.json"));
    let sentences = scorers[0]["sentences"].as_array().unwrap();
    let all = |key| {
        sentences
            .iter()
            .flat_map(move |sentence| tags(&sentence[key]))
    };
    let mut names: Vec<String> = all("labels")
        .chain(all("predictions"))
        .map(|t| t.to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    let labels = Labels::of_names(names.iter().map(String::as_str), Rules::Reference).unwrap();
    let ids = |sentence: &Value, key: &str| -> Vec<u32> {
        tags(&sentence[key])
            .iter()
            .map(|tag| labels.id(tag).unwrap())
            .collect()
    };
    let read: Vec<(Vec<u32>, Vec<u32>, f32)> = sentences
        .iter()
        .map(|sentence| {
            let loss = sentence["loss"].as_f64().unwrap() as f32;
            (ids(sentence, "labels"), ids(sentence, "predictions"), loss)
        })
        .collect();
    for (sentence, (gold, predicted, _)) in sentences.iter().zip(&read) {
        for (ids, key) in [(gold, "label_spans"), (predicted, "predicted_spans")] {
            let found = labels.spans(ids, 0).unwrap();
            assert_eq!(as_json(&found), sentence[key], "{sentence}");
        }
    }
    let answers = read
        .iter()
        .enumerate()
        .map(|(eid, (labels, predictions, loss))| Answer {
            eid,
            labels,
            predictions,
            loss: *loss,
        });
    let figures = score(answers, &labels).unwrap();
    let pairs = |scorer: &Value| -> Value {
        let pairs = scorer["results"].as_array().unwrap().iter();
        let pairs = pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()));
        Value::Object(pairs.collect())
    };
    assert_figures(&figures, &pairs(&scorers[0]), "spans");
    let words = pairs(&scorers[1]);
    assert_eq!(
        figures.token_accuracy(),
        words["accuracy"].as_f64().unwrap()
    );
    assert_eq!(figures.scores.get("loss"), words["loss"].as_f64());
}
