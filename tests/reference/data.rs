//! Tests features against those of the reference, field by field, in memory and in the written
//! features file. tests/golden/data/README.md explains the files.
//!
//! Tests on whole data sets look for them in the folder named by ELECTRA_SHARED (or ../shared) and
//! say so if it is absent.

use std::path::Path;

use crate::support::place::{golden, shared, tiny_vocabulary};
use electra::{
    batch::{
        Batch, FeatureSet,
        plan::{BatchPlan, PlanOptions},
    },
    data::split::Split,
    tasks::{
        label::Label,
        qa::{
            example::Examples,
            feature::{Feature, FeatureOptions, featurize},
            feature_file::write_features,
            raw::question_set::QuestionSet,
            reader::{ReadOptions, read_task},
        },
    },
    text::tokenizer::Tokenizer,
};
use serde_json::{Value, json};

const SCRIPTS: [&str; 7] = ["en", "zh", "ar", "hi", "th", "ru", "el"];

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

fn tiny_tokenizer() -> Tokenizer {
    Tokenizer::read(&tiny_vocabulary(), true).unwrap()
}

fn full_tokenizer() -> Tokenizer {
    let vocab = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/vocab.txt");
    Tokenizer::read(Path::new(vocab), true).unwrap()
}

fn options(max_seq_length: usize, doc_stride: usize, split: Split) -> FeatureOptions {
    FeatureOptions {
        max_seq_length,
        doc_stride,
        max_query_length: 64,
        split,
    }
}

/// Builds the line of a feature in the features file, without the writer.
fn line_of(feature: &Feature, split: Split) -> Value {
    let length = feature.input_ids.len();
    let segment_ids: Vec<u8> = (0..length)
        .map(|position| u8::from(position >= feature.question_length))
        .collect();
    let mut line = json!({
        "qas_id": &*feature.qas_id,
        "eid": feature.feature_id,
        "length": length,
        "input_ids": feature.input_ids,
        "segment_ids": segment_ids,
    });
    if split == Split::Train {
        line["start"] = json!(feature.start);
        line["end"] = json!(feature.end);
        line["is_impossible"] = json!(feature.is_impossible);
    } else {
        let positions = feature.question_length..;
        let words: Vec<_> = positions.clone().zip(&feature.token_to_orig).collect();
        let best = positions
            .zip(&feature.max_context)
            .filter(|(_, best)| **best);
        line["token_to_orig"] = json!(words);
        line["max_context"] = json!(best.map(|(position, _)| position).collect::<Vec<_>>());
    }
    line
}

fn assert_lines(found: &[Value], expected: &[Value], what: &str) {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        let keys = |line: &Value| {
            line.as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(found), keys(expected), "{what}, line {number}");
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(
                &found[key], value,
                "{what}, line {number}, {key} of {}",
                expected["qas_id"]
            );
        }
    }
    assert_eq!(found.len(), expected.len(), "{what}: number of features");
}

/// Asserts that the features of the examples equal the reference's, in memory and in the features
/// file.
fn assert_features(
    examples: &Examples,
    tokenizer: &Tokenizer,
    options: FeatureOptions,
    expected: &Path,
) {
    let what = expected.display().to_string();
    let expected: Vec<Value> = text(expected)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!expected.is_empty(), "{what} is empty");
    let features = featurize(examples, tokenizer, &options).unwrap();
    let found: Vec<Value> = features
        .iter()
        .map(|feature| line_of(feature, options.split))
        .collect();
    assert_lines(&found, &expected, &what);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.jsonl");
    write_features(&path, &features, options.split).unwrap();
    let written: Vec<Value> = text(&path)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_lines(&written, &expected, &format!("{what}, written"));
}

fn squadv1_train(path: &Path) -> Examples {
    let options = ReadOptions {
        task: "squadv1",
        split: Split::Train,
    };
    let file = QuestionSet::parse(text(path), &path.display().to_string(), None).unwrap();
    file.examples(options).unwrap()
}

#[test]
fn squad2_pieces_equal_the_reference() {
    let tokenizer = tiny_tokenizer();
    for split in [Split::Train, Split::Dev] {
        let data = golden(&format!("data/squad2-tiny.{}.json", split.name()));
        let examples = read_task(&data, "squad", split).unwrap();
        assert_eq!(examples.examples.len(), 60);
        for (max_seq_length, doc_stride) in [(192, 64), (256, 128)] {
            let name = format!(
                "data/features.squad2-tiny.{max_seq_length}.{}.jsonl.xz",
                split.name()
            );
            let options = options(max_seq_length, doc_stride, split);
            assert_features(&examples, &tokenizer, options, &golden(&name));
        }
    }
}

#[test]
fn seven_scripts_equal_the_reference() {
    let tokenizer = full_tokenizer();
    for script in SCRIPTS {
        let examples = squadv1_train(&golden(&format!("data/xquad.{script}.json.xz")));
        assert_eq!(
            (examples.examples.len(), examples.skipped.len()),
            (52, 0),
            "{script}"
        );
        let expected = golden(&format!("data/features.xquad.{script}.384.train.jsonl.xz"));
        assert_features(
            &examples,
            &tokenizer,
            options(384, 128, Split::Train),
            &expected,
        );
    }
}

