//! A run of the real program that takes a few seconds: a tiny model and a small piece of SQuAD.
#![allow(dead_code)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::place::golden;

/// A data folder, and the flags of a run in it.
pub struct SmallRun {
    pub data: PathBuf,
    pub device: &'static str,
    /// Goes away with the run, unless the folder was there before.
    _own: Option<tempfile::TempDir>,
}

impl SmallRun {
    pub fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut run = Self::in_folder(own.path());
        run._own = Some(own);
        run
    }

    /// In a folder that stays.
    pub fn in_folder(data: &Path) -> Self {
        let model = data.join("models/electra_tiny");
        let zip = golden("models/electra_tiny.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        let squad = data.join("finetuning_data/squad");
        fs::create_dir_all(&squad).unwrap();
        fs::copy(
            golden("data/squad2-tiny.train.json"),
            squad.join("train.json"),
        )
        .unwrap();
        Self {
            data: data.to_owned(),
            device: "cpu",
            _own: None,
        }
    }

    pub fn hparams() -> serde_json::Value {
        serde_json::json!({
            "task_names": ["squad"], "model_size": "large", "vocab_size": 2048,
            "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
            "max_seq_length": 128, "train_batch_size": 8, "num_train_epochs": 2,
            "save_checkpoints_steps": 3, "do_eval": false,
        })
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .args(["finetune", "--device", self.device])
            .args(["--model-name", "electra_tiny"])
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--hparams", &Self::hparams().to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    /// Runs to the end.
    #[track_caller]
    pub fn finish(&self) -> Output {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        output
    }

    /// Runs to an end that is no success, and returns what it said.
    #[track_caller]
    pub fn fail(&self, code: i32) -> String {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        stderr
    }

    pub fn model_dir(&self) -> PathBuf {
        self.data
            .join("models/electra_tiny/finetuning_models/squad_model_1")
    }

    pub fn record(&self) -> Vec<u8> {
        fs::read(self.model_dir().join("model.bpk")).unwrap()
    }

    /// Steps of the log, in its order.
    pub fn steps(&self) -> Vec<u64> {
        let log = fs::read_to_string(self.model_dir().join("train_log.jsonl")).unwrap();
        log.lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["step"].as_u64().unwrap()
            })
            .collect()
    }

    /// Whether nothing that is only made on the way is left.
    #[track_caller]
    pub fn assert_tidy(&self) {
        for entry in fs::read_dir(self.model_dir()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let scratch = ["tmp", "old", "damaged", ".electra-"];
            assert!(!scratch.iter().any(|part| name.contains(part)), "{name}");
        }
    }
}

/// Longer than a run takes to come to any point, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until `path` is there.
#[track_caller]
pub fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < PATIENCE, "{}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
