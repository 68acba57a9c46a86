//! Bad input for tasks other than question answering: tables, tagged words, descriptions, orders.

use std::{fs, io::Write};

use serde_json::json;

use super::{Case, Place, finetune, words};
use crate::support::place::golden;

const CLASSES: &str = r#"{"kind": "classification"}"#;
const NUMBERS: &str = r#"{"kind": "regression"}"#;
const TAGS: &str = r#"{"kind": "tagging"}"#;
const GOOD: &str = "text,label\na,x\nb,y\n";

/// Returns a run of a user-defined task.
fn own(place: &Place, description: &str, files: &[(&str, &[u8])]) -> Vec<String> {
    place.put("finetuning_data/mine/task.json", description);
    for (name, bytes) in files {
        place.put(&format!("finetuning_data/mine/{name}"), bytes);
    }
    let evaluated = files.iter().any(|(name, _)| name.starts_with("dev"));
    finetune(json!({"task_names": ["mine"], "do_eval": evaluated}))
}

fn classes(place: &Place, name: &str, text: impl AsRef<[u8]>) -> Vec<String> {
    own(place, CLASSES, &[(name, text.as_ref())])
}

fn tags(place: &Place, name: &str, text: impl AsRef<[u8]>) -> Vec<String> {
    own(place, TAGS, &[(name, text.as_ref())])
}

/// Returns a run of one of the engine's built-in tasks.
fn ours(place: &Place, task: &str, name: &str, text: &str) -> Vec<String> {
    place.put(&format!("finetuning_data/{task}/{name}"), text);
    finetune(json!({"task_names": [task]}))
}

fn described(place: &Place, description: &str) -> Vec<String> {
    own(place, description, &[("train.csv", GOOD.as_bytes())])
}

fn data(arguments: &[&str]) -> Vec<String> {
    words(&[&["data"], arguments].concat())
}

