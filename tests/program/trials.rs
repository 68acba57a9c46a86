//! Tests `electra finetune --trial K`: several processes run the trials of one run, with the same result as
//! one process that runs them in turn.
#![cfg(unix)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output},
};

use serde_json::Value;

use super::interruption::{assert_same, undisturbed};
use crate::support::{
    place::golden,
    small_run::{SmallRun, signal},
};

fn trial(run: &SmallRun, more: &[&str]) -> Command {
    let mut command = run.command();
    command.args(more);
    command
}

/// The output of a process, and its messages.
#[track_caller]
fn ended(child: Child) -> (String, String) {
    texts(child.wait_with_output().unwrap(), 0)
}

#[track_caller]
fn texts(output: Output, code: i32) -> (String, String) {
    let [out, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(code), "{told}");
    (out, told)
}

/// Runs to the expected end, and returns output and messages.
#[track_caller]
fn run_trial(run: &SmallRun, more: &[&str], code: i32) -> (String, String) {
    texts(trial(run, more).output().unwrap(), code)
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn results(run: &SmallRun) -> Vec<Value> {
    let file = run.results_dir().join("squad_results.json");
    serde_json::from_value(json(file)).unwrap()
}

#[test]
fn trials_of_several_processes_end_as_those_of_one() {
    let whole = undisturbed();
    let run = SmallRun::of_trials();
    let children = ["3", "1"].map(|number| trial(&run, &["--trial", number]).spawn().unwrap());
    for child in children {
        ended(child);
    }
    // Whichever of the two ends last, the results contain both, and the files without a number are the third
    // trial's.
    let all: Vec<Value> =
        serde_json::from_slice(&whole.results[&PathBuf::from("squad_results.json")]).unwrap();
    assert_eq!(results(&run), [all[0].clone(), all[2].clone()]);
    for kind in ["preds", "nbest", "null_odds", "eval"] {
        let name = PathBuf::from(format!("squad_qa/squad_{kind}.json"));
        let found = fs::read(run.results_dir().join(&name)).unwrap();
        assert!(found == whole.results[&name], "{kind}");
    }
    let record = |name: &str| json(run.results_dir().join(format!("squad_qa/{name}.json")));
    let [own, last] = ["squad_preds_3.provenance", "squad_preds.provenance"].map(record);
    for (key, name) in [("predictions", "preds"), ("null_odds", "null_odds")] {
        assert_eq!(own[key]["sha256"], last[key]["sha256"]);
        assert_eq!(own[key]["file"], format!("squad_{name}_3.json"));
        assert_eq!(last[key]["file"], format!("squad_{name}.json"));
    }
    // A finished trial is not trained again, and the missing ones are reported.
    let (out, told) = run_trial(&run, &["--trial", "1"], 0);
    assert!(told.contains("trial 1 of 3: finished before"), "{told}");
    assert!(!told.contains("parameters: "), "{told}");
    let missing = "missing from the results: trial 2 of 3, not finished yet";
    assert!(told.contains(missing), "{told}");
    assert!(out.contains("trial 1  trial 3     mean"), "{out}");
    let page = run.data.join("page.html");
    let report = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .args(["report", "--model-name", "electra_tiny", "--data-dir"])
            .arg(&run.data)
            .args(["--hparams", &SmallRun::hparams().to_string()])
            .args(more)
            .arg("--output")
            .arg(&page)
            .output()
            .unwrap()
    };
    let (_, told) = texts(report(&["--trial", "2"]), 2);
    let expected = "--trial: expected one of 1, 3, the trials in ";
    assert!(told.contains(expected), "{told}");
    let names = || {
        let page = fs::read_to_string(&page).unwrap();
        [1, 2, 3]
            .map(|number: usize| page.contains(&format!("<th class=\"n\">trial {number}</th>")))
    };
    let (third, _) = texts(report(&["--trial", "3"]), 0);
    assert_eq!(names(), [true, false, true]);
    // As where the process that ended the third could not write what holds the results of all: its answers
    // have its number alone.
    let of_all = run.results_dir().join("squad_results.json");
    fs::write(&of_all, serde_json::to_vec(&[&all[0]]).unwrap()).unwrap();
    for kind in ["preds", "nbest", "null_odds", "eval"] {
        let [own, last] = ["_1", ""].map(|number| {
            run.results_dir()
                .join(format!("squad_qa/squad_{kind}{number}.json"))
        });
        fs::copy(own, last).unwrap();
    }
    let (shown, told) = texts(report(&[]), 0);
    let expected = "squad_results.json: expected 2 trials, as many as are finished, found 1";
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("by the predictions"), "{told}");
    assert_eq!(shown, third);
    assert_eq!(names(), [true, false, true]);
    // Whichever process ends next writes them.
    run_trial(&run, &["--trial", "1"], 0);
    assert_eq!(results(&run), [all[0].clone(), all[2].clone()]);

    let (out, told) = run_trial(&run, &["--trial", "2"], 0);
    assert!(!told.contains("missing from the results"), "{told}");
    assert_eq!(out.split_once("\nfiles:").unwrap().0, whole.table);
    assert_same(&run, whole);
}

