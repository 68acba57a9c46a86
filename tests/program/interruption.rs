//! The real program, killed, asked to end, started twice and given other data in the middle of a
//! run: nothing is lost, and the end is that of a run that nobody disturbed.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::support::small_run::{SmallRun, signal, wait_for, wait_for_any};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Kills of a run; `ELECTRA_KILLS` asks for more than an everyday test has time for.
fn kills() -> usize {
    let asked = std::env::var("ELECTRA_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

/// What is written while a trial's model answers, and where the trial's training ends.
fn model_of(run: &SmallRun, trial: usize) -> PathBuf {
    run.trial_dir(trial).join("model.bpk")
}

/// The results of three trials without interruption.
pub(super) struct Undisturbed {
    length: Duration,
    /// Result files and their bytes, by path below the folder of results.
    pub results: BTreeMap<PathBuf, Vec<u8>>,
    /// The model that is kept, the last trial's.
    pub record: Vec<u8>,
    steps: Vec<u64>,
    /// The scores that the run ends with.
    pub table: String,
}

/// Computed once for all tests here, and for those of trials in several processes.
pub(super) fn undisturbed() -> &'static Undisturbed {
    static UNDISTURBED: OnceLock<Undisturbed> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let run = SmallRun::of_trials();
        let began = Instant::now();
        let table = table_of(&run.finish());
        let whole = Undisturbed {
            length: began.elapsed(),
            results: run.results(),
            record: run.record_of(3),
            steps: run.steps_of(3),
            table,
        };
        assert_eq!(
            whole.steps,
            (0..whole.steps.len() as u64).collect::<Vec<_>>()
        );
        assert!(whole.steps.len() > 10);
        whole
    })
}

#[test]
fn killed_at_random_a_run_ends_as_if_it_had_not_been() {
    let whole = undisturbed();

    let run = SmallRun::of_trials();
    let mut random = ChaCha8Rng::seed_from_u64(30);
    let mut killed = [0; 2];
    // Together about as long as the whole run, so that most kills meet a run that has not ended;
    // every third waits for an evaluation.
    let share = whole.length.div_f64(kills() as f64 + 1.0);
    for kill in 0..kills() {
        let mut child = run.start();
        let evaluated = kill % 3 == 2;
        let next = (1..=3).find(|trial| !run.preds_of(*trial).exists());
        if kill == 0 {
            // At least this one meets a run that has not ended.
            run.wait_for_checkpoint(1);
        } else if evaluated && let Some(trial) = next {
            while !model_of(&run, trial).exists() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        } else {
            std::thread::sleep(share.mul_f64(random.random_range(0.3..1.7)));
        }
        child.kill().unwrap();
        if !child.wait().unwrap().success() {
            killed[usize::from(evaluated)] += 1;
        }
    }
    run.finish();
    println!(
        "{} kills in training and {} in or near an evaluation, of 3 trials of {} steps",
        killed[0],
        killed[1],
        whole.steps.len()
    );
    // How many meet a run that has not ended is up to the machine's other work.
    assert!(killed[0] + killed[1] > 0);
    assert_same(&run, whole);
    assert_eq!(run.steps_of(3), whole.steps);
    run.assert_tidy_of(3);
}

/// The results of every trial, and the model that is kept.
#[track_caller]
pub(super) fn assert_same(run: &SmallRun, whole: &Undisturbed) {
    let ours = run.results();
    assert!(ours.keys().eq(whole.results.keys()), "{:?}", ours.keys());
    for (path, bytes) in &ours {
        assert!(*bytes == whole.results[path], "{} differs", path.display());
    }
    assert!(run.record_of(3) == whole.record, "records differ");
    for trial in [1, 2] {
        assert!(!run.trial_dir(trial).exists(), "trial {trial}");
    }
}

#[test]
fn asked_to_end_it_finishes_its_step_and_saves() {
    let whole = SmallRun::new();
    whole.finish();
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 143)] {
        if name == "-HUP" && hang_up_is_ignored() {
            continue;
        }
        let run = SmallRun::new();
        let child = run.start();
        run.wait_for_checkpoint(1);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        assert!(stderr.contains("stopped after step"), "{stderr}");
        let next = "the same command resumes from there";
        assert!(stderr.contains(next), "{stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
        assert!(!run.model_dir().join("model.bpk").exists(), "{stderr}");
        let done = run.steps().len();
        assert!(run.model_dir().join(format!("checkpoint-{done}")).is_dir());
        let stderr = String::from_utf8(run.finish().stderr).unwrap();
        assert!(stderr.contains("resuming from"), "{stderr}");
        assert!(run.record() == whole.record(), "records differ");
    }
}

