//! Tests the path from window outputs to answers, n-best lists and null odds, against the
//! reference. tests/golden/eval/README.md explains the files.

use std::path::Path;

use crate::support::place::{golden, tiny_vocabulary};
use electra::{
    data::split::Split,
    tasks::qa::{
        answers::{
            candidate::{NbestOptions, WindowOutput},
            nbest::{QuestionPrediction, predict},
        },
        example::{Example, Examples, Passage},
        feature::Feature,
        raw::question_set::QuestionSet,
        reader::{ReadOptions, read_task},
    },
    text::tokenizer::Tokenizer,
};
use safetensors::SafeTensors;
use serde_json::Value;

/// Returns the text of a file, decompressed if its name ends in `.xz`.
fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|extension| extension == "xz") {
        let mut unpacked = Vec::new();
        lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut unpacked).unwrap();
        return String::from_utf8(unpacked).unwrap();
    }
    String::from_utf8(bytes).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&text(&golden(name))).unwrap()
}

fn tokenizer(do_lower_case: bool) -> Tokenizer {
    Tokenizer::read(&tiny_vocabulary(), do_lower_case).unwrap()
}

fn list<T>(values: &Value, take: impl Fn(&Value) -> T) -> Vec<T> {
    values.as_array().unwrap().iter().map(take).collect()
}

fn integers(values: &Value) -> Vec<u32> {
    list(values, |value| value.as_u64().unwrap() as u32)
}

fn floats(values: &Value) -> Vec<f32> {
    list(values, |value| value.as_f64().unwrap() as f32)
}

/// Flattens a matrix row by row.
fn flat<T>(rows: &Value, take: impl Fn(&Value) -> Vec<T>) -> Vec<T> {
    rows.as_array().unwrap().iter().flat_map(take).collect()
}

/// Builds a feature from a line of the features file.
fn feature(line: &Value) -> Feature {
    let segment_ids = integers(&line["segment_ids"]);
    let pairs: Vec<Vec<u32>> = list(&line["token_to_orig"], integers);
    let best = integers(&line["max_context"]);
    let feature_id = line["eid"].as_u64().unwrap();
    Feature {
        feature_id,
        qas_id: line["qas_id"].as_str().unwrap().into(),
        eid: (feature_id / 1000) as usize,
        input_ids: integers(&line["input_ids"]),
        question_length: segment_ids
            .iter()
            .position(|&segment| segment == 1)
            .unwrap(),
        start: 0,
        end: 0,
        is_impossible: false,
        token_to_orig: pairs.iter().map(|pair| pair[1]).collect(),
        max_context: pairs.iter().map(|pair| best.contains(&pair[0])).collect(),
    }
}