#[test]
fn made_up_text_full_of_traps_equals_the_reference() {
    let tokenizer = full_tokenizer();
    // The reference locates 515 of the 600 answers.
    for (split, kept) in [(Split::Train, 515), (Split::Dev, 600)] {
        let path = golden("data/made-up.json.xz");
        let read = ReadOptions {
            task: "squad",
            split,
        };
        let file = QuestionSet::parse(text(&path), "made-up.json", None).unwrap();
        let examples = file.examples(read).unwrap();
        assert_eq!(examples.examples.len(), kept);
        assert_eq!(examples.skipped.len(), 600 - kept);
        let expected = golden(&format!(
            "data/features.made-up.40.{}.jsonl.xz",
            split.name()
        ));
        assert_features(&examples, &tokenizer, options(40, 11, split), &expected);
    }
}

#[test]
fn whole_xquad_files_equal_the_reference() {
    for script in ["en", "zh"] {
        let data = shared(&format!("data/xquad.{script}.json"));
        let features = shared(&format!(
            "reference/features.xquad.{script}.squadv1.train.384.jsonl.xz"
        ));
        if let (Some(data), Some(features)) = (data, features) {
            let examples = squadv1_train(&data);
            let options = options(384, 128, Split::Train);
            assert_features(&examples, &full_tokenizer(), options, &features);
        }
    }
}

#[test]
fn whole_xquad_files_in_seven_scripts_hold_together() {
    let tokenizer = full_tokenizer();
    for script in SCRIPTS {
        let Some(path) = shared(&format!("data/xquad.{script}.json")) else {
            continue;
        };
        let examples = squadv1_train(&path);
        assert_eq!(
            examples.examples.len() + examples.skipped.len(),
            1190,
            "{script}"
        );
        let options = options(128, 48, Split::Train);
        let features = featurize(&examples, &tokenizer, &options).unwrap();
        for example in &examples.examples {
            let of_example: Vec<_> = features.iter().filter(|f| f.eid == example.eid).collect();
            assert_windows(&examples, example.passage, &of_example, &tokenizer);
        }
    }
}

/// Asserts that the windows of one example cover its passage, with each token's maximum context in
/// exactly one.
fn assert_windows(
    examples: &Examples,
    passage: usize,
    features: &[&Feature],
    tokenizer: &Tokenizer,
) {
    let passage = &examples.passages[passage];
    let tokens = tokenizer.tokenize_words(&passage.words).ids;
    let mut covered: Vec<u32> = Vec::new();
    let mut best = 0;
    for (number, feature) in features.iter().enumerate() {
        let window = &feature.input_ids[feature.question_length..feature.input_ids.len() - 1];
        let start = (number * 48.min(128 - feature.question_length - 1)).min(covered.len());
        assert_eq!(covered[start..], window[..covered.len() - start]);
        covered.truncate(start);
        covered.extend(window);
        assert!(
            feature
                .token_to_orig
                .iter()
                .all(|&word| (word as usize) < passage.words.len())
        );
        best += feature.max_context.iter().filter(|best| **best).count();
    }
    assert_eq!(covered, tokens);
    assert_eq!(best, tokens.len());
}

#[test]
fn squad2_dev_has_the_known_lengths() {
    let (Some(data), Some(lengths)) = (
        shared("data/squad2/dev-v2.0.json"),
        shared("gpu/squad2_dev_lengths.json"),
    ) else {
        return;
    };
    let examples = read_task(&data, "squad", Split::Dev).unwrap();
    let features = featurize(&examples, &full_tokenizer(), &options(512, 128, Split::Dev)).unwrap();
    let found: Vec<usize> = features.iter().map(|f| f.input_ids.len()).collect();
    let expected: Vec<usize> = serde_json::from_str(&text(&lengths)).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn mrqa_sample_is_read_whole() {
    let Some(path) = shared("data/newsqa-mrqa/train.jsonl") else {
        return;
    };
    let examples = read_task(&path, "newsqa", Split::Train).unwrap();
    assert_eq!((examples.passages.len(), examples.examples.len()), (3, 17));
    let headless = path.with_file_name("NewsQA_sample.jsonl");
    let read = ReadOptions {
        task: "newsqa",
        split: Split::Train,
    };
    let file = QuestionSet::read(&headless, None).unwrap();
    assert_eq!(file.examples(read).unwrap(), examples);
}

/// From a file to the batches of a run: the order and the size of each are the reference's.
#[test]
fn batches_of_an_unshuffled_run() {
    let data = golden("data/squad2-tiny.train.json");
    let examples = read_task(&data, "squad", Split::Train).unwrap();
    let options = options(192, 64, Split::Train);
    let features = featurize(&examples, &tiny_tokenizer(), &options).unwrap();
    let set = FeatureSet::from(features.as_slice());
    let plan = PlanOptions {
        batch_size: 8,
        epochs: 2.0,
        seed: 1,
        shuffle: false,
        length_bucketing: false,
    };
    let mut plan = BatchPlan::new(set.lengths(), plan).unwrap();
    assert_eq!(plan.steps(), 38);
    let mut rows = 0;
    for step in 0..plan.steps() {
        let batch = Batch::collate(&set, plan.features(step)).unwrap();
        assert_eq!(batch.size, if step % 19 == 18 { 4 } else { 8 });
        for (row, &index) in batch.features.iter().enumerate() {
            assert_eq!(index, rows % 148);
            rows += 1;
            let feature = &features[index];
            let from = batch.lengths[..row].iter().sum::<usize>();
            assert_eq!(batch.input_ids[from], 2, "[CLS] opens each row");
            let last = from + feature.input_ids.len() - 1;
            assert_eq!((batch.input_ids[last], batch.segment_ids[last]), (3, 1));
            let Label::Span { start, .. } = batch.labels[row] else {
                panic!("no span")
            };
            assert_eq!(start as usize, feature.start);
        }
    }
    assert_eq!(rows, 296);
}
