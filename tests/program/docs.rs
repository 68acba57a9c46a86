//! Tests the commands of README.md and docs/: every line of every `sh` fence is run unchanged, in
//! the order of its page, in a folder with the files that the page mentions.
//!
//! The programs are the real ones, called through scripts that make the model small (ELECTRA-Large
//! becomes four layers of width 128) and the quickstart short. `cargo` builds nothing: `cargo run`
//! runs the program, and `cargo install` and `cargo test` are skipped.
#![cfg(unix)]

use std::{
    cell::RefCell,
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::place::golden;
use checkpoints_convert::Format;
use flate2::{Compression, write::GzEncoder};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Flags that make a run of the pages small; given last, they win.
const SMALL: &str = "--set vocab_size=2048 --set model_hparam_overrides.hidden_size=128 \
                     --set model_hparam_overrides.num_hidden_layers=4 --set max_seq_length=128";

/// The same for pre-training, with a vocabulary that a page created.
const SHORT: &str = "--set vocab_size=2048 --set train_batch_size=2 --set num_train_steps=2";

#[test]
fn every_command_of_the_pages_runs() {
    let mut pages = vec![PathBuf::from("README.md")];
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    pages.extend(docs.filter_map(|entry| {
        let name = entry.unwrap().file_name();
        (Path::new(&name).extension()? == "md").then(|| Path::new("docs").join(name))
    }));
    pages.sort();
    let mut ran = 0;
    for page in &pages {
        let commands = commands(&fs::read_to_string(Path::new(ROOT).join(page)).unwrap());
        if commands.is_empty() {
            continue;
        }
        let sandbox = Sandbox::new();
        for command in &commands {
            println!("{}: {command}", page.display());
            sandbox.run(command, page);
        }
        ran += commands.len();
    }
    assert!(ran >= 40, "{ran} commands in {pages:?}");
}

/// Returns the lines of the `sh` fences; one that ends in a backslash continues on the next.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut begun = String::new();
    for line in page.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            text if inside => match text.strip_suffix('\\') {
                Some(part) => begun.push_str(part),
                None => commands.push(std::mem::take(&mut begun) + text),
            },
            _ => {}
        }
    }
    commands.retain(|command| !command.is_empty() && !command.starts_with('#'));
    commands
}

