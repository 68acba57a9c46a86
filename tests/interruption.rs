//! The real program, killed, asked to end, started twice and given other data in the middle of a
//! run: nothing is lost, and the end is that of a run that nobody disturbed.
#![cfg(unix)]

mod support;

use std::{fs, process::Command, time::Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::small_run::{SmallRun, wait_for};

/// Kills of a run; `ELECTRA_KILLS` asks for more than an everyday test has time for.
fn kills() -> usize {
    let asked = std::env::var("ELECTRA_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

#[test]
fn killed_at_random_a_run_ends_as_if_it_had_not_been() {
    let whole = SmallRun::new();
    let began = Instant::now();
    whole.finish();
    let length = began.elapsed();
    let steps = whole.steps();
    assert_eq!(steps, (0..steps.len() as u64).collect::<Vec<_>>());
    assert!(steps.len() > 10);

    let run = SmallRun::new();
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
    run.assert_tidy();
}

#[test]
fn asked_to_end_it_finishes_its_step_and_saves() {
    let whole = SmallRun::new();
    whole.finish();
    let run = SmallRun::new();
    let child = run.start();
    wait_for(&run.model_dir().join("checkpoint-3"));
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
    let run = SmallRun::new();
    let mut first = run.start();
    wait_for(&run.model_dir().join("checkpoint-3"));
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
    let file = run.data.join("finetuning_data/squad/train.json");
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
