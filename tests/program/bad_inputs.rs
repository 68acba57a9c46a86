//! Tests invalid, damaged and malicious input: each case ends with its exit code and one line,
//! which `docs/bad-inputs.md` shows, without a panic, within bounded memory, and leaves the output
//! of an earlier run unchanged.
//!
//! `ELECTRA_WRITE=1 cargo test --test program bad_inputs` rewrites the page.
#![cfg(target_os = "linux")]

mod parts;
mod pretrain;
mod tasks;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{place::golden, small_run::SmallRun};
use serde_json::{Value, json};

/// Address-space limit in KiB: 4 GiB, so that allocating what a file claims to need fails.
const ADDRESS_SPACE: u32 = 4 << 20;
/// A case that takes longer hangs, however busy the machine.
const SECONDS: u32 = 600;
/// Characters of a message on the page.
const SHOWN: usize = 320;
/// What an earlier run wrote.
const EARLIER: &str = "{\"q1\": \"Ada\"}";

/// A folder with everything that a command needs, which one case damages.
struct Place {
    data: PathBuf,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Writes bytes to a file.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Changes a file.
    fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        edit(&mut bytes);
        self.put(name, bytes);
    }

    /// Changes a JSON file.
    fn edit_json(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        edit(&mut value);
        self.put(name, value.to_string());
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }
}

const MODEL: &str = "models/electra_tiny";
const TRAIN: &str = "finetuning_data/squad/train.json";
const VOCAB: &str = "models/electra_tiny/vocab.txt";
const RECORD: &str = "models/electra_tiny/model.bpk";
const TRAINED: &str = "trained";

/// Returns the arguments of a run with the hyper-parameters in `changed`.
fn finetune(changed: Value) -> Vec<String> {
    let mut hparams = SmallRun::hparams();
    for (key, value) in changed.as_object().unwrap() {
        hparams[key] = value.clone();
    }
    finetune_with(&hparams.to_string())
}

fn finetune_with(hparams: &str) -> Vec<String> {
    words(&[
        "finetune",
        "--data-dir",
        ".",
        "--model-name",
        "electra_tiny",
    ])
    .into_iter()
    .chain(words(&["--hparams", hparams]))
    .collect()
}