pub const TEXTS: &[Case] = &[
    ("no file", |place| own(place, CLASSES, &[])),
    ("a folder in the file's place", |place| {
        fs::create_dir_all(place.path("finetuning_data/mine/train.csv")).unwrap();
        own(place, CLASSES, &[])
    }),
    ("two files for one split", |place| {
        let both: [(&str, &[u8]); 2] = [("train.csv", b"a"), ("train.tsv", b"a")];
        own(place, CLASSES, &both)
    }),
    ("an empty file", |place| classes(place, "train.csv", "")),
    ("a header alone", |place| {
        classes(place, "train.tsv", "text\tlabel\n")
    }),
    ("no column of a text", |place| {
        classes(place, "train.csv", "body,label\na,x\n")
    }),
    ("no column of labels", |place| {
        classes(place, "train.csv", "text,class\na,x\n")
    }),
    ("two columns of one name", |place| {
        classes(place, "train.csv", "text,label,text\na,x,b\n")
    }),
    ("two columns that may be the text", |place| {
        classes(
            place,
            "train.csv",
            "text,premise,hypothesis,label\na,b,c,x\n",
        )
    }),
    ("one label only", |place| {
        classes(place, "train.csv", "text,label\na,x\nb,x\n")
    }),
    ("more labels than there can be", |place| {
        let rows: String = (0..1001).map(|n| format!("a,{n}\n")).collect();
        classes(place, "train.csv", format!("text,label\n{rows}"))
    }),
    ("a row without a label", |place| {
        classes(place, "train.csv", "text,label\na,x\nb,\n")
    }),
    ("a label that the train file lacks", |place| {
        let dev = b"text,label\na,x\nb,z\n";
        own(
            place,
            CLASSES,
            &[("train.csv", GOOD.as_bytes()), ("dev.csv", dev)],
        )
    }),
    ("csv: a row that lacks a column", |place| {
        classes(place, "train.csv", "text,label\na,x\nb\n")
    }),
    ("csv: a quote that never ends", |place| {
        classes(place, "train.csv", "text,label\na,x\n\"b,y\nc,x\n")
    }),
    ("csv: a NUL", |place| {
        classes(place, "train.csv", "text,label\na,x\nb\0,y\n")
    }),
    ("csv: bytes that are not UTF-8", |place| {
        classes(place, "train.csv", b"text,label\na,x\ncaf\xE9,y\n")
    }),
    ("csv: a text of 70 MB", |place| {
        classes(
            place,
            "train.csv",
            format!("text,label\n\"{}", "a".repeat(70_000_000)),
        )
    }),
    ("TSV: a row with more columns", |place| {
        classes(place, "train.tsv", "text\tlabel\na\tx\nb\ty\tz\n")
    }),
    ("TSV: commas for tabs", |place| {
        classes(place, "train.tsv", GOOD)
    }),
    ("TSV: a NUL", |place| {
        classes(place, "train.tsv", "text\tlabel\na\tx\n\0\ty\n")
    }),
    ("TSV: bytes that are not UTF-8", |place| {
        classes(place, "train.tsv", b"text\tlabel\na\tx\ncaf\xE9\ty\n")
    }),
    ("TSV: a carriage return inside a line", |place| {
        classes(place, "train.tsv", "text\tlabel\na\tx\nb\rc\ty\n")
    }),
    ("TSV: a cell of 200,000 characters", |place| {
        classes(
            place,
            "train.tsv",
            format!("text\tlabel\n{}\tx\n", "a".repeat(200_000)),
        )
    }),
    ("JSON lines: a line that ends early", |place| {
        classes(
            place,
            "train.jsonl",
            "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\"\n",
        )
    }),
    ("JSON lines: a line of 70 MB", |place| {
        classes(
            place,
            "train.jsonl",
            format!("{{\"text\": \"{}", "a".repeat(70_000_000)),
        )
    }),
    ("JSON lines: a row that is a list", |place| {
        classes(
            place,
            "train.jsonl",
            "{\"text\": \"a\", \"label\": \"x\"}\n[1]\n",
        )
    }),
    ("JSON lines: lists nested 200,000 deep", |place| {
        classes(
            place,
            "train.jsonl",
            format!("{{\"text\": {}", "[".repeat(200_000)),
        )
    }),
    ("JSON lines: a number for a text", |place| {
        classes(
            place,
            "train.jsonl",
            "{\"text\": 5, \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}\n",
        )
    }),
    ("JSON lines: a list for a label", |place| {
        classes(
            place,
            "train.jsonl",
            "{\"text\": \"a\", \"label\": [\"x\"]}\n",
        )
    }),
    ("a JSON list that was cut", |place| {
        classes(
            place,
            "train.json",
            "[{\"text\": \"a\", \"label\": \"x\"}, {\"text\"",
        )
    }),
    ("an archive that was cut", |place| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(GOOD.repeat(99).as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        classes(place, "train.csv.gz", &packed[..packed.len() / 2])
    }),
    ("a zip archive", |place| {
        let bytes = fs::read(golden("models/electra_tiny.zip")).unwrap();
        classes(place, "train.csv", bytes)
    }),
    ("a Parquet file", |place| {
        classes(place, "train.csv", b"PAR1\x15\x04\x15\x10")
    }),
    ("text of PowerShell, in UTF-16", |place| {
        let units = GOOD.encode_utf16().flat_map(u16::to_le_bytes);
        let bytes: Vec<u8> = [0xFF, 0xFE].into_iter().chain(units).collect();
        classes(place, "train.csv", bytes)
    }),
    ("a number that is none", |place| {
        own(
            place,
            NUMBERS,
            &[("train.csv", b"text,label\na,1\nb,two\n")],
        )
    }),
    ("a number beyond the range", |place| {
        let ranged = r#"{"kind": "regression", "range": [0, 5]}"#;
        own(place, ranged, &[("train.csv", b"text,label\na,1\nb,5.5\n")])
    }),
    ("NaN for a number", |place| {
        let rows = b"{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": NaN}\n";
        own(place, NUMBERS, &[("train.jsonl", rows)])
    }),
    ("the same number everywhere", |place| {
        own(place, NUMBERS, &[("train.csv", b"text,label\na,2\nb,2\n")])
    }),
    ("RTE: no file", |_| finetune(json!({"task_names": ["rte"]}))),
    ("RTE: an unknown label", |place| {
        ours(
            place,
            "rte",
            "train.tsv",
            "index\ta\tb\tlabel\n0\tx\ty\tmaybe\n",
        )
    }),
    ("RTE: too few columns everywhere", |place| {
        ours(
            place,
            "rte",
            "train.tsv",
            "index\ta\tb\tlabel\n0\tx\n1\ty\n",
        )
    }),
    ("STS: a score of 7", |place| {
        ours(place, "sts", "train.tsv", "h\n0\ta\tb\t7\n")
    }),
];

