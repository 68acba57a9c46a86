//! Tests `electra pretrain`: the files of a run, how it resumes after an interruption, which weights it
//! starts from, and its error messages.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use crate::support::place::{golden, tiny_vocabulary};
use serde_json::Value;

/// Networks that train in seconds.
const SMALL: [&str; 10] = [
    "vocab_size=2048",
    "embedding_size=32",
    "model_hparam_overrides.hidden_size=64",
    "model_hparam_overrides.num_hidden_layers=2",
    "generator_hidden_size=0.5",
    "max_seq_length=64",
    "train_batch_size=8",
    "num_train_steps=6",
    "num_warmup_steps=2",
    "save_checkpoints_steps=2",
];

/// A data folder with examples and a vocabulary.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(tiny_vocabulary(), folder.path().join("vocab.txt")).unwrap();
        let records = folder.path().join("pretrain_tfrecords");
        fs::create_dir(&records).unwrap();
        for file in fs::read_dir(golden("pretrain/tfrecords")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), records.join(file.file_name())).unwrap();
        }
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn pretrain(&self, name: &str, sets: &[&str]) -> Command {
        self.bare(name, &[&SMALL[..], sets].concat())
    }

    /// Writes a vocabulary with its last two tokens in the other order: the same size, other ids.
    pub(super) fn swap_tokens(&self, from: &str, to: &str) {
        let vocab = fs::read_to_string(self.path(from)).unwrap();
        let mut lines: Vec<&str> = vocab.lines().collect();
        let last = lines.len() - 1;
        lines.swap(last, last - 1);
        fs::write(self.path(to), lines.join("\n") + "\n").unwrap();
    }

    /// With these settings only.
    pub(super) fn bare(&self, name: &str, sets: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .current_dir(self.folder.path())
            .args(["pretrain", "--data-dir", ".", "--model-name", name])
            .args(["--device", "cpu"]);
        for set in sets {
            command.args(["--set", set]);
        }
        command
    }

    fn report(&self, run: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .current_dir(self.folder.path())
            .args(["report", run, "--output", "run.html"])
            .args(more);
        command
    }

    pub(super) fn log(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(&format!("models/{name}/pretrain_log.jsonl")));
        let lines = text.unwrap();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

#[track_caller]
pub(super) fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[track_caller]
pub(super) fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Autodiff once kept 200 KB of every step. Without that a process of this size grows by some hundred
/// kilobytes.
#[test]
fn memory_does_not_grow_over_steps() {
    let place = Place::new();
    succeeds(&mut place.pretrain("m", &["num_train_steps=120", "save_checkpoints_steps=1000"]));
    let log = place.log("m");
    let most_until = |step: usize| log[step]["peak_bytes"].as_u64().unwrap();
    let grown = most_until(119) - most_until(40);
    assert!(grown < 4 << 20, "{grown} bytes in 80 steps");
}

#[test]
fn a_run_goes_on_with_its_own_examples_and_says_what_is_damaged() {
    let place = Place::new();
    let run = || place.pretrain("m", &["num_train_steps=4"]);
    let said = |command: &mut Command| String::from_utf8(succeeds(command).stderr).unwrap();
    succeeds(&mut run());
    let model = place.path("models/m/model.bpk");
    let made = fs::read(&model).unwrap();

    // As many examples in another order.
    let records = place.path("pretrain_tfrecords");
    let mut files: Vec<PathBuf> = fs::read_dir(&records)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let swap = || {
        let beside = records.join("beside");
        fs::rename(&files[0], &beside).unwrap();
        fs::rename(&files[1], &files[0]).unwrap();
        fs::rename(&beside, &files[1]).unwrap();
    };
    swap();
    let message = fails(&mut run());
    assert!(
        message.contains("(pretrain_tfrecords, its examples' checksum: \"crc32c "),
        "{message}"
    );
    swap();

    let log = place.path("models/m/pretrain_log.jsonl");
    let mut lines: Vec<String> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines[1] = "garbage".to_owned();
    let damaged = lines.join("\n") + "\n";
    fs::write(&log, &damaged).unwrap();
    let told = said(&mut run());
    assert!(told.contains("line 2 is damaged and left out"), "{told}");
    assert!(told.contains("no lines for steps 1,"), "{told}");
    let kept = fs::read_to_string(log.with_extension("jsonl.damaged")).unwrap();
    assert_eq!(kept, damaged);

    let weights = place.path("models/m/checkpoint-4/model.bpk");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let told = said(&mut run());
    assert!(told.contains("checkpoint-4.damaged"), "{told}");
    assert!(
        told.contains("resuming from ./models/m/checkpoint-2"),
        "{told}"
    );
    assert!(fs::read(&model).unwrap() == made, "another model");

    // Without a checkpoint the model would be replaced by another.
    for step in ["checkpoint-2", "checkpoint-4"] {
        fs::remove_dir_all(place.path(&format!("models/m/{step}"))).unwrap();
    }
    let message = fails(&mut place.pretrain("m", &["num_train_steps=4", "seed=5"]));
    assert!(
        message.contains("found only the model of a run that has ended"),
        "{message}"
    );
    assert!(fs::read(&model).unwrap() == made, "another model");
}