/// Whether these tests run under `nohup`, which their programs respect.
fn hang_up_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// The scores that a run ends with.
fn table_of(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let (table, _) = text.split_once("\nfiles:").unwrap();
    table.to_owned()
}

#[test]
fn a_run_that_is_stopped_in_its_second_trial_goes_on_there() {
    let whole = undisturbed();
    let table = &whole.table;
    assert!(table.contains("mean") && table.contains("± sd"), "{table}");

    let run = SmallRun::of_trials();
    let child = run.start();
    run.wait_for_checkpoint(2);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains(" in trial 2 of 3; the same"), "{stderr}");
    assert!(!run.trial_dir(1).exists(), "{stderr}");

    let output = run.finish();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("trial 1 of 3: finished before"), "{stderr}");
    assert!(stderr.contains("resuming from"), "{stderr}");
    assert_same(&run, whole);
    assert_eq!(table_of(&output), *table);

    // What every trial answered is kept, and the last has the reference's names.
    let results = run.results();
    let file = |name: &str| &results[Path::new(name)];
    for kind in ["preds", "nbest", "null_odds", "eval"] {
        let of = |trial: &str| file(&format!("squad_qa/squad_{kind}{trial}.json"));
        assert!(of("_3") == of(""), "{kind}");
        // After so short a training every answer may be held back: the figures are the same then.
        assert!(kind == "eval" || of("_1") != of("_2"), "{kind}");
    }
    let text = std::str::from_utf8(file("squad_results.txt")).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let summary: serde_json::Value = serde_json::from_slice(file("squad_summary.json")).unwrap();
    let trials: serde_json::Value = serde_json::from_slice(file("squad_results.json")).unwrap();
    let mean = (0..3)
        .map(|trial| trials[trial]["squad"]["f1"].as_f64().unwrap())
        .sum::<f64>()
        / 3.0;
    assert_eq!(summary["squad"]["f1"]["mean"], mean);
}