fn plain() -> Vec<String> {
    finetune(json!({}))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn predict() -> Vec<String> {
    words(&[
        "predict",
        "--checkpoint",
        TRAINED,
        "--data",
        TRAIN,
        "--output",
        "answers",
    ])
}

fn score() -> Vec<String> {
    words(&[
        "score",
        "--data",
        "score.json",
        "--predictions",
        "predictions.json",
    ])
}

fn ask(question: &str, passage: &str) -> Vec<String> {
    words(&[
        "ask",
        "--checkpoint",
        TRAINED,
        "--question",
        question,
        "--passage",
        passage,
    ])
}

fn nested(depth: usize) -> String {
    "[".repeat(depth)
}

/// Returns a data set of one paragraph with one question.
fn squad(question: Value) -> String {
    json!({"version": "v2.0", "data": [{"title": "t", "paragraphs": [
        {"context": "Ada wrote it.", "qas": [question]}
    ]}]})
    .to_string()
}

fn question() -> Value {
    json!({"id": "q1", "question": "Who?", "is_impossible": false,
        "answers": [{"text": "Ada", "answer_start": 0}]})
}

fn question_with(key: &str, value: Value) -> String {
    let mut question = question();
    question[key] = value;
    squad(question)
}

fn question_without(key: &str) -> String {
    let mut question = question();
    question.as_object_mut().unwrap().remove(key);
    squad(question)
}

/// Replaces the record by a TensorFlow checkpoint.
fn tensorflow(place: &Place) {
    for name in ["model.bpk", "config.json", "conversion.json"] {
        place.remove(&format!("{MODEL}/{name}"));
    }
    let bytes = fs::read(golden("models/electra_tiny.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).unwrap();
        let name = Path::new(member.name()).file_name().unwrap().to_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        place.put(&format!("{MODEL}/{}", name.to_str().unwrap()), bytes);
    }
}

/// What is wrong, how it is set up, and the command that encounters it.
type Case = (&'static str, fn(&Place) -> Vec<String>);

const SECTIONS: &[(&str, u8, &[Case])] = &[
    ("Hyper-parameters", 2, HPARAMS),
    ("Question files", 2, QUESTIONS),
    ("Vocabularies", 2, VOCABULARIES),
    ("Models", 2, MODELS),
    ("TensorFlow checkpoints", 2, CHECKPOINTS),
    ("Predictions and scores", 2, SCORES),
    ("Asking", 2, ASKING),
    ("Data sets", 2, DATA_SETS),
    ("Labelled texts", 2, tasks::TEXTS),
    ("Tagged words", 2, tasks::WORDS),
    ("Descriptions of tasks", 2, tasks::DESCRIPTIONS),
    ("Recorded orders", 2, tasks::ORDERS),
    ("Data checked and made into tasks", 2, tasks::FOLDERS),
    ("Data files split, merged and compared", 2, parts::PARTS),
    ("Text for pre-training", 2, pretrain::CORPORA),
    ("Examples for pre-training", 2, pretrain::EXAMPLES),
    ("Devices and memory", 3, DEVICES),
];

const HPARAMS: &[Case] = &[
    ("JSON that ends early", |_| {
        finetune_with(r#"{"task_names": ["squad""#)
    }),
    ("a list", |_| finetune_with("[]")),
    ("lists nested 200,000 deep", |place| {
        place.put("h.json", format!(r#"{{"seed": {}"#, nested(200_000)));
        finetune_with("h.json")
    }),
    ("a file that is not there", |_| finetune_with("none.json")),
    ("a file that is not UTF-8", |place| {
        place.put("h.json", b"{\"seed\": \xff}");
        finetune_with("h.json")
    }),
    ("an empty file", |place| {
        place.put("h.json", "");
        finetune_with("h.json")
    }),
    ("an unknown key", |_| {
        finetune(json!({"learning_rat": 1e-4}))
    }),
    ("text for a number", |_| {
        finetune(json!({"train_batch_size": "many"}))
    }),
    ("a fraction for a whole number", |_| {
        finetune(json!({"train_batch_size": 2.5}))
    }),
    ("a batch of nothing", |_| {
        finetune(json!({"train_batch_size": 0}))
    }),
    ("a batch of 2^64 - 1", |_| {
        finetune(json!({"train_batch_size": u64::MAX}))
    }),
    ("a negative length", |_| {
        finetune(json!({"max_seq_length": -1}))
    }),
    ("a length beyond the model's positions", |_| {
        finetune(json!({"max_seq_length": 100_000}))
    }),
    ("windows that never move", |_| {
        finetune(json!({"doc_stride": 0}))
    }),
    ("less than no epochs", |_| {
        finetune(json!({"num_train_epochs": -1}))
    }),
    ("10^300 epochs", |_| {
        finetune(json!({"num_train_epochs": 1e300}))
    }),
    ("a negative learning rate", |_| {
        finetune(json!({"learning_rate": -1.0}))
    }),
    ("a part of no example", |_| {
        finetune(json!({"max_train_examples": 0}))
    }),
    ("a part of evaluations that are not made", |_| {
        finetune(json!({"eval_max_examples": 5}))
    }),
    ("a rate that falls in a way of its own", |_| {
        finetune(json!({"lr_schedule": "polynomial"}))
    }),
    ("labels that are smoothed away", |_| {
        finetune(json!({"label_smoothing": 1}))
    }),
    ("answers to questions that are smoothed", |_| {
        finetune(json!({"label_smoothing": 0.1}))
    }),
    ("a beam of nothing", |_| finetune(json!({"beam_size": 0}))),
    ("no task", |_| finetune(json!({"task_names": []}))),
    ("an unknown task", |_| {
        finetune(json!({"task_names": ["sqad"]}))
    }),
    ("the same task twice", |_| {
        finetune(json!({"task_names": ["squad", "squad"]}))
    }),
    ("an unknown size", |_| {
        finetune(json!({"model_size": "huge"}))
    }),
    ("a width that its heads do not divide", |_| {
        finetune(json!({"model_hparam_overrides": {"hidden_size": 127}}))
    }),
    ("a width of 10^18", |_| {
        finetune(json!({"model_hparam_overrides": {"hidden_size": 1_000_000_000_000_000_000_u64}}))
    }),
    ("4 billion layers", |_| {
        finetune(json!({"model_hparam_overrides": {"num_hidden_layers": u32::MAX}}))
    }),
    ("a vocabulary size that is not the file's", |_| {
        finetune(json!({"vocab_size": 30_522}))
    }),
    ("--set without a value", |_| {
        let mut arguments = plain();
        arguments.extend(words(&["--set", "seed"]));
        arguments
    }),
    ("a model folder that is not there", |_| {
        words(&[
            "finetune",
            "--data-dir",
            ".",
            "--model-name",
            "none",
            "--set",
            "task_names=squad",
        ])
    }),
];

const QUESTIONS: &[Case] = &[
    ("no file", |place| {
        place.remove(TRAIN);
        plain()
    }),
    ("a folder in the file's place", |place| {
        place.remove(TRAIN);
        fs::create_dir(place.path(TRAIN)).unwrap();
        plain()
    }),
    ("an empty file", |place| {
        place.put(TRAIN, "");
        plain()
    }),
    ("a file that was cut", |place| {
        place.edit(TRAIN, |bytes| bytes.truncate(bytes.len() / 2));
        plain()
    }),
    ("a list", |place| {
        place.put(TRAIN, "[]");
        plain()
    }),
    ("lists nested 1,000,000 deep", |place| {
        place.put(TRAIN, format!(r#"{{"data": {}"#, nested(1_000_000)));
        plain()
    }),
    ("lists nested deep under an unknown key", |place| {
        place.put(TRAIN, format!(r#"{{"extra": {}"#, nested(1_000_000)));
        plain()
    }),
    ("bytes that are not UTF-8", |place| {
        place.edit(TRAIN, |bytes| bytes[200] = 0xff);
        plain()
    }),
    ("a zip archive", |place| {
        place.put(TRAIN, fs::read(golden("models/electra_tiny.zip")).unwrap());
        plain()
    }),
    ("a Parquet file", |place| {
        place.put(TRAIN, b"PAR1\x15\x04\x15\x10");
        plain()
    }),
    ("text of PowerShell, in UTF-16", |place| {
        let text = squad(question());
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        place.put(
            TRAIN,
            [0xFF, 0xFE].into_iter().chain(units).collect::<Vec<_>>(),
        );
        plain()
    }),
    ("an endless device", |place| {
        place.remove(TRAIN);
        std::os::unix::fs::symlink("/dev/zero", place.path(TRAIN)).unwrap();
        plain()
    }),
    ("QuAC's own file", |place| {
        place.put(TRAIN, fs::read(golden("dataset/quac.json")).unwrap());
        plain()
    }),
    ("columns in the place of rows", |place| {
        place.put(
            TRAIN,
            r#"{"id": {"0": "1"}, "context": {"0": "Ada."}, "question": {"0": "?"}}"#,
        );
        plain()
    }),
    ("text for the articles", |place| {
        place.put(TRAIN, r#"{"version": "v2.0", "data": "none"}"#);
        plain()
    }),
    ("no article", |place| {
        place.put(TRAIN, r#"{"version": "v2.0", "data": []}"#);
        plain()
    }),
    ("a question without id", |place| {
        place.put(TRAIN, question_without("id"));
        plain()
    }),
    ("a question without text", |place| {
        place.put(TRAIN, question_without("question"));
        plain()
    }),
    ("a question without answers", |place| {
        place.put(TRAIN, question_without("answers"));
        plain()
    }),
    ("an answerable question with no answer", |place| {
        place.put(TRAIN, question_with("answers", json!([])));
        plain()
    }),
    ("text for is_impossible", |place| {
        place.put(TRAIN, question_with("is_impossible", json!("no")));
        plain()
    }),
    ("a negative answer_start", |place| {
        place.put(
            TRAIN,
            question_with("answers", json!([{"text": "Ada", "answer_start": -5}])),
        );
        plain()
    }),
    ("an answer_start beyond the passage", |place| {
        let answers = json!([{"text": "Ada", "answer_start": 1_000_000}]);
        place.put(TRAIN, question_with("answers", answers));
        plain()
    }),
    ("an answer_start of 2^64", |place| {
        let question = question_with("answers", json!([{"text": "Ada", "answer_start": 7}]));
        place.put(TRAIN, question.replace(":7", ":18446744073709551616"));
        plain()
    }),
    ("an answer without text", |place| {
        place.put(
            TRAIN,
            question_with("answers", json!([{"answer_start": 0}])),
        );
        plain()
    }),
    ("a passage that is a number", |place| {
        place.put(TRAIN, squad(question()).replace(r#""Ada wrote it.""#, "12"));
        plain()
    }),
    ("MRQA: a line that is no JSON", |place| {
        place.put(
            "finetuning_data/newsqa/train.jsonl",
            "{\"header\": {}}\n{\"context\n",
        );
        finetune(json!({"task_names": ["newsqa"]}))
    }),
    ("MRQA: a question without its place", |place| {
        let line = r#"{"context": "Ada wrote it.", "qas": [{"qid": "1", "question": "Who?", "answers": ["Ada"], "detected_answers": []}]}"#;
        place.put(
            "finetuning_data/newsqa/train.jsonl",
            format!("{{\"header\": {{}}}}\n{line}\n"),
        );
        finetune(json!({"task_names": ["newsqa"]}))
    }),
    ("MRQA: a place beyond the passage", |place| {
        let line = r#"{"context": "Ada wrote it.", "qas": [{"qid": "1", "question": "Who?", "answers": ["Ada"], "detected_answers": [{"text": "Ada", "char_spans": [[999999999999, 1]]}]}]}"#;
        place.put(
            "finetuning_data/newsqa/train.jsonl",
            format!("{{\"header\": {{}}}}\n{line}\n"),
        );
        finetune(json!({"task_names": ["newsqa"]}))
    }),
];

const VOCABULARIES: &[Case] = &[
    ("no file", |place| {
        place.remove(VOCAB);
        plain()
    }),
    ("an empty file", |place| {
        place.put(VOCAB, "");
        plain()
    }),
    ("no [UNK]", |place| {
        let text = fs::read_to_string(place.path(VOCAB)).unwrap();
        place.put(VOCAB, text.replace("[UNK]", "unknown"));
        plain()
    }),
    ("bytes that are not UTF-8", |place| {
        place.edit(VOCAB, |bytes| bytes[3000] = 0xff);
        plain()
    }),
    ("more words than the model has", |place| {
        place.edit(VOCAB, |bytes| bytes.extend_from_slice(b"one\ntwo\nthree\n"));
        plain()
    }),
    ("one line of 50 MB", |place| {
        place.put(VOCAB, vec![b'a'; 50_000_000]);
        plain()
    }),
];

/// Changes a value in a trained model's config.json; returns a command that reads the model.
fn config_with(place: &Place, key: &str, value: Value) -> Vec<String> {
    place.edit_json("trained/config.json", |config| {
        config["model_hparam_overrides"][key] = value;
    });
    predict()
}

const MODELS: &[Case] = &[
    ("config.json: none", |place| {
        place.remove("trained/config.json");
        predict()
    }),
    ("config.json: not JSON", |place| {
        place.put("trained/config.json", "{");
        predict()
    }),
    ("config.json: nested 200,000 deep", |place| {
        place.put("trained/config.json", nested(200_000));
        predict()
    }),
    ("config.json: an empty object", |place| {
        place.put("trained/config.json", "{}");
        predict()
    }),
    ("config.json: width 0", |place| {
        config_with(place, "hidden_size", json!(0))
    }),
    ("config.json: width 10^15", |place| {
        config_with(place, "hidden_size", json!(1_000_000_000_000_000_u64))
    }),
    ("config.json: 10^12 layers", |place| {
        config_with(place, "num_hidden_layers", json!(1_000_000_000_000_u64))
    }),
    ("config.json: one layer more", |place| {
        config_with(place, "num_hidden_layers", json!(5))
    }),
    ("config.json: 10^15 words", |place| {
        config_with(place, "vocab_size", json!(1_000_000_000_000_000_u64))
    }),
    ("config.json: no heads", |place| {
        config_with(place, "num_attention_heads", json!(0))
    }),
    ("model.bpk: none", |place| {
        place.remove("trained/model.bpk");
        predict()
    }),
    ("model.bpk: empty", |place| {
        place.put("trained/model.bpk", "");
        predict()
    }),
    ("model.bpk: text", |place| {
        place.put(
            "trained/model.bpk",
            "version https://git-lfs.github.com/spec/v1\n",
        );
        predict()
    }),
    ("model.bpk: cut", |place| {
        place.edit("trained/model.bpk", |bytes| bytes.truncate(bytes.len() / 2));
        predict()
    }),
    ("model.bpk: metadata of 4 GB", |place| {
        place.edit("trained/model.bpk", |bytes| bytes[6..10].fill(0xff));
        predict()
    }),
    ("model.bpk: bits flipped in the metadata", |place| {
        place.edit("trained/model.bpk", |bytes| bytes[20..24].fill(0x5a));
        predict()
    }),
    ("model.bpk: another model's", |place| {
        fs::copy(place.path(RECORD), place.path("trained/model.bpk")).unwrap();
        predict()
    }),
    ("a folder without a model", |place| {
        fs::create_dir(place.path("empty")).unwrap();
        words(&[
            "predict",
            "--checkpoint",
            "empty",
            "--data",
            TRAIN,
            "--output",
            "answers",
        ])
    }),
    ("pre-trained model.bpk: cut", |place| {
        place.edit(RECORD, |bytes| bytes.truncate(1000));
        plain()
    }),
    ("pre-trained model.bpk: a bit flipped", |place| {
        place.edit(RECORD, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        plain()
    }),
    ("pre-trained model.bpk: without its last byte", |place| {
        place.edit(RECORD, |bytes| bytes.truncate(bytes.len() - 1));
        plain()
    }),
    ("pre-trained model.bpk: of another conversion", |place| {
        place.edit_json("models/electra_tiny/conversion.json", |report| {
            report["record"] = json!("0123456789abcdef0123456789abcdef");
        });
        plain()
    }),
];

const CHECKPOINTS: &[Case] = &[
    ("an index that was cut", |place| {
        tensorflow(place);
        place.edit(&format!("{MODEL}/electra_tiny.index"), |bytes| {
            bytes.truncate(3000)
        });
        plain()
    }),
    ("an empty index", |place| {
        tensorflow(place);
        place.put(&format!("{MODEL}/electra_tiny.index"), "");
        plain()
    }),
    ("a bit flipped in the index", |place| {
        tensorflow(place);
        place.edit(&format!("{MODEL}/electra_tiny.index"), |bytes| {
            bytes[1000] ^= 1
        });
        plain()
    }),
    ("no data file", |place| {
        tensorflow(place);
        place.remove(&format!("{MODEL}/electra_tiny.data-00000-of-00001"));
        plain()
    }),
    ("a data file that was cut", |place| {
        tensorflow(place);
        place.edit(
            &format!("{MODEL}/electra_tiny.data-00000-of-00001"),
            |bytes| {
                bytes.truncate(bytes.len() / 2);
            },
        );
        plain()
    }),
    ("a bit flipped in the data", |place| {
        tensorflow(place);
        place.edit(
            &format!("{MODEL}/electra_tiny.data-00000-of-00001"),
            |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            },
        );
        plain()
    }),
    ("two indexes, none named", |place| {
        tensorflow(place);
        place.remove(&format!("{MODEL}/checkpoint"));
        let index = fs::read(place.path(&format!("{MODEL}/electra_tiny.index"))).unwrap();
        place.put(&format!("{MODEL}/other.index"), index);
        plain()
    }),
];

const SCORES: &[Case] = &[
    ("predictions: none", |place| {
        place.remove("predictions.json");
        score()
    }),
    ("predictions: a list", |place| {
        place.put("predictions.json", "[]");
        score()
    }),
    ("predictions: numbers for texts", |place| {
        place.put("predictions.json", r#"{"q1": 3}"#);
        score()
    }),
    ("predictions: cut", |place| {
        place.put("predictions.json", r#"{"q1": "Ad"#);
        score()
    }),
    ("predictions: nested 200,000 deep", |place| {
        place.put(
            "predictions.json",
            format!(r#"{{"q1": {}"#, nested(200_000)),
        );
        score()
    }),
    ("predictions: none of the questions", |place| {
        place.put("predictions.json", r#"{"other": "Ada"}"#);
        score()
    }),
    ("null odds: text for a number", |place| {
        place.put("odds.json", r#"{"q1": "high"}"#);
        let mut arguments = score();
        arguments.extend(words(&["--null-odds", "odds.json"]));
        arguments
    }),
    ("null odds: NaN", |place| {
        place.put("odds.json", r#"{"q1": NaN}"#);
        let mut arguments = score();
        arguments.extend(words(&["--null-odds", "odds.json"]));
        arguments
    }),
    ("null odds: a question is missing", |place| {
        place.put("odds.json", "{}");
        let mut arguments = score();
        arguments.extend(words(&["--null-odds", "odds.json"]));
        arguments
    }),
    ("a threshold that is no number", |_| {
        let mut arguments = score();
        arguments.extend(words(&["--threshold", "NaN"]));
        arguments
    }),
    ("a metric of another format", |_| {
        let mut arguments = score();
        arguments.extend(words(&["--metric", "mrqa"]));
        arguments
    }),
    ("data that is no data set", |place| {
        place.put("score.json", "{}");
        score()
    }),
];

/// Returns a conversion that would replace an earlier run's answers.
fn convert(data_set: &str, input: &str) -> Vec<String> {
    words(&["data", data_set, input, "answers/preds.json"])
}

fn check(file: &str) -> Vec<String> {
    words(&["data", "check", file])
}

/// Returns a dialogue of one question in QuAC's format.
fn quac(key: &str, value: Value) -> String {
    let answer = json!({"text": "Ada", "answer_start": 0});
    let mut question = question();
    question["answers"] = json!([answer]);
    question["orig_answer"] = answer;
    question[key] = value;
    squad(question)
}

const NEWSQA_COLUMNS: &str = "story_id,story_text,question,answer_token_ranges\n";

const DATA_SETS: &[Case] = &[
    ("QuAC: no file", |_| convert("quac", "none.json")),
    ("QuAC: a file that was cut", |place| {
        let whole = quac("yesno", json!("x"));
        place.put("in.json", &whole[..whole.len() - 40]);
        convert("quac", "in.json")
    }),
    ("QuAC: SQuAD's file", |place| {
        place.put("in.json", squad(question()));
        convert("quac", "in.json")
    }),
    ("QuAC: lists nested deep under an unknown key", |place| {
        place.put("in.json", format!("{{\"x\": {}", nested(1_000_000)));
        convert("quac", "in.json")
    }),
    ("QuAC: no answer at its place", |place| {
        place.put(
            "in.json",
            quac("yesno", json!("x")).replace("\"Ada\"", "\"Eve\""),
        );
        convert("quac", "in.json")
    }),
    ("QuAC: --history 1000", |_| {
        [convert("quac", "in.json"), words(&["--history", "1000"])].concat()
    }),
    ("the output is the input", |place| {
        place.put("answers/preds.json", EARLIER);
        convert("quac", "answers/preds.json")
    }),
    ("NewsQA: another csv", |place| {
        place.put("in.csv", "id,text\n1,a\n");
        convert("newsqa", "in.csv")
    }),
    ("NewsQA: a row that lacks a column", |place| {
        place.put("in.csv", format!("{NEWSQA_COLUMNS}a,An oak .,What ?\n"));
        convert("newsqa", "in.csv")
    }),
    ("NewsQA: a quote that never ends", |place| {
        let rows = "b,An oak .,What ?,1:2\n".repeat(100_000);
        place.put(
            "in.csv",
            format!("{NEWSQA_COLUMNS}a,\"An oak .,What ?,1:2\n{rows}"),
        );
        convert("newsqa", "in.csv")
    }),
    ("NewsQA: bytes that are not UTF-8", |place| {
        let mut bytes = format!("{NEWSQA_COLUMNS}a,An oak ").into_bytes();
        bytes.extend(b"\xE9,What ?,1:2\n");
        place.put("in.csv", bytes);
        convert("newsqa", "in.csv")
    }),
    ("NewsQA: no range that can be read", |place| {
        let row = "a,An oak .,What ?,18446744073709551616:0\n";
        place.put("in.csv", format!("{NEWSQA_COLUMNS}{row}"));
        convert("newsqa", "in.csv")
    }),
    ("MRQA: an archive that was cut", |place| {
        place.put("in.jsonl.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xCB]);
        convert("mrqa", "in.jsonl.gz")
    }),
    ("MRQA: a line that is no JSON", |place| {
        place.put("in.jsonl", "{\"header\": {}}\n{\"context\": \"");
        convert("mrqa", "in.jsonl")
    }),
    ("check: no data file", |place| {
        place.put("in.txt", "Ada wrote it.\n");
        check("in.txt")
    }),
    ("check: an empty file", |place| {
        place.put("in.json", "");
        check("in.json")
    }),
    ("check: questions without a right answer", |place| {
        let moved = json!([{"text": "Ada", "answer_start": 2}]);
        place.put("in.json", question_with("answers", moved));
        check("in.json")
    }),
    ("check: windows that never move", |_| {
        [check("score.json"), words(&["--doc-stride", "0"])].concat()
    }),
];

const ASKING: &[Case] = &[
    ("an empty question", |_| ask("", "Ada wrote it.")),
    ("an empty passage", |_| ask("Who?", " \n")),
    ("a question file that is not there", |_| {
        words(&[
            "predict",
            "--checkpoint",
            TRAINED,
            "--data",
            "none.json",
            "--output",
            "answers",
        ])
    }),
    ("a file in the output folder's place", |place| {
        fs::remove_dir_all(place.path("answers")).unwrap();
        place.put("answers", "mine");
        predict()
    }),
    ("a model that was not fine-tuned", |_| {
        words(&[
            "predict",
            "--checkpoint",
            MODEL,
            "--data",
            TRAIN,
            "--output",
            "answers",
        ])
    }),
    ("a device of no such name", |_| {
        let mut arguments = predict();
        arguments.extend(words(&["--device", "cuda"]));
        arguments
    }),
    ("a budget that is no size", |_| {
        let mut arguments = predict();
        arguments.extend(words(&["--memory-budget", "lots"]));
        arguments
    }),
];

const DEVICES: &[Case] = &[
    ("a graphics card that is not there", |_| {
        let mut arguments = plain();
        arguments.extend(words(&["--device", "gpu:99"]));
        arguments
    }),
    ("a budget below one sequence's need", |_| {
        let mut arguments = plain();
        arguments.extend(words(&["--memory-budget", "1MiB"]));
        arguments
    }),
];

/// The outcome of a case.
struct Ending {
    code: Option<i32>,
    stderr: String,
    /// The contents of an earlier run's file.
    earlier: Option<String>,
}

/// Copies the prepared folder for one case.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs a case in its own folder, with limits on the program's time and address space.
fn run(prepared: &Path, case: &Case) -> Ending {
    let folder = tempfile::tempdir().unwrap();
    let place = Place {
        data: folder.path().to_owned(),
    };
    copy(prepared, folder.path());
    let arguments = (case.1)(&place);
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -v {ADDRESS_SPACE}; exec timeout {SECONDS} \"$0\" \"$@\""
        ))
        .arg(env!("CARGO_BIN_EXE_electra"))
        .args(&arguments)
        .current_dir(folder.path())
        .env("ELECTRA_DEVICE", "cpu")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ending {
        code: output.status.code(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        earlier: fs::read_to_string(place.path("answers/preds.json")).ok(),
    }
}

/// Prepares the starting point of all cases: a pre-trained model, one fine-tuned for a few steps,
/// questions, predictions, and answers of an earlier run.
fn prepare(folder: &Path) {
    let training = SmallRun::in_folder(folder);
    training.finish();
    let trained = folder.join(TRAINED);
    fs::create_dir(&trained).unwrap();
    for name in ["model.bpk", "config.json", "vocab.txt"] {
        fs::copy(training.model_dir().join(name), trained.join(name)).unwrap();
    }
    fs::remove_dir_all(folder.join(MODEL).join("finetuning_models")).unwrap();
    fs::write(folder.join("score.json"), squad(question())).unwrap();
    fs::write(folder.join("predictions.json"), r#"{"q1": "Ada"}"#).unwrap();
    fs::create_dir(folder.join("answers")).unwrap();
    fs::write(folder.join("answers/preds.json"), EARLIER).unwrap();
}

/// Runs all cases in parallel on all cores and returns their outcomes in order.
fn run_all(prepared: &Path) -> Vec<Ending> {
    let cases: Vec<&Case> = SECTIONS.iter().flat_map(|(_, _, cases)| *cases).collect();
    let endings: Vec<OnceLock<Ending>> = cases.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(i) else { break };
                    assert!(endings[i].set(run(prepared, case)).is_ok());
                }
            });
        }
    });
    endings
        .into_iter()
        .map(|ending| ending.into_inner().unwrap())
        .collect()
}

/// Formats the error's line for the page, truncated if it is long.
fn shown(line: &str) -> String {
    let line = line.replace('|', "\\|");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", line[..end].trim_end()),
        None => line,
    }
}

#[test]
fn bad_input_ends_with_its_code_and_one_line() {
    let prepared = tempfile::tempdir().unwrap();
    prepare(prepared.path());
    let mut endings = run_all(prepared.path()).into_iter();
    let mut page = String::from(
        "# Bad input\n\nWhat the program says to input that is wrong, damaged or hostile. A test \
         tries each of these and compares what it says with this page; each ends with its exit \
         code and one line, in less than 4 GiB, and what an earlier run wrote stays as it was.\n",
    );
    let mut wrong = String::new();
    for (title, code, cases) in SECTIONS {
        page += &format!("\n## {title}: exit code {code}\n\n| input | message |\n|---|---|\n");
        for (what, _) in *cases {
            let Ending {
                code: ended,
                stderr,
                earlier,
            } = endings.next().unwrap();
            let errors: Vec<&str> = stderr
                .lines()
                .filter_map(|line| line.strip_prefix("error: "))
                .collect();
            let kept = earlier.is_none_or(|text| text == EARLIER || text == "mine");
            let [error] = errors[..] else {
                wrong += &format!("{title}: {what}: {ended:?}: {stderr}\n");
                continue;
            };
            if ended != Some(i32::from(*code)) || stderr.contains("panicked") || !kept {
                wrong += &format!("{title}: {what}: {ended:?}: kept {kept}: {stderr}\n");
            }
            page += &format!("| {what} | {} |\n", shown(error));
        }
    }
    assert_eq!(wrong, "");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bad-inputs.md");
    if std::env::var_os("ELECTRA_WRITE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    for (ours, theirs) in page.lines().zip(expected.lines()) {
        assert_eq!(
            ours, theirs,
            "ELECTRA_WRITE=1 writes docs/bad-inputs.md anew"
        );
    }
    assert_eq!(page.lines().count(), expected.lines().count());
}