#[test]
fn a_run_leaves_a_model_and_goes_on_bit_for_bit() {
    let place = Place::new();
    let output = succeeds(&mut place.pretrain("m", &[]));
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().find(|line| line.contains("step 6/6")).unwrap();
    for figure in [
        "loss ",
        "MLM ",
        "replaced ",
        "AUC ",
        "precision ",
        "recall ",
        " tokens/s",
        "FLOP/s",
        " left",
    ] {
        assert!(last.contains(figure), "{last}");
    }
    let files = ["model.bpk", "generator.bpk", "config.json", "vocab.txt"];
    let read = |file: &str| fs::read(place.path(&format!("models/m/{file}"))).unwrap();
    let made: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    let log = place.log("m");
    let steps: Vec<u64> = log
        .iter()
        .map(|line| line["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [0, 1, 2, 3, 4, 5]);
    for key in [
        "loss",
        "masked_lm_loss",
        "disc_loss",
        "masked_lm_accuracy",
        "replaced",
        "disc_auc",
        "disc_precision",
        "disc_recall",
        "grad_norm",
        "learning_rate",
        "examples",
        "tokens",
        "seconds",
        "model_flops_per_s",
    ] {
        assert!(log[0][key].is_number(), "{key}: {}", log[0]);
    }
    // Chance level at first: the logarithm of 2,048, and of 2.
    let first = |key: &str| log[0][key].as_f64().unwrap();
    assert!((first("masked_lm_loss") - 7.62).abs() < 0.3, "{}", log[0]);
    assert!((first("disc_loss") - 0.69).abs() < 0.2, "{}", log[0]);

    // Resumes from an earlier checkpoint, whatever the log contains of later steps.
    for gone in ["checkpoint-4", "checkpoint-6"] {
        fs::remove_dir_all(place.path(&format!("models/m/{gone}"))).unwrap();
    }
    fs::remove_file(place.path("models/m/model.bpk")).unwrap();
    let output = succeeds(&mut place.pretrain("m", &[]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("resuming from ./models/m/checkpoint-2"),
        "{said}"
    );
    for (file, made) in files.iter().zip(&made) {
        assert!(read(file) == *made, "{file} differs");
    }
    let again = place.log("m");
    for (before, after) in log.iter().zip(&again) {
        assert_eq!(
            (&before["loss"], &before["grad_norm"]),
            (&after["loss"], &after["grad_norm"])
        );
    }

    let message = fails(&mut place.pretrain("m", &["learning_rate=0.1"]));
    assert!(message.contains("(learning_rate: "), "{message}");
    let own = "--set init_checkpoint=./models/m/checkpoint-6";
    assert!(message.trim_end().ends_with(own), "{message}");
    let output = succeeds(&mut place.pretrain("m", &[]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("at step 6 of 6"), "{said}");

    // Nothing moves for weights that cannot be read.
    for (weights, expected) in [
        ("models/none", "no such file or folder"),
        ("m", "did you mean ./models/m?"),
        ("models/m", "expected initial weights outside ./models/m"),
    ] {
        let weights = format!("init_checkpoint={weights}");
        let message = fails(place.pretrain("m", &[&weights]).arg("--restart"));
        assert!(message.contains(expected), "{message}");
        assert!(place.path("models/m/model.bpk").is_file());
        assert!(!place.path("models/m.old").exists());
    }
    let output = succeeds(place.pretrain("m", &["num_train_steps=2"]).arg("--restart"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("./models/m is now ./models/m.old"), "{said}");
    assert!(place.path("models/m.old/model.bpk").is_file());

    let evaluate = [
        "do_train=false",
        "do_eval=true",
        "num_eval_steps=3",
        "eval_batch_size=8",
    ];
    let output = succeeds(&mut place.pretrain("m", &evaluate));
    let shown = String::from_utf8(output.stdout).unwrap();
    let text = fs::read_to_string(place.path("models/m/results/unsup_results.txt")).unwrap();
    let names: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(" = ").unwrap().0)
        .collect();
    assert_eq!(
        names,
        [
            "disc_accuracy",
            "disc_auc",
            "disc_loss",
            "disc_precision",
            "disc_recall",
            "global_step",
            "loss",
            "masked_lm_accuracy",
            "masked_lm_loss",
            "sampled_masked_lm_accuracy",
        ]
    );
    assert!(text.lines().all(|line| shown.contains(line)), "{shown}");
    let json = fs::read(place.path("models/m/results/unsup_results.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["global_step"], 2);

    // The file's examples have at most 64 tokens.
    let longer = [&evaluate[..], &["max_seq_length=128"]].concat();
    let output = succeeds(&mut place.pretrain("m", &longer));
    let told = String::from_utf8(output.stderr).unwrap();
    let padded =
        "examples of at most 64 tokens are padded to max_seq_length 128: the AUC counts padding";
    assert!(told.contains(padded), "{told}");
    let other = [
        &evaluate[..],
        &["model_hparam_overrides.num_attention_heads=2"],
    ]
    .concat();
    let message = fails(&mut place.pretrain("m", &other));
    assert!(
        message.contains("expected a model with num_attention_heads 2, found 1"),
        "{message}"
    );
    // The examples are of a vocabulary, and the model of another.
    place.swap_tokens("models/m/vocab.txt", "models/m/vocab.txt");
    let message = fails(&mut place.pretrain("m", &evaluate));
    assert!(
        message
            .contains("vocab.txt: expected the vocabulary of the model that the run starts from"),
        "{message}"
    );
}

#[test]
fn micro_batches_change_nothing_but_rounding() {
    let place = Place::new();
    succeeds(&mut place.pretrain("whole", &["num_train_steps=3"]));
    succeeds(&mut place.pretrain("parts", &["num_train_steps=3", "micro_batch_size=3"]));
    for (whole, parts) in place.log("whole").iter().zip(&place.log("parts")) {
        for key in ["loss", "masked_lm_loss", "disc_loss", "grad_norm"] {
            let [whole, parts] = [whole, parts].map(|line| line[key].as_f64().unwrap());
            // Masks, samples and dropout are the same; sums are in a different order.
            assert!((whole / parts - 1.0).abs() < 1e-4, "{key} {whole} {parts}");
        }
    }
}

#[test]
fn a_batch_of_2048_is_the_same_in_any_parts() {
    let place = Place::new();
    let large = ["train_batch_size=2048", "num_train_steps=1"];
    let log = |name: &str, size: &str| {
        let size = format!("micro_batch_size={size}");
        let sets = [&large[..], &[size.as_str()]].concat();
        succeeds(&mut place.pretrain(name, &sets));
        place.log(name)[0].clone()
    };
    // 2,048 is not a multiple of 100: the last part has 48.
    let (few, many) = (log("few", "1024"), log("many", "100"));
    assert_eq!(few["examples"], 2048);
    assert_eq!(few["tokens"], many["tokens"]);
    for key in ["loss", "masked_lm_loss", "disc_loss", "grad_norm"] {
        let [few, many] = [&few, &many].map(|line| line[key].as_f64().unwrap());
        // Sums of 2,048 examples in a different order; a mean of the parts' means is off by far more.
        assert!((few / many - 1.0).abs() < 1e-4, "{key} {few} {many}");
    }
}

#[test]
fn hours_make_the_run_that_their_steps_make() {
    let place = Place::new();
    let without_steps: Vec<&str> = SMALL
        .into_iter()
        .filter(|set| !set.starts_with("num_train_steps"))
        .collect();
    let run = |hours: &str| {
        let mut command = place.bare("timed", &without_steps);
        command.args(["--hours", hours]);
        command
    };
    // Seven seconds.
    let output = succeeds(&mut run("0.002"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("hours = 0.002: a step takes "), "{said}");
    let path = |file: &str| place.path(&format!("models/timed/{file}"));
    let schedule: Value =
        serde_json::from_slice(&fs::read(path("schedule.json")).unwrap()).unwrap();
    let number = |key: &str| schedule[key].as_u64().unwrap();
    let (steps, warm_up) = (number("num_train_steps"), number("num_warmup_steps"));
    let seconds = schedule["seconds_a_step"].as_f64().unwrap();
    assert_eq!(steps, (3600.0 * 0.002 * 0.95 / seconds) as u64);
    assert_eq!(warm_up, 2.min(steps / 10));
    assert_eq!(place.log("timed").len() as u64, steps);

    // Identical to a run with this number of steps.
    let told = [
        format!("num_train_steps={steps}"),
        format!("num_warmup_steps={warm_up}"),
    ];
    let mut sets = without_steps.clone();
    sets.extend(told.iter().map(String::as_str));
    succeeds(&mut place.bare("counted", &sets));
    let files = ["model.bpk", "generator.bpk"];
    let made = files.map(|file| fs::read(path(file)).unwrap());
    for (file, made) in files.iter().zip(&made) {
        let counted = fs::read(place.path(&format!("models/counted/{file}"))).unwrap();
        assert!(counted == *made, "{file} differs");
    }

    // Restarted, it measures nothing and yields the same model.
    let without_checkpoints = || {
        for entry in fs::read_dir(path("")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    };
    without_checkpoints();
    fs::remove_file(path("model.bpk")).unwrap();
    let said = String::from_utf8(succeeds(&mut run("0.002")).stderr).unwrap();
    let kept = format!("hours = 0.002: {steps} steps, as decided when the run started");
    assert!(said.contains(&kept), "{said}");
    for (file, made) in files.iter().zip(&made) {
        assert!(fs::read(path(file)).unwrap() == *made, "{file} differs");
    }

    // A run with other settings is refused if there is a checkpoint, and measured again if there is none.
    let other = |set: &str| {
        let mut command = place.bare("timed", &[&without_steps[..], &[set]].concat());
        command.args(["--hours", "0.002"]);
        command
    };
    let message = fails(&mut other("num_warmup_steps=3"));
    let differing = format!("num_warmup_steps: {warm_up} there, 3 now");
    assert!(message.contains(&differing), "{message}");
    let message = fails(&mut other("disc_weight=40"));
    assert!(
        message.contains("disc_weight: 50.0 there, 40.0 now"),
        "{message}"
    );
    without_checkpoints();
    let message = fails(&mut other("disc_weight=40"));
    assert!(
        message.contains("found only the model of a run that has ended"),
        "{message}"
    );
    fs::remove_file(place.path("models/timed/model.bpk")).unwrap();
    let said = String::from_utf8(succeeds(&mut other("disc_weight=40")).stderr).unwrap();
    for part in [
        "belongs to another run (disc_weight: 50.0 there, 40.0 now)",
        "hours = 0.002: a step takes ",
    ] {
        assert!(said.contains(part), "{said}");
    }

    let message = fails(&mut run("0.003"));
    assert!(
        message.contains("the run was started with hours = 0.002, found 0.003"),
        "{message}"
    );
    for wrong in ["0", "-1", "nan", "inf", "many"] {
        let message = fails(&mut run(wrong));
        assert!(message.contains("a number of hours above 0"), "{message}");
    }
    for (set, expected) in [
        ("hours=0", "must be above 0"),
        ("hours=NaN", "expected a number, or null"),
        ("hours=1", "determines num_train_steps, which is given too"),
    ] {
        let message = fails(&mut place.pretrain("timed", &[set]));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_preset_leaves_a_quick_run_quick() {
    let place = Place::new();
    let own = ["num_train_steps", "train_batch_size"];
    let mut sets: Vec<&str> = SMALL
        .into_iter()
        .filter(|set| !own.iter().any(|key| set.starts_with(key)))
        .collect();
    sets.push("debug=true");
    let mut command = place.bare("quick", &sets);
    succeeds(command.args(["--preset", "small"]));
    assert_eq!(place.log("quick").len(), 20);
    let config = fs::read(place.path("models/quick/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let config = &config["pretraining"];
    assert_eq!(config["train_batch_size"], 8);
    assert_eq!(config["learning_rate"], 5e-4);
}

#[test]
fn a_report_shows_a_run_of_pre_training() {
    let place = Place::new();
    let sets = ["num_train_steps=3", "peak_tflops=10"];
    succeeds(&mut place.pretrain("m", &sets));
    let output = succeeds(&mut place.report("models/m", &[]));
    let told = String::from_utf8(output.stdout).unwrap();
    for part in ["steps ", "disc_auc ", "share_of_peak ", "report: run.html"] {
        assert!(told.contains(part), "{told}");
    }
    let html = fs::read_to_string(place.path("run.html")).unwrap();
    for part in [
        "<title>m: pre-training</title>",
        "<b>3 of 3</b>",
        "MLM accuracy",
        "precision",
        "\"name\":\"tokens a second\"",
        "\"name\":\"share of peak\"",
        "Not checked yet: the figures are judged every 500 steps.",
        "<code>generator_hidden_size = 0.5</code>",
        "pretrain --data-dir . --model-name m",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let json = succeeds(&mut place.report("models/m", &["--json"])).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        (&json["steps"], &json["of"]),
        (&Value::from(3), &Value::from(3))
    );
    assert_eq!(json["seconds_left"], 0.0);

    let message = fails(&mut place.report(".", &[]));
    assert!(
        message.contains("expected the folder of a pre-training run"),
        "{message}"
    );
    let message = fails(&mut place.report("models/m", &["--data", "dev.json"]));
    assert!(message.contains("cannot be used with"), "{message}");
    let log = fs::read(place.path("models/m/pretrain_log.jsonl")).unwrap();
    let onto = ["--output", "models/m/pretrain_log.jsonl"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.current_dir(place.path(""));
    fails(command.args(["report", "models/m"]).args(onto));
    assert!(fs::read(place.path("models/m/pretrain_log.jsonl")).unwrap() == log);
}

#[test]
fn a_probe_is_scored_and_changes_nothing() {
    let place = Place::new();
    let task = place.path("finetuning_data/rte");
    fs::create_dir_all(&task).unwrap();
    for file in ["train.tsv", "dev.tsv"] {
        fs::copy(golden(&format!("glue/rte/{file}")), task.join(file)).unwrap();
    }
    let probing = ["probe=rte", "probe_every=4"];
    succeeds(&mut place.pretrain("plain", &[]));
    let output = succeeds(&mut place.pretrain("probed", &probing));
    let said = String::from_utf8(output.stderr).unwrap();
    for step in [0, 4, 6] {
        let line = format!("step {step}: probe rte: accuracy");
        assert!(said.contains(&line), "{said}");
    }
    let files = ["model.bpk", "generator.bpk"];
    let read = |name: &str| {
        files.map(|file| fs::read(place.path(&format!("models/{name}/{file}"))).unwrap())
    };
    let made = read("plain");
    assert!(read("probed") == made);
    let probes = || -> Vec<Value> {
        let text = fs::read_to_string(place.path("models/probed/probe_log.jsonl")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let figures = |probes: &[Value]| -> Vec<(u64, f64, f64)> {
        let figure = |probe: &Value, key: &str| probe[key].as_f64().unwrap();
        let probes = probes.iter();
        probes
            .map(|it| {
                (
                    it["step"].as_u64().unwrap(),
                    figure(it, "accuracy"),
                    figure(it, "loss"),
                )
            })
            .collect()
    };
    let first = figures(&probes());
    assert_eq!(
        first.iter().map(|probe| probe.0).collect::<Vec<_>>(),
        [0, 4, 6]
    );
    // Of two classes, barely trained: near the logarithm of 2.
    for (step, accuracy, loss) in &first {
        assert!((0.0..=100.0).contains(accuracy), "{step} {accuracy}");
        assert!((loss - 0.69).abs() < 0.3, "{step} {loss}");
    }
    let page = succeeds(&mut place.report("models/probed", &[]));
    assert!(page.status.success());
    let html = fs::read_to_string(place.path("run.html")).unwrap();
    assert!(html.contains("\"name\":\"rte: accuracy\""));

    // Killed during the probe after step 4, whose line is incomplete.
    for gone in ["checkpoint-4", "checkpoint-6"] {
        fs::remove_dir_all(place.path(&format!("models/probed/{gone}"))).unwrap();
    }
    fs::remove_file(place.path("models/probed/model.bpk")).unwrap();
    let log = place.path("models/probed/probe_log.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let half = text.find('\n').unwrap() + 20;
    fs::write(&log, &text[..half]).unwrap();
    succeeds(&mut place.pretrain("probed", &probing));
    assert!(read("probed") == made);
    assert_eq!(figures(&probes()), first);

    fs::remove_file(task.join("dev.tsv")).unwrap();
    for (sets, expected) in [
        (&probing[..], "dev.tsv"),
        (&["probe=rtt"][..], "probe = rtt: "),
    ] {
        let message = fails(&mut place.pretrain("other", sets));
        assert!(message.contains(expected), "{message}");
        assert!(!place.path("models/other").exists());
    }
}

#[test]
fn what_cannot_be_trained_is_told() {
    let place = Place::new();
    for (sets, expected) in [
        (&["learning_rat=1"][..], "the nearest is learning_rate"),
        (&["max_predictions_per_seq=3"], "there is no such key"),
        (&["do_eval=true"], "exactly one of do_train and do_eval"),
        (
            &["pretrain_tfrecords=none*"],
            "none*: expected files of examples",
        ),
        (&["vocab_size=100"], "vocab.txt"),
        (
            &["max_seq_length=32"],
            "expected examples of up to 32 tokens",
        ),
        (
            &["do_train=false", "do_eval=true"],
            "expected a pre-trained model",
        ),
    ] {
        let message = fails(&mut place.pretrain("m", sets));
        assert!(message.contains(expected), "{message}");
        assert!(!place.path("models/m/model.bpk").exists());
    }
    // A converted model in the run's folder is foreign.
    let zip = golden("models/electra_tiny.zip");
    checkpoints_convert::convert(&zip, &place.path("models/m"), &mut |_, _| {}).unwrap();
    let message = fails(&mut place.pretrain("m", &[]));
    assert!(
        message.contains("which pre-training has not written"),
        "{message}"
    );
    // So is a run of fine-tuning.
    fs::create_dir_all(place.path("models/tuned/checkpoint-1")).unwrap();
    fs::write(place.path("models/tuned/train_log.jsonl"), "").unwrap();
    let message = fails(&mut place.pretrain("tuned", &[]));
    assert!(
        message.contains("models/tuned holds train_log.jsonl, which pre-training has not written"),
        "{message}"
    );
}

#[test]
fn a_damaged_file_of_examples_is_refused_before_the_first_step() {
    let place = Place::new();
    fs::create_dir(place.path("corpus")).unwrap();
    let text = "The church is old.\nA man found it.\n\nAn oak was there.\n";
    fs::write(place.path("corpus/a.txt"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command
        .current_dir(place.folder.path())
        .args([
            "data",
            "pretrain",
            "--corpus",
            "corpus",
            "--max-seq-length",
            "64",
        ])
        .args(["--vocab", "vocab.txt", "--output", "text.tokens"]);
    succeeds(&mut command);
    let file = place.path("text.tokens");
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    // The first token of the first example, behind [CLS], becomes another one of the vocabulary.
    damaged[4096 + 2] ^= 1;
    fs::write(&file, damaged).unwrap();
    let run = |name: &str| place.pretrain(name, &["pretrain_tfrecords=text.tokens"]);
    let said = fails(&mut run("m"));
    assert!(
        said.contains("text.tokens: expected ids with the checksum "),
        "{said}"
    );
    let advice = "the file is damaged; build it again with electra data pretrain, or copy it again";
    assert!(said.contains(advice), "{said}");
    assert!(!place.path("models/m").exists(), "nothing was begun");
    fs::write(&file, whole).unwrap();
    succeeds(&mut run("m"));
    assert_eq!(place.log("m").len(), 6);
}