#[test]
fn stopped_while_it_answers_it_answers_again() {
    let whole = undisturbed();
    let run = SmallRun::of_trials();
    let child = run.start();
    wait_for_any(&[&model_of(&run, 1), &run.trial_dir(2)]);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopped "), "{stderr}");
    run.finish();
    assert_same(&run, whole);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let run = SmallRun::new();
    let mut child = run.start();
    run.wait_for_checkpoint(1);
    // Held back meanwhile, so that both come in the same step.
    signal(&child, "-STOP");
    signal(&child, "-INT");
    signal(&child, "-CONT");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_run_that_is_finished_trains_nothing() {
    for mut run in [SmallRun::new(), SmallRun::of_trials()] {
        let first = run.finish();
        let last = if run.sets.is_empty() { 1 } else { 3 };
        let written = |run: &SmallRun| model_of(run, last).metadata().unwrap().modified().unwrap();
        let before = written(&run);
        let again = run.finish();
        assert_eq!(again.stdout, first.stdout);
        assert_eq!(written(&run), before);
        let stderr = String::from_utf8(again.stderr).unwrap();
        assert!(stderr.contains("finished"), "{stderr}");
        assert!(!stderr.contains("parameters: "), "{stderr}");

        // Another threshold asks for an evaluation, and for no training.
        if last == 1 {
            let dev = run.data.join("finetuning_data/squad/dev.json");
            fs::copy(crate::support::golden("data/squad2-tiny.dev.json"), dev).unwrap();
            run.sets = vec!["do_eval=true".into()];
            let stderr = String::from_utf8(run.finish().stderr).unwrap();
            assert!(stderr.contains("only evaluated now"), "{stderr}");
            assert_eq!(written(&run), before);
        } else {
            run.sets.push("qa_na_threshold=0".into());
            let stderr = run.fail(2);
            assert!(
                stderr.contains("trial 1 was evaluated with other settings"),
                "{stderr}"
            );
            assert!(
                stderr.contains("qa_na_threshold: -2.75 there, 0.0 now"),
                "{stderr}"
            );
        }
    }
}

#[test]
fn a_second_run_in_the_folder_and_other_data_are_refused() {
    let run = SmallRun::new();
    let mut first = run.start();
    run.wait_for_checkpoint(1);
    // Held back, so that it does not end before the others begin.
    signal(&first, "-STOP");
    let second = run.fail(2);
    assert!(
        second.contains("is being trained by another process"),
        "{second}"
    );
    // On another path too.
    let link = run.data.join("elsewhere_1");
    symlink(run.model_dir(), &link).unwrap();
    let mut linked = run.command();
    let model_dir = format!("model_dir={}", run.data.join("elsewhere").display());
    let output = linked.args(["--set", &model_dir]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
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
    let refused = run.fail(2);
    assert!(refused.contains("training_data"), "{refused}");
    fs::write(&file, whole).unwrap();
    run.finish();
}

#[test]
fn the_lock_covers_the_evaluation() {
    let run = SmallRun::of_trials();
    let first = run.start();
    wait_for_any(&[&model_of(&run, 1), &run.trial_dir(2)]);
    signal(&first, "-STOP");
    let second = run.fail(2);
    signal(&first, "-CONT");
    assert!(
        second.contains("is being trained by another process"),
        "{second}"
    );
    assert!(first.wait_with_output().unwrap().status.success());
}

#[test]
fn a_restarted_run_is_gone_on_with_without_restart() {
    let run = SmallRun::new();
    let mut child = run.start();
    run.wait_for_checkpoint(1);
    child.kill().unwrap();
    child.wait().unwrap();

    let child = run.command().arg("--restart").spawn().unwrap();
    let aside = run.model_dir().with_extension("old");
    wait_for(&aside);
    run.wait_for_checkpoint(1);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let next = "the same command without --restart resumes from there";
    assert!(stderr.contains(next), "{stderr}");
    assert!(aside.join("checkpoint-3").is_dir());
}

#[test]
fn only_what_the_run_wrote_is_removed() {
    let mut run = SmallRun::of_trials();
    let mine = run.data.join("mine");
    run.sets.push(format!("model_dir={}", mine.display()));
    let thesis = run.data.join("mine_1/thesis.tex");
    fs::create_dir(thesis.parent().unwrap()).unwrap();
    fs::write(&thesis, "x").unwrap();
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    assert!(stderr.contains("stays: it holds thesis.tex"), "{stderr}");
    let left: Vec<_> = fs::read_dir(thesis.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [thesis]);
    assert!(!run.data.join("mine_2").exists());
    assert!(run.data.join("mine_3/model.bpk").is_file());
}

#[test]
fn other_initial_weights_are_another_run_and_the_same_ones_elsewhere_are_not() {
    let mut run = SmallRun::new();
    run.stop_at_first_checkpoint();
    let model = run.data.join("models/electra_tiny");
    let moved = run.data.join("moved");
    fs::create_dir(&moved).unwrap();
    for file in ["model.bpk", "config.json", "vocab.txt"] {
        fs::copy(model.join(file), moved.join(file)).unwrap();
    }
    run.sets = vec![format!("init_checkpoint={}", moved.display())];
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    assert!(stderr.contains("resuming from"), "{stderr}");

    // The model that was trained, taken for one to begin with.
    let other = run.data.join("other");
    fs::create_dir(&other).unwrap();
    for file in ["config.json", "vocab.txt"] {
        fs::copy(model.join(file), other.join(file)).unwrap();
    }
    fs::rename(model_of(&run, 1), other.join("model.bpk")).unwrap();
    run.sets = vec![format!("init_checkpoint={}", other.display())];
    let stderr = run.fail(2);
    assert!(stderr.contains("initial_weights"), "{stderr}");
}

#[test]
fn a_rate_that_falls_otherwise_is_another_run() {
    let mut run = SmallRun::new();
    run.sets = [
        "lr_schedule=cosine",
        "learning_rate=1e-3",
        "num_train_epochs=0.5",
    ]
    .map(str::to_owned)
    .into();
    run.finish();
    let log = std::fs::read_to_string(run.model_dir().join("train_log.jsonl")).unwrap();
    let rates = log.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["learning_rate"].as_f64().unwrap()
    });
    let rates: Vec<f64> = rates.collect();
    let steps = rates.len() as f64;
    for (step, rate) in rates.iter().enumerate() {
        let step = step as f64;
        let warm = (step / (0.1 * steps)).min(1.0);
        let expected = 1e-3 * warm * (1.0 + (std::f64::consts::PI * step / steps).cos()) / 2.0;
        // It is an f32.
        assert!((rate - expected).abs() < 1e-9, "{step}: {rate}, {expected}");
    }
    run.sets.push("lr_schedule=constant".to_owned());
    let told = run.fail(2);
    assert!(
        told.contains("lr_schedule: \"cosine\" there, \"constant\" now"),
        "{told}"
    );
    run.sets.push("lr_schedule=step".to_owned());
    let told = run.fail(2);
    let expected = "lr_schedule = \"step\": expected \"linear\" or \"cosine\" or \"constant\"";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_log_that_no_run_wrote_is_refused() {
    let run = SmallRun::new();
    let log = run.model_dir().join("train_log.jsonl");
    let thesis = run.data.join("thesis.txt");
    fs::create_dir_all(run.model_dir()).unwrap();
    fs::write(&thesis, "my thesis\n").unwrap();
    for linked in [false, true] {
        match linked {
            false => fs::copy(&thesis, &log).map(drop).unwrap(),
            true => symlink(&thesis, &log).unwrap(),
        }
        let stderr = run.fail(2);
        let told = "squad_model_1 contains train_log.jsonl, which no training run has written";
        assert!(stderr.contains(told), "{stderr}");
        assert_eq!(fs::read_to_string(&log).unwrap(), "my thesis\n");
        assert_eq!(log.is_symlink(), linked);
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_finished_run_writes_a_damaged_description_again() {
    let mut run = SmallRun::new();
    run.sets = vec!["num_train_epochs=0.1".into()];
    let told = || String::from_utf8(run.finish().stderr).unwrap();
    told();
    let [config, model] = ["config.json", "model.bpk"].map(|name| run.model_dir().join(name));
    let [whole, weights] = [&config, &model].map(|file| fs::read(file).unwrap());
    fs::write(&config, "{").unwrap();
    let asked = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["ask", "--device", "cpu", "--question", "Who?", "--passage"])
        .args(["Ada wrote it.", "--checkpoint"])
        .arg(run.model_dir())
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    let said = String::from_utf8(asked.stderr).unwrap();
    for part in [
        "config.json: expected the description of a model: EOF while parsing",
        "; start the run again with its own command, which writes the file anew",
    ] {
        assert!(said.contains(part), "{said}");
    }
    for is_gone in [false, true] {
        if is_gone {
            fs::remove_file(&config).unwrap();
        }
        let said = told();
        for part in [
            "trained before, and not trained again: ",
            "config.json is gone or damaged",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(fs::read(&config).unwrap() == whole);
        assert!(fs::read(&model).unwrap() == weights);
    }
    assert!(told().contains("nothing is left to do"));
}

#[test]
fn links_in_the_run_s_folder_are_not_followed() {
    let mut run = SmallRun::new();
    run.sets = vec!["num_train_epochs=0.1".into()];
    let mine = run.data.join("mine.txt");
    fs::write(&mine, "mine\n").unwrap();
    fs::create_dir_all(run.model_dir()).unwrap();
    // As of a run that was killed before its first step.
    fs::write(run.model_dir().join("train_log.jsonl"), "").unwrap();
    let links = ["config.json", "vocab.txt"].map(|name| run.model_dir().join(name));
    for link in &links {
        symlink(&mine, link).unwrap();
    }
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine\n");
    for link in &links {
        assert!(!link.is_symlink(), "{}", link.display());
        let told = format!(
            "{}: expected a plain file, found a symbolic",
            link.display()
        );
        assert!(stderr.contains(&told), "{stderr}");
    }
    let vocab = run.data.join("models/electra_tiny/vocab.txt");
    assert!(fs::read(&links[1]).unwrap() == fs::read(vocab).unwrap());
}