#[test]
fn a_trial_that_another_process_is_at_is_refused_and_passed_over() {
    let whole = undisturbed();
    let run = SmallRun::of_trials();
    let first = trial(&run, &["--trial", "1"]).spawn().unwrap();
    run.wait_for_checkpoint(1);
    // Suspended, so that it does not end before the others start.
    signal(&first, "-STOP");
    let holder = format!("(process {}", first.id());
    let (_, told) = run_trial(&run, &["--trial", "1"], 2);
    let expected = format!("squad_model_1 is being trained by another process {holder}");
    assert!(told.contains(&expected), "{told}");
    let (_, told) = run_trial(&run, &["--restart"], 2);
    assert!(told.contains(&expected), "{told}");
    // A run without --trial runs the others.
    let (_, told) = run_trial(&run, &[], 0);
    let expected = format!(
        "missing from the results: trial 1 of 3, which another process is training {holder}"
    );
    assert!(told.contains(&expected), "{told}");
    assert_eq!(results(&run).len(), 2);
    signal(&first, "-CONT");
    let (_, told) = ended(first);
    assert!(!told.contains("missing from the results"), "{told}");
    assert_same(&run, whole);
}

#[test]
fn a_trial_that_was_killed_goes_on_and_one_alone_begins_anew() {
    let whole = undisturbed();
    let run = SmallRun::of_trials();
    let mut second = trial(&run, &["--trial", "2"]).spawn().unwrap();
    run.wait_for_checkpoint(2);
    second.kill().unwrap();
    second.wait().unwrap();
    let (_, told) = run_trial(&run, &["--trial", "2"], 0);
    assert!(told.contains("resuming from"), "{told}");
    let missing = "missing from the results: trials 1 and 3 of 3, not finished yet";
    assert!(told.contains(missing), "{told}");
    // Only its folder records the run's settings.
    assert!(run.trial_dir(2).join("model.bpk").is_file());

    // Other settings belong to another run.
    let (_, told) = run_trial(&run, &["--trial", "3", "--set", "learning_rate=1e-3"], 2);
    assert!(
        told.contains("squad_model_trials.json") && told.contains("learning_rate: "),
        "{told}"
    );
    assert!(!run.trial_dir(3).join("train_log.jsonl").exists());

    let (_, told) = run_trial(&run, &[], 0);
    assert!(told.contains("trial 2 of 3: finished before"), "{told}");
    assert_same(&run, whole);

    let (_, told) = run_trial(&run, &["--trial", "3", "--restart"], 0);
    assert!(!told.contains("resuming from"), "{told}");
    let aside = run.trial_dir(3).with_extension("old");
    assert!(fs::read(aside.join("model.bpk")).unwrap() == whole.record);
    assert_same(&run, whole);
}

#[test]
fn a_trial_that_is_made_anew_is_not_finished_to_the_others() {
    let whole = undisturbed();
    let run = SmallRun::of_trials();
    run_trial(&run, &["--trial", "1"], 0);
    run_trial(&run, &["--trial", "2"], 0);
    assert!(!run.trial_dir(1).join("model.bpk").exists());
    // Deleting a folder means that the trial must be trained again.
    fs::remove_dir_all(run.trial_dir(2)).unwrap();
    let mut second = trial(&run, &["--trial", "2"]).spawn().unwrap();
    run.wait_for_checkpoint(2);
    second.kill().unwrap();
    second.wait().unwrap();
    // The process that finishes the third trial removes only the models of finished trials.
    let (_, told) = run_trial(&run, &["--trial", "3"], 0);
    let missing = "missing from the results: trial 2 of 3, not finished yet";
    assert!(told.contains(missing), "{told}");
    let (_, told) = run_trial(&run, &["--trial", "2"], 0);
    assert!(told.contains("resuming from"), "{told}");
    assert_same(&run, whole);
}

