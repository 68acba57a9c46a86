//! Tests `electra data pretrain`, `data examples` and `vocab` as users see them: what they print,
//! what they write, and what is left if they are interrupted.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::place::{golden, tiny_vocabulary};
use flate2::read::GzDecoder;
use serde_json::Value;

fn electra(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.current_dir(folder);
    command
}

#[track_caller]
fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn vocabulary() -> String {
    tiny_vocabulary().display().to_string()
}

fn pretrain(folder: &Path, corpus: &Path) -> Command {
    let mut command = electra(folder);
    command.args(["data", "pretrain", "--output", "text.tokens", "--vocab"]);
    command.arg(tiny_vocabulary()).arg("--corpus").arg(corpus);
    command.args(["--max-seq-length", "64"]);
    command
}

#[test]
fn counts_are_printed_and_a_second_run_finds_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = golden("pretrain/corpus");
    let output = succeeds(&mut pretrain(folder.path(), &corpus));
    let shown = text(&output.stdout);
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    for expected in [
        "text.tokens: ",
        " examples of up to 64 tokens, ",
        "documents in 5 files, ",
        "tokens of text cut off ",
        "tokens that are [UNK] ",
        "examples of one segment ",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!folder.path().join("text.tokens.partial").exists());
    let bytes = fs::read(folder.path().join("text.tokens")).unwrap();
    let again = succeeds(&mut pretrain(folder.path(), &corpus));
    assert_eq!(again.stdout, output.stdout);
    let said = text(&again.stderr);
    assert!(
        said.contains("already exists, made from the same input"),
        "{said}"
    );
    assert_eq!(fs::read(folder.path().join("text.tokens")).unwrap(), bytes);

    // Beside the complete file, the remains of its process are removed, and foreign files stay.
    let partial = folder.path().join("text.tokens.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("lengths"), "").unwrap();
    succeeds(&mut pretrain(folder.path(), &corpus));
    assert!(!partial.exists());
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("notes.txt"), "mine").unwrap();
    succeeds(&mut pretrain(folder.path(), &corpus));
    let notes = fs::read_to_string(partial.join("notes.txt")).unwrap();
    assert_eq!(notes, "mine");

    let output = succeeds(pretrain(folder.path(), &corpus).arg("--json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["max_seq_length"], &told["seed"]),
        (&64.into(), &1.into())
    );
    assert_eq!(told["vocabulary"]["tokens"], 2048);
    assert_eq!(told["was_there"], true);
    assert!(text(&output.stderr).contains("{\"event\":\"end\"}"));
}

#[test]
fn examples_are_written_as_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, vocab) = (golden("pretrain/corpus"), vocabulary());
    succeeds(&mut pretrain(folder.path(), &corpus));
    let files = format!(
        "text.tokens,{}",
        golden("pretrain/tfrecords/*-of-4").display()
    );
    let output = succeeds(electra(folder.path()).args([
        "data", "examples", &files, "--vocab", &vocab, "--output", "x.jsonl", "--first", "3",
    ]));
    let shown = text(&output.stdout);
    assert!(
        shown.contains("19 examples of the reference, 64 ids each"),
        "{shown}"
    );
    assert!(shown.contains("3 examples written to x.jsonl"), "{shown}");
    // As a shell expands a pattern.
    let one = |number: usize| {
        golden("pretrain/tfrecords").join(format!("pretrain_data.tfrecord-{number}-of-4"))
    };
    let several = (0..4).map(one);
    let mut command = electra(folder.path());
    command.args(["data", "examples"]).args(several);
    let output = succeeds(command.args(["--vocab", &vocab]));
    let shown = text(&output.stdout);
    assert!(shown.contains("75 examples in 4 files"), "{shown}");
    let lines = fs::read_to_string(folder.path().join("x.jsonl")).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    for (index, line) in lines.iter().enumerate() {
        let keys: Vec<_> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["index", "length", "input_ids", "segment_ids"]);
        assert_eq!(line["index"], index);
        assert_eq!(line["length"], line["input_ids"].as_array().unwrap().len());
        assert_eq!(
            line["length"],
            line["segment_ids"].as_array().unwrap().len()
        );
    }
    // The same packed, if the name says so.
    succeeds(electra(folder.path()).args([
        "data",
        "examples",
        &files,
        "--vocab",
        &vocab,
        "--output",
        "x.jsonl.gz",
        "--first",
        "3",
    ]));
    let packed = fs::read(folder.path().join("x.jsonl.gz")).unwrap();
    let mut unpacked = String::new();
    GzDecoder::new(packed.as_slice())
        .read_to_string(&mut unpacked)
        .unwrap();
    let plain = fs::read_to_string(folder.path().join("x.jsonl")).unwrap();
    assert_eq!(unpacked, plain);
    // A file whose examples are read at any place is not packed.
    let mut command = electra(folder.path());
    command.args(["data", "pretrain", "--vocab", &vocab, "--corpus"]);
    command.arg(&corpus).args(["--output", "b.tokens.gz"]);
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = text(&refused.stderr);
    assert!(
        said.contains("--output: expected a name without .gz"),
        "{said}"
    );
    assert!(!folder.path().join("b.tokens.gz").exists());
}

