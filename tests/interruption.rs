//! The real program, killed, asked to end, started twice and given other data in the middle of a
//! run: nothing is lost, and the end is that of a run that nobody disturbed.
#![cfg(unix)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::place::golden;

/// Kills of a run; `ELECTRA_KILLS` asks for more than an everyday test has time for.
fn kills() -> usize {
    let asked = std::env::var("ELECTRA_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

/// A data folder with a tiny model and a small piece of SQuAD.
struct Run {
    data: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let model = data.path().join("models/electra_tiny");
        let zip = golden("models/electra_tiny.zip");
        checkpoints_convert::convert(&zip, &model, &mut |_, _| {}).unwrap();
        let squad = data.path().join("finetuning_data/squad");
        fs::create_dir_all(&squad).unwrap();
        fs::copy(
            golden("data/squad2-tiny.train.json"),
            squad.join("train.json"),
        )
        .unwrap();
        Self { data }
    }

    fn start(&self) -> Child {
        let hparams = serde_json::json!({
            "task_names": ["squad"], "model_size": "large", "vocab_size": 2048,
            "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
            "max_seq_length": 128, "train_batch_size": 8, "num_train_epochs": 2,
            "save_checkpoints_steps": 3, "do_eval": false,
        });
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args([
                "finetune",
                "--device",
                "cpu",
                "--model-name",
                "electra_tiny",
            ])
            .arg("--data-dir")
            .arg(self.data.path())
            .args(["--hparams", &hparams.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs to the end.
    #[track_caller]
    fn finish(&self) -> Output {
        let output = self.start().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        output
    }

    fn model_dir(&self) -> PathBuf {
        self.data
            .path()
            .join("models/electra_tiny/finetuning_models/squad_model_1")
    }

    fn record(&self) -> Vec<u8> {
        fs::read(self.model_dir().join("model.bpk")).unwrap()
    }

    /// Steps of the log, in its order.
    fn steps(&self) -> Vec<u64> {
        let log = fs::read_to_string(self.model_dir().join("train_log.jsonl")).unwrap();
        log.lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["step"].as_u64().unwrap()
            })
            .collect()
    }

    /// Waits until `path` is there.
    fn wait_for(path: &Path) {
        let began = Instant::now();
        while !path.exists() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{}",
                path.display()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn killed_at_random_a_run_ends_as_if_it_had_not_been() {
    let whole = Run::new();
    let began = Instant::now();
    whole.finish();
    let length = began.elapsed();
    let steps = whole.steps();
    assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
    assert!(steps.len() > 10);

    let run = Run::new();
    let mut random = ChaCha8Rng::seed_from_u64(30);
    let mut killed = 0;
    // Together about as long as the whole run, so that most kills meet a run that has not ended.
    let share = length.div_f64(kills() as f64 + 1.0);
    for _ in 0..kills() {
        let mut child = run.start();
        std::thread::sleep(share.mul_f64(random.random_range(0.3..1.7)));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
    }
    run.finish();
    println!("{killed} kills in {} steps", steps.len());
    // How many meet a run that has not ended is up to the machine's other work.
    assert!(killed > 0);
    assert!(run.record() == whole.record(), "records differ");
    assert_eq!(run.steps(), steps);
    for entry in fs::read_dir(run.model_dir()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let whole = ["tmp", "old", "damaged", ".electra-"];
        assert!(!whole.iter().any(|part| name.contains(part)), "{name}");
    }
}

#[test]
fn asked_to_end_it_finishes_its_step_and_saves() {
    let whole = Run::new();
    whole.finish();
    let run = Run::new();
    let child = run.start();
    Run::wait_for(&run.model_dir().join("checkpoint-3"));
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("stopped after step"), "{stderr}");
    assert!(!run.model_dir().join("model.bpk").exists(), "{stderr}");
    let done = run.steps().len();
    assert!(run.model_dir().join(format!("checkpoint-{done}")).is_dir());
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    assert!(stderr.contains("going on from"), "{stderr}");
    assert!(run.record() == whole.record(), "records differ");
}

#[test]
fn a_second_run_in_the_folder_and_other_data_are_refused() {
    let run = Run::new();
    let mut first = run.start();
    Run::wait_for(&run.model_dir().join("checkpoint-3"));
    let second = run.start().wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("is being trained by another process"),
        "{stderr}"
    );
    first.kill().unwrap();
    first.wait().unwrap();

    // The dead process's lock holds nobody up; other data does.
    let file = run.data.path().join("finetuning_data/squad/train.json");
    let mut data: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    data["data"].as_array_mut().unwrap().pop();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, data.to_string()).unwrap();
    let refused = run.start().wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("training_data"), "{stderr}");
    fs::write(&file, whole).unwrap();
    run.finish();
}