pub const WORDS: &[Case] = &[
    ("no file", |place| own(place, TAGS, &[])),
    ("an empty file", |place| tags(place, "train.txt", "")),
    ("nothing but document lines", |place| {
        tags(place, "train.txt", "-DOCSTART- -X- O\n\n")
    }),
    ("words alone", |place| {
        tags(place, "train.txt", "Ada\nwrote\n")
    }),
    ("other columns than on the first line", |place| {
        tags(place, "train.txt", "Ada NNP B-PER\nwrote O\n")
    }),
    ("a tag that is none", |place| {
        tags(place, "train.txt", "Ada NNP\nwrote VBD\n")
    }),
    ("a tag without its type", |place| {
        tags(place, "train.txt", "Ada B-\nwrote O\n")
    }),
    ("an empty word", |place| {
        tags(place, "train.txt", "Ada\tB-PER\n\tO\n")
    }),
    ("no blank line between 10,001 words", |place| {
        tags(place, "train.txt", "Ada B-PER\n".repeat(10_001))
    }),
    ("a carriage return inside a line", |place| {
        tags(place, "train.txt", "Ada B-PER\rwrote O\n")
    }),
    ("a NUL", |place| {
        tags(place, "train.txt", "Ada B-PER\nwro\0te O\n")
    }),
    ("bytes that are not UTF-8", |place| {
        tags(place, "train.txt", b"Ada B-PER\n\xE9 O\n")
    }),
    ("a line of 70 MB", |place| {
        tags(place, "train.txt", "a".repeat(70_000_000))
    }),
    ("JSON lines by another name", |place| {
        tags(
            place,
            "train.txt",
            "{\"tokens\": [\"Ada\"], \"tags\": [\"O\"]}\n",
        )
    }),
    ("JSON lines: fewer tags than words", |place| {
        tags(
            place,
            "train.jsonl",
            "{\"tokens\": [\"Ada\", \"wrote\"], \"tags\": [\"O\"]}\n",
        )
    }),
    ("JSON lines: no tags", |place| {
        tags(place, "train.jsonl", "{\"tokens\": [\"Ada\"]}\n")
    }),
    ("JSON lines: numbers for tags, and no names", |place| {
        tags(
            place,
            "train.jsonl",
            "{\"tokens\": [\"Ada\"], \"tags\": [3]}\n",
        )
    }),
    ("JSON lines: a number for a word", |place| {
        tags(
            place,
            "train.jsonl",
            "{\"tokens\": [7], \"tags\": [\"O\"]}\n",
        )
    }),
    ("JSON lines: a line that ends early", |place| {
        tags(place, "train.jsonl", "{\"tokens\": [\"Ada\"\n")
    }),
    ("chunk: a tag with two hyphens", |place| {
        ours(place, "chunk", "train.txt", "oak NN B-NP-X\n\n")
    }),
    ("chunk: no blank line after the only sentence", |place| {
        ours(place, "chunk", "train.txt", "oak NN B-NP\n")
    }),
    ("chunk: a sentence of which no word is kept", |place| {
        let sentence = "oak NN B-NP\n".repeat(200);
        ours(place, "chunk", "train.txt", &format!("{sentence}\n"))
    }),
];