#[test]
fn the_answers_of_the_only_trial_stay_when_another_joins_it() {
    let mut run = SmallRun::of_trials();
    run.sets[0] = "num_trials=1".to_owned();
    run.finish();
    let before = run.results();
    run.sets[0] = "num_trials=2".to_owned();
    run_trial(&run, &["--trial", "2"], 0);
    let qa = |name: String| run.results_dir().join("squad_qa").join(name);
    let bytes = |name: String| fs::read(qa(name)).unwrap();
    for kind in ["preds", "nbest", "null_odds", "eval"] {
        let first = &before[&PathBuf::from(format!("squad_qa/squad_{kind}.json"))];
        let last = bytes(format!("squad_{kind}.json"));
        assert!(bytes(format!("squad_{kind}_1.json")) == *first, "{kind}");
        assert!(bytes(format!("squad_{kind}_2.json")) == last, "{kind}");
        // The other files may happen to be equal.
        assert!(kind != "null_odds" || last != *first);
    }
    let record = json(qa("squad_preds_1.provenance.json".to_owned()));
    assert_eq!(record["predictions"]["file"], "squad_preds_1.json");
    assert_eq!(results(&run).len(), 2);
    assert!(!run.trial_dir(1).exists());
    let (_, told) = run_trial(&run, &["--trial", "1"], 0);
    assert!(told.contains("trial 1 of 2: finished before"), "{told}");
    assert!(!told.contains("parameters: "), "{told}");
}

#[test]
fn what_is_no_trial_is_refused() {
    let run = SmallRun::of_trials();
    for (given, expected) in [
        (
            &["--trial", "0"][..],
            "--trial: expected a number from 1 to 3, the run's num_trials, found 0",
        ),
        (
            &["--trial", "4"],
            "from 1 to 3, the run's num_trials, found 4",
        ),
        (
            &["--trial", "1", "--set", "do_train=false"],
            "--trial 1: needs do_train=true",
        ),
    ] {
        let (_, told) = run_trial(&run, given, 2);
        assert!(told.contains(expected), "{given:?}: {told}");
    }
    let (_, told) = run_trial(&run, &["--trial", "2", "--dry-run"], 0);
    assert!(told.contains("training: trial 2 of 3, "), "{told}");
    assert!(!run.trial_dir(2).exists() && !run.results_dir().exists());
}

#[test]
fn processes_share_the_trials_of_a_sweep() {
    let new = || {
        let mut run = SmallRun::new();
        let dev = run.data.join("finetuning_data/squad/dev.json");
        fs::copy(golden("data/squad2-tiny.dev.json"), dev).unwrap();
        run.sets = ["do_eval=true", "num_train_epochs=0.3", "num_trials=2"]
            .map(str::to_owned)
            .into();
        run
    };
    let sweep = |run: &SmallRun, more: &[&str]| {
        let mut command = trial(run, &["--sweep", "learning_rate=1e-4,2e-3"]);
        command.args(more);
        command
    };
    let shared = new();
    let children = ["1", "2"].map(|number| sweep(&shared, &["--trial", number]).spawn().unwrap());
    for child in children {
        let (_, told) = ended(child);
        assert!(told.contains("cell 2 of 2: learning_rate=0.002"), "{told}");
    }
    // Nothing is left to do, and the table is complete.
    let (out, told) = texts(sweep(&shared, &[]).output().unwrap(), 0);
    assert_eq!(told.matches("finished before").count(), 4, "{told}");
    assert!(!told.contains("parameters: "), "{told}");
    assert!(!told.contains("missing from the results"), "{told}");
    assert!(out.contains(" ± "), "{out}");

    let alone = new();
    texts(sweep(&alone, &[]).output().unwrap(), 0);
    for rate in ["0.0001", "0.002"] {
        let cell = |run: &SmallRun| {
            run.data.join(format!(
                "models/electra_tiny/finetuning_models/squad_model_sweep/learning_rate={rate}"
            ))
        };
        let read = |run: &SmallRun, name: &str| {
            let folder = format!("{}_results", cell(run).display());
            fs::read(PathBuf::from(folder).join(name)).unwrap()
        };
        for name in [
            "squad_results.txt",
            "squad_results.json",
            "squad_summary.txt",
            "squad_summary.json",
            "squad_qa/squad_preds.json",
            "squad_qa/squad_preds_1.json",
            "squad_qa/squad_nbest_2.json",
            "squad_qa/squad_null_odds.json",
            "squad_qa/squad_eval.json",
        ] {
            assert!(read(&shared, name) == read(&alone, name), "{rate}: {name}");
        }
    }
}