/// A folder with the files that the pages mention, and the programs.
struct Sandbox {
    folder: tempfile::TempDir,
    server: RefCell<Option<Child>>,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Self {
            folder,
            server: RefCell::default(),
        };
        fs::create_dir(sandbox.path("split_data")).unwrap();
        for (from, to) in [
            ("models/electra_tiny.zip", "electra_large.zip"),
            ("models/electra_tiny.zip", "electra_small.zip"),
            ("dataset/quac.json", "train_v0.2.json"),
            ("dataset/quac.json", "val_v0.2.json"),
            ("dataset/newsqa.csv", "split_data/train.csv"),
            ("dataset/newsqa.csv", "split_data/dev.csv"),
            ("data/squad2-tiny.train.json", "train-v2.0.json"),
            ("data/squad2-tiny.dev.json", "dev-v2.0.json"),
        ] {
            fs::copy(golden(from), sandbox.path(to)).unwrap();
        }
        fs::create_dir(sandbox.path("corpus")).unwrap();
        for text in fs::read_dir(golden("pretrain/corpus")).unwrap() {
            let text = text.unwrap();
            let copy = sandbox.path("corpus").join(text.file_name());
            fs::copy(text.path(), copy).unwrap();
        }
        let lines = concat!(
            r#"{"header": {"dataset": "HotpotQA", "split": "train"}}"#,
            "\n",
            r#"{"context": "Ada wrote it.", "qas": [{"qid": "1", "question": "Who wrote it?", "#,
            r#""answers": ["Ada"], "detected_answers": [{"text": "Ada", "char_spans": [[0, 2]]}]}]}"#,
        );
        let packed = File::create(sandbox.path("HotpotQA.jsonl.gz")).unwrap();
        let mut packed = GzEncoder::new(packed, Compression::fast());
        packed.write_all(lines.as_bytes()).unwrap();
        packed.finish().unwrap();
        let row = r#"{"id": "1", "context": "Ada wrote it.", "question": "Who?", "answers": {"text": ["Ada"], "answer_start": [0]}}"#;
        fs::write(sandbox.path("rows.jsonl"), row).unwrap();
        let reviews = "\"a splendid film\",good\n\"a dreadful film\",bad\n";
        let mut table = "review,stars\n".to_owned();
        let mut tagged = String::new();
        for number in 0..10 {
            table += &reviews.replace("film", &format!("film, number {number}"));
            tagged += &format!("Ada B-PER\nhas O\n{number} O\n\n");
        }
        fs::write(sandbox.path("reviews.csv"), table).unwrap();
        fs::write(sandbox.path("names.conll"), tagged).unwrap();
        let hparams = r#"{"task_names": ["squad"], "train_batch_size": 16}"#;
        fs::write(sandbox.path("run.json"), hparams).unwrap();
        sandbox.add_models();
        sandbox.add_programs();
        sandbox
    }

    /// Adds a data folder as the README describes it, and a fine-tuned model.
    fn add_models(&self) {
        let squad = self.path("data/finetuning_data/squad");
        fs::create_dir_all(&squad).unwrap();
        fs::copy(self.path("train-v2.0.json"), squad.join("train.json")).unwrap();
        fs::copy(self.path("dev-v2.0.json"), squad.join("dev.json")).unwrap();
        let [rte, films] =
            ["rte", "films"].map(|task| self.path("data/finetuning_data").join(task));
        fs::create_dir_all(&rte).unwrap();
        fs::create_dir_all(&films).unwrap();
        for file in ["train.tsv", "dev.tsv"] {
            fs::copy(golden(&format!("glue/rte/{file}")), rte.join(file)).unwrap();
        }
        let reviews = "review,stars\n\"a splendid film\",good\n\"a dreadful film\",bad\n";
        for (file, text) in [
            ("train.csv", reviews.to_owned()),
            ("dev.csv", reviews.to_owned()),
            (
                "task.json",
                r#"{"kind": "classification", "text": "review", "label": "stars"}"#.to_owned(),
            ),
        ] {
            fs::write(films.join(file), text).unwrap();
        }
        for (from, to) in [
            ("models/electra_tiny.zip", "data/models/electra_large"),
            ("squad2-tiny-projected/trained", "my_model"),
        ] {
            checkpoints_convert::convert(&golden(from), &self.path(to), &mut |_, _| {}).unwrap();
        }
        let vocab = self.path("data/models/electra_large/vocab.txt");
        fs::copy(vocab, self.path("my_model/vocab.txt")).unwrap();
        let (record, out) = ("data/models/electra_large", "electra_small_hf");
        let (record, out) = (self.path(record), self.path(out));
        checkpoints_convert::export(Format::Hf, &record, &out, &mut |_, _| {}).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add_programs(&self) {
        let electra = Path::new(env!("CARGO_BIN_EXE_electra"));
        let convert = electra.with_file_name("checkpoints-convert");
        assert!(
            convert.exists(),
            "{}: missing; cargo build --workspace makes it",
            convert.display()
        );
        fs::create_dir(self.path("bin")).unwrap();
        std::os::unix::fs::symlink(convert, self.path("bin/checkpoints-convert")).unwrap();
        let electra = electra.display();
        self.add_script(
            "electra",
            &format!(
                "case \"$1\" in\n\
                 finetune|evaluate|features) exec '{electra}' \"$@\" {SMALL} ;;\n\
                 report) case \"$*\" in\n\
                 *--data-dir*) exec '{electra}' \"$@\" {SMALL} ;;\n\
                 *) exec '{electra}' \"$@\" ;;\n\
                 esac ;;\n\
                 pretrain) exec '{electra}' \"$@\" {SMALL} {SHORT} ;;\n\
                 quickstart) exec '{electra}' \"$@\" --set num_train_epochs=0.02 ;;\n\
                 *) exec '{electra}' \"$@\" ;;\n\
                 esac"
            ),
        );
        self.add_script(
            "cargo",
            "case \"$1\" in\n\
             run) while [ \"$1\" != -- ]; do shift; done; shift; exec electra \"$@\" ;;\n\
             install|test|bench) exit 0 ;;\n\
             *) echo \"no such command here: cargo $1\" >&2; exit 1 ;;\n\
             esac",
        );
    }

    fn add_script(&self, name: &str, text: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shell(&self, command: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", command])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.folder.path())
            .env_remove("XDG_CACHE_HOME")
            .env("ELECTRA_DEVICE", "cpu");
        shell
    }

    #[track_caller]
    fn run(&self, command: &str, page: &Path) {
        if command.starts_with("electra serve") {
            self.serve(command);
            return;
        }
        let output = self.shell(command).output().unwrap();
        assert!(
            output.status.success(),
            "{}: {command}\n{}{}",
            page.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn end_server(&self) {
        if let Some(mut server) = self.server.take() {
            // It may have exited already.
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts a server that runs alongside the following commands, replacing an earlier one.
    #[track_caller]
    fn serve(&self, command: &str) {
        self.end_server();
        let log = self.path("serve.log");
        let file = File::create(&log).unwrap();
        let errors = file.try_clone().unwrap();
        let server = self
            .shell(&format!("exec {command}"))
            .stdout(Stdio::from(file))
            .stderr(Stdio::from(errors))
            .spawn()
            .unwrap();
        self.server.replace(Some(server));
        let began = Instant::now();
        while !fs::read_to_string(&log).unwrap().contains("http://") {
            let said = fs::read_to_string(&log).unwrap();
            assert!(
                began.elapsed() < Duration::from_secs(600),
                "{command}: {said}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end_server();
    }
}

#[test]
fn a_fence_gives_its_lines_and_only_sh_fences_count() {
    let page = "a\n```sh\none\n\n# why\ntwo \\\n  three\n```\nb\n```text\nfour\n```\n";
    assert_eq!(commands(page), ["one", "two three"]);
}