pub const DESCRIPTIONS: &[Case] = &[
    ("no task.json", |place| {
        place.put("finetuning_data/mine/train.csv", GOOD);
        finetune(json!({"task_names": ["mine"]}))
    }),
    ("no JSON", |place| described(place, "kind: classification")),
    ("an empty file", |place| described(place, "")),
    ("lists nested 200,000 deep", |place| {
        described(place, &format!("{{\"kind\": {}", "[".repeat(200_000)))
    }),
    ("an unknown key", |place| {
        described(place, r#"{"kind": "classification", "lable": "stars"}"#)
    }),
    ("no kind", |place| described(place, r#"{"text": "text"}"#)),
    ("an unknown kind", |place| {
        described(place, r#"{"kind": "classify"}"#)
    }),
    ("a key twice", |place| {
        described(place, r#"{"kind": "classification", "kind": "tagging"}"#)
    }),
    ("a column that is not there", |place| {
        described(place, r#"{"kind": "classification", "text": "txet"}"#)
    }),
    ("one column for two things", |place| {
        described(
            place,
            r#"{"kind": "classification", "text": "text", "label": "text"}"#,
        )
    }),
    ("a column of a negative number", |place| {
        described(place, r#"{"kind": "classification", "text": -1}"#)
    }),
    ("columns by number, and no word on the header", |place| {
        described(
            place,
            r#"{"kind": "classification", "text": 0, "label": 1}"#,
        )
    }),
    ("names of columns where there is no header", |place| {
        described(
            place,
            r#"{"kind": "classification", "text": "text", "header": false}"#,
        )
    }),
    ("one label", |place| {
        described(place, r#"{"kind": "classification", "labels": ["x"]}"#)
    }),
    ("a label twice", |place| {
        described(
            place,
            r#"{"kind": "classification", "labels": ["x", "y", "x"]}"#,
        )
    }),
    ("labels that are not the file's", |place| {
        described(
            place,
            r#"{"kind": "classification", "labels": ["good", "bad"]}"#,
        )
    }),
    ("a range from above to below", |place| {
        described(place, r#"{"kind": "regression", "range": [5, 0]}"#)
    }),
    ("a second text of tagged words", |place| {
        described(place, r#"{"kind": "tagging", "text_b": "b"}"#)
    }),
    ("a file that is not there", |place| {
        described(
            place,
            r#"{"kind": "classification", "files": {"train": "none.csv"}}"#,
        )
    }),
    ("a file for an unknown split", |place| {
        described(
            place,
            r#"{"kind": "classification", "files": {"valid": "v.csv"}}"#,
        )
    }),
];

/// Returns a run that takes the order of its examples from a file.
fn order(place: &Place, lines: &str) -> Vec<String> {
    place.put("order.jsonl", lines);
    let run = own(place, CLASSES, &[("train.csv", GOOD.as_bytes())]);
    [run, words(&["--replay", "order.jsonl"])].concat()
}

pub const ORDERS: &[Case] = &[
    ("no file", |place| {
        let run = order(place, "");
        fs::remove_file(place.path("order.jsonl")).unwrap();
        run
    }),
    ("an empty file", |place| order(place, "")),
    ("a line that is no JSON", |place| order(place, "mine 0\n")),
    ("a line without a number", |place| {
        order(place, "{\"task\": \"mine\"}\n")
    }),
    ("a task that the run does not learn", |place| {
        order(place, "{\"task\": \"rte\", \"eid\": 0}\n")
    }),
    ("an example that is not there", |place| {
        order(place, "{\"task\": \"mine\", \"eid\": 9}\n")
    }),
];

pub const FOLDERS: &[Case] = &[
    ("check: labels that are none", |place| {
        place.put("dev.csv", "text,label\na,\nb,x\n");
        data(&["check", "dev.csv"])
    }),
    ("check: a label that the task does not have", |place| {
        place.put("train.tsv", "x\t2\t\toak\n");
        data(&["check", "train.tsv", "--task", "cola"])
    }),
    ("check: an unknown task", |_| {
        data(&["check", "score.json", "--task", "colla"])
    }),
    ("check: a folder of no task", |_| {
        data(&["check", "answers"])
    }),
    ("check: a folder without the task's files", |place| {
        fs::create_dir(place.path("rte")).unwrap();
        data(&["check", "rte"])
    }),
    ("classification: no such column", |place| {
        place.put("in.csv", GOOD);
        data(&["classification", "in.csv", "mine", "--text", "body"])
    }),
    (
        "classification: numbers for columns of a table with names",
        |place| {
            place.put("in.csv", GOOD);
            data(&["classification", "in.csv", "mine", "--text", "7"])
        },
    ),
    ("classification: names where there is no header", |place| {
        place.put("in.csv", GOOD);
        data(&["classification", "in.csv", "mine", "--no-header"])
    }),
    ("classification: a folder that holds a task", |place| {
        place.put("in.csv", GOOD);
        place.put("mine/task.json", CLASSES);
        data(&["classification", "in.csv", "mine"])
    }),
    ("classification: the output is the input", |place| {
        place.put("mine/train.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n");
        data(&["classification", "mine/train.jsonl", "mine"])
    }),
    ("classification: the name of another task", |place| {
        place.put("in.csv", GOOD);
        data(&["classification", "in.csv", "rte"])
    }),
    ("classification: nothing to hold out", |place| {
        place.put("in.csv", GOOD);
        data(&["classification", "in.csv", "mine", "--dev-share", "0.1"])
    }),
    ("classification: a row without a text", |place| {
        place.put(
            "in.jsonl",
            "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": null, \"label\": \"y\"}\n",
        );
        data(&["classification", "in.jsonl", "mine"])
    }),
    ("tagging: no tags", |place| {
        place.put("in.conll", "Ada wrote\n");
        data(&["tagging", "in.conll", "mine"])
    }),
];
