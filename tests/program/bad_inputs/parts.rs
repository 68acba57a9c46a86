//! Bad input for the commands that split, merge and compare data files.

use super::{Case, Place, question, question_with, squad, words};

const ROW: &str = r#"{"id": "q1", "context": "Ada wrote it.", "question": "Who?", "answers": {"text": [], "answer_start": []}}"#;

fn split(file: &str, flags: &[&str]) -> Vec<String> {
    let out = ["--train", "train.json", "--dev", "dev.json"];
    words(&[&["data", "split", file], flags, &out[..]].concat())
}

fn merge(files: [&str; 2]) -> Vec<String> {
    words(&[&["data", "merge"], &files[..], &["--output", "all.json"]].concat())
}

/// Writes a file of one question, and one of another question with the same id.
fn put_questions(place: &Place) {
    place.put("a.json", squad(question()));
    place.put("b.json", question_with("question", "Why?".into()));
}

pub const PARTS: &[Case] = &[
    ("split: a part that lies there", |place| {
        put_questions(place);
        place.put("dev.json", "mine");
        split("a.json", &["--share", "0.5"])
    }),
    ("split: nothing to hold out", |place| {
        put_questions(place);
        split("a.json", &["--share", "0.1"])
    }),
    ("split: articles of rows without a title", |place| {
        place.put("rows.jsonl", ROW);
        split("rows.jsonl", &["--share", "0.5", "--by", "article"])
    }),
    ("split: passages of a table", |place| {
        place.put("in.csv", "text,label\na,x\nb,y\n");
        split("in.csv", &["--share", "0.5", "--by", "passage"])
    }),
    ("split: a number that JSON does not have", |place| {
        let row = ROW.replace("{\"id\"", "{\"score\": NaN, \"id\"");
        place.put("rows.jsonl", format!("{row}\n"));
        split("rows.jsonl", &["--share", "0.5"])
    }),
    ("split: both parts in one file", |place| {
        put_questions(place);
        let out = ["--train", "one.json", "--dev", "one.json"];
        words(&[&["data", "split", "a.json", "--share", "0.5"], &out[..]].concat())
    }),
    ("merge: an id in two files", |place| {
        put_questions(place);
        merge(["a.json", "b.json"])
    }),
    ("merge: files of two forms", |place| {
        put_questions(place);
        place.put("rows.jsonl", ROW);
        merge(["a.json", "rows.jsonl"])
    }),
    ("merge: tables with other columns", |place| {
        place.put("a.csv", "text,label\na,x\nb,y\n");
        place.put("b.csv", "label,text\nx,a\ny,b\n");
        merge(["a.csv", "b.csv"])
    }),
    ("stats: no file", |_| words(&["data", "stats", "none.json"])),
];