#[test]
fn a_vocabulary_of_the_corpus_fits_it() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = golden("pretrain/corpus");
    let make = |output: &str| {
        let mut command = electra(folder.path());
        command.args(["vocab", "--size", "600", "--output", output, "--corpus"]);
        let shown = succeeds(command.arg(&corpus)).stdout;
        let tokens = fs::read_to_string(folder.path().join(output)).unwrap();
        (String::from_utf8(shown).unwrap(), tokens)
    };
    let (shown, tokens) = make("vocab.txt");
    assert_eq!(tokens.lines().count(), 600);
    assert!(tokens.starts_with("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"));
    for token in ["the", "##s", "of", "normans"] {
        assert!(tokens.lines().any(|line| line == token), "{token}");
    }
    assert!(
        shown.starts_with("vocab.txt: 600 tokens\ntrained on "),
        "{shown}"
    );
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert_eq!(make("again.txt").1, tokens);
    let mut command = electra(folder.path());
    command.args(["vocab", "--size", "500", "--corpus"]);
    let refused = command.arg(&corpus).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains(
        "vocab.txt: already exists; remove it to build it again, or choose another --output"
    ));
    let kept = fs::read_to_string(folder.path().join("vocab.txt")).unwrap();
    assert_eq!(kept, tokens);
    let mut command = electra(folder.path());
    command.args(["data", "pretrain", "--vocab", "vocab.txt", "--json"]);
    command.args(["--output", "text.tokens", "--corpus"]);
    let told: Value = serde_json::from_slice(&succeeds(command.arg(corpus)).stdout).unwrap();
    // Only words of more than 200 characters.
    assert_eq!(told["counts"]["unknown"], 1);
}

#[cfg(unix)]
mod ended {
    use std::{process::Stdio, time::Instant};

    use super::*;
    use crate::support::small_run::{signal, wait_for};

    /// Creates a corpus that takes some seconds.
    fn large(folder: &Path) -> PathBuf {
        let corpus = folder.join("corpus");
        fs::create_dir(&corpus).unwrap();
        let text = fs::read_to_string(golden("pretrain/corpus/a_sentences.txt")).unwrap();
        for file in 0..4 {
            fs::write(corpus.join(format!("{file}.txt")), text.repeat(300)).unwrap();
        }
        corpus
    }

    #[test]
    fn what_is_ended_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = large(folder.path());
        let began = Instant::now();
        succeeds(&mut pretrain(folder.path(), &corpus));
        println!("undisturbed: {:?}", began.elapsed());
        let made = folder.path().join("text.tokens");
        let whole = fs::read(&made).unwrap();
        for (name, code) in [("-INT", Some(130)), ("-TERM", Some(143)), ("-KILL", None)] {
            fs::remove_file(&made).unwrap();
            let child = pretrain(folder.path(), &corpus)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let partial = folder.path().join("text.tokens.partial");
            wait_for(&partial.join("lengths"));
            signal(&child, name);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), code, "{output:?}");
            assert!(!made.exists() && partial.exists(), "{name}");
            if code.is_some() {
                let said = text(&output.stderr);
                assert!(said.contains("stopped at "), "{said}");
                assert!(said.contains("the same command resumes"), "{said}");
            }
            succeeds(&mut pretrain(folder.path(), &corpus));
            assert!(fs::read(&made).unwrap() == whole, "{name}");
            assert!(!partial.exists());
        }
    }

    #[test]
    fn two_at_once_do_not_write_into_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = large(folder.path());
        let first = pretrain(folder.path(), &corpus).spawn().unwrap();
        wait_for(&folder.path().join("text.tokens.partial/lengths"));
        let second = pretrain(folder.path(), &corpus).output().unwrap();
        let said = text(&second.stderr);
        assert_eq!(second.status.code(), Some(2), "{said}");
        assert!(said.contains("another process is writing there"), "{said}");
        assert!(first.wait_with_output().unwrap().status.success());
    }
}