/// Returns the window outputs of a forward pass, row by row.
fn outputs(name: &str) -> Vec<WindowOutput> {
    let bytes = std::fs::read(golden(name)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> (usize, Vec<[u8; 4]>) {
        let tensor = tensors.tensor(name).unwrap();
        let words = tensor.data().chunks_exact(4);
        (
            tensor.shape()[1..].iter().product(),
            words.map(|word| word.try_into().unwrap()).collect(),
        )
    };
    let float_rows = |name: &str| -> Vec<Vec<f32>> {
        let (width, words) = words(name);
        let rows = words.chunks_exact(width);
        rows.map(|row| row.iter().map(|&word| f32::from_le_bytes(word)).collect())
            .collect()
    };
    let index_rows = |name: &str| -> Vec<Vec<u32>> {
        let (width, words) = words(name);
        let rows = words.chunks_exact(width);
        rows.map(|row| row.iter().map(|&word| u32::from_le_bytes(word)).collect())
            .collect()
    };
    let starts = float_rows("start_top_log_probs");
    let start_index = index_rows("start_top_index");
    let ends = float_rows("end_top_log_probs");
    let end_index = index_rows("end_top_index");
    let answerable = float_rows("answerable_logit");
    (0..starts.len())
        .map(|row| WindowOutput {
            feature: row,
            start_top_log_probs: starts[row].clone(),
            start_top_index: start_index[row].clone(),
            end_top_log_probs: ends[row].clone(),
            end_top_index: end_index[row].clone(),
            answerable_logit: answerable[row][0],
            ..WindowOutput::default()
        })
        .collect()
}

#[test]
fn answers_of_the_reference_models() {
    let dev = ReadOptions {
        task: "squad",
        split: Split::Dev,
    };
    let data = text(&golden("data/squad2-tiny.dev.json"));
    for (model, size, questions) in [("tiny", 192, 2), ("projected", 256, 4)] {
        let lines = text(&golden(&format!(
            "data/features.squad2-tiny.{size}.dev.jsonl.xz"
        )));
        for weights in ["init", "trained"] {
            let outputs = outputs(&format!("eval/{model}.{weights}.safetensors"));
            let features: Vec<Feature> = lines
                .lines()
                .take(outputs.len())
                .map(|line| feature(&serde_json::from_str(line).unwrap()))
                .collect();
            let file = QuestionSet::parse(data.as_str(), "dev.json", None).unwrap();
            let mut examples = file.examples(dev).unwrap();
            examples.examples.truncate(questions);

            let options = NbestOptions::default();
            let predictions =
                predict(&examples, &features, &outputs, &tokenizer(true), &options).unwrap();
            let answers = json(&format!("eval/{model}.{weights}.preds.json"));
            let null_odds = json(&format!("eval/{model}.{weights}.null_odds.json"));
            assert_eq!(predictions.len(), questions);
            for prediction in predictions {
                let what = format!("{model}, {weights}, {}", prediction.qas_id);
                assert_eq!(answers[&prediction.qas_id], prediction.text, "{what}");
                // The same floats, passed through.
                assert_eq!(
                    null_odds[&prediction.qas_id].as_f64(),
                    prediction.null_odds,
                    "{what}"
                );
                assert_eq!(prediction.nbest.len(), 20, "{what}");
                let sum: f64 = prediction.nbest.iter().map(|entry| entry.probability).sum();
                // 20 additions of f64 values.
                assert!((sum - 1.0).abs() < 1e-12, "{what}: {sum}");
            }
        }
    }
}

fn made_up_window(feature: &Value, example: usize, number: usize, id: &str) -> Feature {
    Feature {
        feature_id: (1000 * example + number) as u64,
        qas_id: id.into(),
        eid: example,
        input_ids: integers(&feature["input_ids"]),
        question_length: feature["question_length"].as_u64().unwrap() as usize,
        start: 0,
        end: 0,
        is_impossible: false,
        token_to_orig: integers(&feature["token_to_orig"]),
        max_context: list(&feature["max_context"], |value| value.as_bool().unwrap()),
    }
}

fn made_up_output(output: &Value, feature: usize) -> WindowOutput {
    WindowOutput {
        feature,
        start_top_log_probs: floats(&output["start_top_log_probs"]),
        start_top_index: integers(&output["start_top_index"]),
        end_top_log_probs: flat(&output["end_top_log_probs"], floats),
        end_top_index: flat(&output["end_top_index"], integers),
        start_logits: floats(&output["start_logits"]),
        end_logits: floats(&output["end_logits"]),
        answerable_logit: output["answerable_logit"].as_f64().unwrap() as f32,
    }
}

fn made_up(questions: &Value) -> (Examples, Vec<Feature>, Vec<WindowOutput>) {
    let (mut examples, mut features, mut outputs) = (Examples::default(), vec![], vec![]);
    for (eid, question) in questions.as_array().unwrap().iter().enumerate() {
        let id = question["id"].as_str().unwrap();
        let words = list(&question["words"], |word| word.as_str().unwrap().to_owned());
        examples.passages.push(Passage {
            text: words.join(" "),
            words,
        });
        examples.examples.push(Example {
            eid,
            qas_id: id.to_owned(),
            passage: eid,
            question: "what ?".to_owned(),
            answer: None,
            is_impossible: false,
        });
        for (number, window) in question["features"].as_array().unwrap().iter().enumerate() {
            outputs.push(made_up_output(&window["output"], features.len()));
            features.push(made_up_window(window, eid, number, id));
        }
    }
    // The order of the outputs is irrelevant: each names its feature.
    outputs.reverse();
    (examples, features, outputs)
}

#[test]
fn answers_in_all_ways_of_choosing() {
    let (mut checked, mut empty) = (0, 0);
    for set in json("eval/made-up.nbest.json.xz").as_array().unwrap() {
        let tokenizer = tokenizer(set["do_lower_case"].as_bool().unwrap());
        let (examples, features, outputs) = made_up(&set["questions"]);
        for answers in set["answers"].as_array().unwrap() {
            let flag = |key: &str| answers["options"][key].as_bool().unwrap();
            let number = |key: &str| answers["options"][key].as_u64().unwrap() as usize;
            let options = NbestOptions {
                n_best_size: number("n_best_size"),
                max_answer_length: number("max_answer_length"),
                joint_prediction: flag("joint_prediction"),
                answerable_classifier: flag("answerable_classifier"),
                v2: flag("v2"),
            };
            let found = predict(&examples, &features, &outputs, &tokenizer, &options).unwrap();
            for (prediction, nbest) in found.iter().zip(answers["nbest"].as_array().unwrap()) {
                let what = format!("{} with {options:?}", prediction.qas_id);
                assert_eq!(
                    answers["preds"][&prediction.qas_id], prediction.text,
                    "{what}"
                );
                // Scores are multiples of a quarter, so that their sums are exact.
                let null_odds = answers.get("null_odds");
                assert_eq!(
                    null_odds.map(|odds| odds[&prediction.qas_id].as_f64().unwrap()),
                    prediction.null_odds,
                    "{what}"
                );
                assert_same_nbest(prediction, nbest, &what);
                checked += 1;
                empty += usize::from(prediction.text == "empty");
            }
        }
    }
    // 2 sets × 8 configurations × 15 questions, some of them without an admissible span.
    assert_eq!(checked, 240);
    assert!(empty > 5, "{empty}");
}

fn assert_same_nbest(prediction: &QuestionPrediction, expected: &Value, what: &str) {
    let expected = expected.as_array().unwrap();
    assert_eq!(prediction.nbest.len(), expected.len(), "{what}");
    for (entry, expected) in prediction.nbest.iter().zip(expected) {
        assert_eq!(expected[0], entry.text, "{what}");
        let score = entry.start_logit + entry.end_logit;
        assert_eq!(expected[1].as_f64(), Some(f64::from(score)), "{what}");
        // The reference computes exponentials in float32.
        let probability = expected[2].as_f64().unwrap();
        assert!((entry.probability - probability).abs() < 1e-6, "{what}");
    }
}

/// A passage without words between two others, through the whole pipeline.
#[test]
fn a_passage_without_words_gets_no_answer() {
    use electra::tasks::qa::feature::{FeatureOptions, featurize};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let paragraph = |context: &str, id: &str| {
        format!(r#"{{"context": "{context}", "qas": [{{"id": "{id}", "question": "What?"}}]}}"#)
    };
    let paragraphs = [
        paragraph("Oxygen.", "a"),
        paragraph(" \\n", "b"),
        paragraph("Air.", "c"),
    ];
    let data = format!(
        r#"{{"data": [{{"paragraphs": [{}]}}]}}"#,
        paragraphs.join(",")
    );
    std::fs::write(&path, data).unwrap();
    let examples = read_task(&path, "squad", Split::Dev).unwrap();
    let tokenizer = tokenizer(true);
    let options = FeatureOptions {
        max_seq_length: 64,
        doc_stride: 16,
        max_query_length: 16,
        split: Split::Dev,
    };
    let features = featurize(&examples, &tokenizer, &options).unwrap();
    assert_eq!(features.len(), 2);
    let outputs: Vec<WindowOutput> = features
        .iter()
        .enumerate()
        .map(|(index, feature)| WindowOutput {
            feature: index,
            start_top_log_probs: vec![-0.5],
            start_top_index: vec![feature.question_length as u32],
            end_top_log_probs: vec![-0.25],
            end_top_index: vec![feature.question_length as u32],
            start_logits: vec![1.0],
            answerable_logit: -3.0,
            ..WindowOutput::default()
        })
        .collect();
    for answerable_classifier in [true, false] {
        let options = NbestOptions {
            answerable_classifier,
            ..NbestOptions::default()
        };
        let found = predict(&examples, &features, &outputs, &tokenizer, &options).unwrap();
        let ids: Vec<&str> = found.iter().map(|found| found.qas_id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(found[1].text, "");
        assert_eq!(found[1].null_odds, Some(1e6));
        assert_eq!(found[1].nbest.len(), 1);
        assert_eq!(found[1].nbest[0].probability, 1.0);
        let expected = if answerable_classifier { -3.0 } else { 1.75 };
        assert_eq!(found[2].null_odds, Some(expected));
        assert!(!found[2].text.is_empty());
    }
}
