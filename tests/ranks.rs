//! Several ranks that train one model over MPI, started by `mpirun`: they train as one process does, and
//! end together.
//!
//! `cargo test --workspace --features mpi --test ranks`. Without `mpirun` the tests say so and pass.
#![cfg(all(feature = "mpi", unix))]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{OnceLock, mpsc},
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use electra::step_record::StepRecord;
use serde_json::{Value, json};
use support::{
    golden,
    small_run::{SmallRun, signal},
    tiny_vocabulary,
};

/// How much loss and gradient norm may differ between numbers of ranks, which sum in other orders. The
/// differences grow from step to step, as those between micro-batches of other sizes do.
const CLOSE: f64 = 1e-5;

const OPTIONS: [&str; 5] = [
    "--allow-run-as-root",
    "--oversubscribe",
    "--bind-to",
    "none",
    "--quiet",
];

fn has_mpirun() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let found = Command::new("mpirun").arg("--version").output().is_ok();
        if !found {
            eprintln!("skipped: there is no mpirun (Debian: openmpi-bin)");
        }
        found
    })
}

/// The same commands as the ranks of one program, so many of each.
fn ranks(commands: &[(usize, Command)]) -> Command {
    let mut mpirun = Command::new("mpirun");
    mpirun.args(OPTIONS);
    for (number, (count, command)) in commands.iter().enumerate() {
        if number > 0 {
            mpirun.arg(":");
        }
        mpirun.args(["-n", &count.to_string()]);
        mpirun.arg(command.get_program()).args(command.get_args());
    }
    mpirun
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    mpirun
}

#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

fn log(folder: &Path) -> Vec<StepRecord> {
    let text = fs::read_to_string(folder.join("train_log.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Compares every step's loss and norm with those of one process.
#[track_caller]
fn assert_close(ours: &[StepRecord], theirs: &[StepRecord], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(
            (ours.step, ours.features, ours.tokens),
            (theirs.step, theirs.features, theirs.tokens)
        );
        for (name, a, b) in [
            ("loss", ours.loss, theirs.loss),
            ("norm", ours.grad_norm, theirs.grad_norm),
        ] {
            let off = (a / b - 1.0).abs();
            assert!(off < CLOSE, "{what}, step {}: {name} {a}, {b}", ours.step);
        }
    }
}

/// A run of 20 steps.
fn short() -> SmallRun {
    let mut run = SmallRun::new();
    run.sets.push("num_train_epochs=0.5".to_owned());
    run
}

/// The steps of one process.
fn of_one() -> &'static [StepRecord] {
    static STEPS: OnceLock<Vec<StepRecord>> = OnceLock::new();
    STEPS.get_or_init(|| {
        let run = short();
        run.finish();
        log(&run.model_dir())
    })
}

/// The processes of the ranks of `mpirun`, by rank.
fn processes(mpirun: &Child) -> BTreeMap<usize, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ranks = numbers.filter_map(|process| {
        let folder = Path::new("/proc").join(process.to_string());
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        let set = fs::read(folder.join("environ")).ok()?;
        let set = String::from_utf8_lossy(&set);
        let mut set = set.split('\0');
        let rank = set.find_map(|it| it.strip_prefix("OMPI_COMM_WORLD_RANK="))?;
        (parent.parse() == Ok(mpirun.id())).then_some((rank.parse().ok()?, process))
    });
    ranks.collect()
}

#[track_caller]
fn signal_rank(mpirun: &Child, rank: usize, signal: &str) {
    let process = processes(mpirun)[&rank].to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
}

/// Ranks of a run that has many steps, when it has a checkpoint.
fn started(run: &mut SmallRun, count: usize) -> Child {
    run.sets.push("num_train_epochs=3".to_owned());
    let child = ranks(&[(count, run.command())]).spawn().unwrap();
    run.wait_for_checkpoint(1);
    child
}

#[track_caller]
fn ended(child: Child) -> Output {
    let (began, mut child) = (Instant::now(), child);
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(300), "ranks go on");
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn two_and_four_ranks_train_as_one_process() {
    if !has_mpirun() {
        return;
    }
    // More ranks than some batches have rows, too.
    for count in [1, 2, 4, 5] {
        let run = short();
        let output = ranks(&[(count, run.command())]).output().unwrap();
        let told = told(&output, 0);
        if count > 1 {
            let device = format!("rank 1 of {count}: ");
            assert!(told.contains(&device), "{told}");
        }
        assert_close(&log(&run.model_dir()), of_one(), &format!("{count} ranks"));
        run.assert_tidy();
    }
}

#[test]
fn every_kind_of_task_is_trained_as_by_one_process() {
    if !has_mpirun() {
        return;
    }
    let logs = [1, 3].map(|count| {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let zip = golden("models/electra_tiny_projected.zip");
        checkpoints_convert::convert(&zip, &data.join("models/m"), &mut |_, _| {}).unwrap();
        for (task, file, from) in [
            ("rte", "train.tsv", "glue/rte/train.tsv"),
            ("sts", "train.tsv", "glue/sts/train.tsv"),
            ("chunk", "train.txt", "chunk/data/train.txt"),
            ("squad", "train.json", "data/squad2-tiny.train.json"),
        ] {
            let folder = data.join("finetuning_data").join(task);
            fs::create_dir_all(&folder).unwrap();
            fs::copy(golden(from), folder.join(file)).unwrap();
        }
        let hparams = json!({
            "task_names": ["rte", "sts", "chunk", "squad"], "train_batch_size": 8,
            "max_seq_length": 64, "num_train_epochs": 0.2, "do_eval": false,
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .args(["finetune", "--device", "cpu", "--model-name", "m"])
            .arg("--data-dir")
            .arg(data)
            .args(["--hparams", &hparams.to_string()]);
        told(&ranks(&[(count, command)]).output().unwrap(), 0);
        let runs = data.join("models/m/finetuning_models");
        let mut folders = fs::read_dir(runs).unwrap().flatten().map(|it| it.path());
        log(&folders.find(|path| path.is_dir()).unwrap())
    });
    assert!(logs[0].len() > 2);
    assert_close(&logs[1], &logs[0], "3 ranks");
}

/// What the sums of a run's gradients took: bytes of all steps, their seconds, and those hidden behind
/// computing.
fn exchanged(log: &[StepRecord]) -> (usize, [f64; 2]) {
    let costs = log.iter().map(|step| step.exchange.unwrap());
    let all: Vec<_> = costs.collect();
    let seconds = [
        all.iter().map(|cost| cost.seconds).sum(),
        all.iter().map(|cost| cost.hidden_seconds).sum(),
    ];
    (all.iter().map(|cost| cost.bytes).sum(), seconds)
}

#[test]
fn sums_made_while_a_rank_computes_are_those_made_after() {
    if !has_mpirun() {
        return;
    }
    for count in [2, 3] {
        // Several parts of a rank's share, too: only the last leaves the gradients.
        let [beside, after] = ["1", "0"].map(|overlap| {
            let mut run = short();
            run.sets.push("micro_batch_size=1".to_owned());
            let mut command = ranks(&[(count, run.command())]);
            command.env("ELECTRA_OVERLAP", overlap);
            let told = told(&command.output().unwrap(), 0);
            assert!(
                told.contains(&format!("{count} ranks: 20 sums of ")),
                "{told}"
            );
            assert!(!told.contains("end with other weights"), "{told}");
            (log(&run.model_dir()), run.record())
        });
        for (ours, theirs) in beside.0.iter().zip(&after.0) {
            let figures = |it: &StepRecord| [it.loss.to_bits(), it.grad_norm.to_bits()];
            assert_eq!(figures(ours), figures(theirs), "step {}", ours.step);
        }
        assert!(beside.1 == after.1, "{count} ranks");
        let ((bytes, [seconds, hidden]), (same, [_, nothing])) =
            (exchanged(&beside.0), exchanged(&after.0));
        assert_eq!(bytes, same);
        assert!(hidden > 0.0 && hidden < seconds, "{hidden} of {seconds} s");
        assert_eq!(nothing, 0.0);
    }
}

#[test]
fn gradients_exchanged_in_bf16_are_close_and_the_same_in_all_ranks() {
    if !has_mpirun() {
        return;
    }
    let of = |count: usize, format: &str| {
        let mut run = short();
        run.sets.push(format!("gradient_exchange={format}"));
        let output = ranks(&[(count, run.command())]).output().unwrap();
        let told = told(&output, 0);
        assert!(!told.contains("end with other weights"), "{told}");
        run
    };
    for count in [2, 3] {
        let exact = log(&of(count, "f32").model_dir());
        let runs = [0; 2].map(|_| of(count, "bf16"));
        // The same number of ranks makes the same model.
        assert!(runs[0].record() == runs[1].record(), "{count} ranks");
        let rounded = log(&runs[0].model_dir());
        for (ours, theirs) in rounded.iter().zip(&exact) {
            // Each value is rounded twice by 2⁻⁹ of it at most.
            let [loss, norm] = [
                ours.loss / theirs.loss - 1.0,
                ours.grad_norm / theirs.grad_norm - 1.0,
            ];
            let most = if ours.step == 0 { 1.0 / 256.0 } else { 0.1 };
            assert!(
                loss.abs() < 0.02 && norm.abs() < most,
                "{}: {loss}, {norm}",
                ours.step
            );
        }
        assert!((rounded[0].loss / exact[0].loss - 1.0).abs() < CLOSE);
        assert_ne!(rounded[5].loss.to_bits(), exact[5].loss.to_bits());
        // The losses, and the sums of squares of a table's rows, 257 values a step, stay f32.
        let steps = exact.len();
        let [whole, half] = [&exact, &rounded].map(|log| exchanged(log).0);
        assert_eq!(whole - 4 * 257 * steps, 2 * (half - 4 * 257 * steps));
    }
}

#[test]
fn a_run_that_exchanges_bf16_goes_on_as_such() {
    if !has_mpirun() {
        return;
    }
    let mut run = short();
    run.sets.push("gradient_exchange=bf16".to_owned());
    let mut first = ranks(&[(2, run.command())]).spawn().unwrap();
    run.wait_for_checkpoint(1);
    signal_rank(&first, 1, "-KILL");
    first.wait().unwrap();
    run.sets.pop();
    let output = ranks(&[(2, run.command())]).output().unwrap();
    let refused = told(&output, 2);
    let other = "gradient_exchange: \"bf16\" there, \"f32\" now";
    assert!(refused.contains(other), "{refused}");
    assert_eq!(refused.matches("error: ").count(), 1, "{refused}");
    run.sets.push("gradient_exchange=bf16".to_owned());
    let output = ranks(&[(3, run.command())]).output().unwrap();
    let resumed = told(&output, 0);
    assert!(resumed.contains("resuming from "), "{resumed}");
    assert_eq!(log(&run.model_dir()).len(), 20);
    // In one process the setting is harmless, and said to be.
    let mut alone = short();
    alone.sets.push("gradient_exchange=bf16".to_owned());
    let output = alone.finish();
    let told = String::from_utf8_lossy(&output.stderr);
    let line = "gradient_exchange = bf16 changes nothing in one process";
    assert!(told.contains(line), "{told}");
    let steps = log(&alone.model_dir());
    assert!(steps.iter().all(|step| step.exchange.is_none()));
    assert_close(&steps, of_one(), "one process");
}

#[test]
fn an_error_of_all_ranks_is_told_once() {
    if !has_mpirun() {
        return;
    }
    let mut run = SmallRun::new();
    run.sets.push("init_checkpoint=/nowhere".to_owned());
    let output = ranks(&[(3, run.command())]).output().unwrap();
    let told = told(&output, 2);
    assert_eq!(told.matches("error: ").count(), 1, "{told}");
    assert!(!told.contains("error: rank "), "{told}");
    assert!(told.contains("/nowhere"), "{told}");
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    if !has_mpirun() {
        return;
    }
    let run = short();
    let mut first = ranks(&[(2, run.command())]).spawn().unwrap();
    run.wait_for_checkpoint(1);
    signal_rank(&first, 0, "-KILL");
    first.wait().unwrap();
    let output = ranks(&[(3, run.command())]).output().unwrap();
    let told = told(&output, 0);
    assert!(told.contains("resuming from "), "{told}");
    assert_close(&log(&run.model_dir()), of_one(), "2 ranks, then 3");
    run.assert_tidy();
}

#[test]
fn a_rank_that_is_killed_ends_all_and_leaves_the_last_checkpoint() {
    if !has_mpirun() {
        return;
    }
    let mut run = SmallRun::new();
    let child = started(&mut run, 2);
    signal_rank(&child, 1, "-KILL");
    let output = ended(child);
    // The launcher's own code: 128 and the signal.
    told(&output, 137);
    let output = ranks(&[(2, run.command())]).output().unwrap();
    let told = told(&output, 0);
    assert!(told.contains("resuming from "), "{told}");
    assert!(!told.contains("damaged"), "{told}");
    run.assert_tidy();
}

#[test]
fn a_signal_to_one_rank_ends_all_after_the_same_step() {
    if !has_mpirun() {
        return;
    }
    let mut run = SmallRun::new();
    let child = started(&mut run, 3);
    signal_rank(&child, 2, "-TERM");
    let output = ended(child);
    let told = told(&output, 143);
    assert!(told.contains("stopped after step "), "{told}");
    let step = log(&run.model_dir()).last().unwrap().step + 1;
    assert!(told.contains(&format!("after step {step} of ")), "{told}");
    let checkpoint = run.model_dir().join(format!("checkpoint-{step}"));
    assert!(checkpoint.is_dir());
    run.assert_tidy();
}

#[test]
fn ranks_with_other_settings_are_refused_by_name() {
    if !has_mpirun() {
        return;
    }
    let run = SmallRun::new();
    let mut other = run.command();
    other.args(["--set", "learning_rate=0.003"]);
    let output = ranks(&[(2, run.command()), (1, other)]).output().unwrap();
    let told = told(&output, 2);
    assert!(
        told.contains("error: rank 0: rank 2 has other values than rank 0: learning_rate: "),
        "{told}"
    );
    assert!(told.contains("0.003 now; start all ranks"), "{told}");
    assert_eq!(told.matches("error: ").count(), 1, "{told}");
    assert!(!run.model_dir().join("train_log.jsonl").exists());
}

#[test]
fn a_rank_that_fails_says_so_and_ends_all() {
    if !has_mpirun() {
        return;
    }
    let run = SmallRun::new();
    let mut other = run.command();
    other.args(["--set", "init_checkpoint=/nowhere"]);
    let output = ranks(&[(1, run.command()), (1, other)]).output().unwrap();
    let told = told(&output, 2);
    assert!(told.contains("error: rank 1: "), "{told}");
    let args: Vec<_> = run.command().get_args().map(ToOwned::to_owned).collect();
    let mut other = Command::new(env!("CARGO_BIN_EXE_electra"));
    let args = args.iter().map(|arg| match arg.to_str() {
        Some("cpu") => "gpu:99".into(),
        _ => arg.clone(),
    });
    other.args(args);
    let output = ranks(&[(1, run.command()), (1, other)]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("error: rank 1: --device gpu:99"), "{told}");
}

#[test]
fn a_rank_that_never_starts_is_reported_or_ends_all() {
    if !has_mpirun() {
        return;
    }
    let run = SmallRun::new();
    let output = ended(
        ranks(&[(1, run.command()), (1, Command::new("false"))])
            .spawn()
            .unwrap(),
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut other = Command::new("sleep");
    other.arg("100");
    let mut child = ranks(&[(1, run.command()), (1, other)]).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (send, lines) = mpsc::channel();
    spawn(move || {
        let mut lines = stderr.lines().map_while(Result::ok);
        lines.try_for_each(|line| send.send(line))
    });
    let told = "rank 0: waited 20 s for all ranks to start";
    let is_told = loop {
        match lines.recv_timeout(Duration::from_secs(60)) {
            Ok(line) if line.contains(told) => break true,
            Ok(_) => (),
            Err(_) => break false,
        }
    };
    signal(&child, "-TERM");
    ended(child);
    assert!(is_told);
    assert!(!run.model_dir().join("train_log.jsonl").exists());
}

#[test]
fn a_sweep_is_refused_and_devices_are_told() {
    if !has_mpirun() {
        return;
    }
    let run = SmallRun::new();
    let mut sweep = run.command();
    sweep.args(["--sweep", "learning_rate=1e-4,2e-4"]);
    let output = ranks(&[(2, sweep)]).output().unwrap();
    let told = told(&output, 2);
    assert!(told.contains("--sweep: expected one process"), "{told}");
    let mut devices = Command::new(env!("CARGO_BIN_EXE_electra"));
    devices.args(["devices", "--device", "cpu"]);
    let output = ranks(&[(2, devices)]).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    assert!(out.starts_with("rank 0 on "), "{out}");
    assert!(out.contains("\nrank 1 on "), "{out}");
}

#[test]
fn trials_and_evaluations_between_steps_are_those_of_one_process() {
    if !has_mpirun() {
        return;
    }
    let [one, two] = [1, 2].map(|count| {
        let mut run = SmallRun::of_trials();
        let more = [
            "num_trials=2",
            "keep_all_models=true",
            "eval_every=2",
            "keep_best=f1",
        ];
        run.sets.extend(more.map(str::to_owned));
        told(&ranks(&[(count, run.command())]).output().unwrap(), 0);
        run.assert_tidy_of(2);
        run
    });
    for trial in [1, 2] {
        let what = format!("trial {trial}");
        let logs = [&two, &one].map(|run| log(&run.trial_dir(trial)));
        assert_close(&logs[0], &logs[1], &what);
    }
    let names = |run: &SmallRun| run.results().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&two), names(&one));
}

/// A folder with examples and a vocabulary, and a run of pre-training in it.
fn pretraining(data: &Path, name: &str, more: &[&str]) -> Command {
    let sets = [
        "vocab_size=2048",
        "embedding_size=32",
        "model_hparam_overrides.hidden_size=64",
        "model_hparam_overrides.num_hidden_layers=2",
        "generator_hidden_size=0.5",
        "max_seq_length=64",
        "train_batch_size=7",
        "num_train_steps=8",
        "num_warmup_steps=2",
        "save_checkpoints_steps=2",
    ];
    bare_pretraining(data, name, &[&sets[..], more].concat())
}

/// The same with these settings only.
fn bare_pretraining(data: &Path, name: &str, sets: &[&str]) -> Command {
    if !data.join("vocab.txt").exists() {
        fs::copy(tiny_vocabulary(), data.join("vocab.txt")).unwrap();
        let records = data.join("pretrain_tfrecords");
        fs::create_dir(&records).unwrap();
        for file in fs::read_dir(golden("pretrain/tfrecords")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), records.join(file.file_name())).unwrap();
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command
        .args(["pretrain", "--device", "cpu", "--model-name", name])
        .arg("--data-dir")
        .arg(data);
    for set in sets {
        command.args(["--set", set]);
    }
    command
}

/// Loss and norm of every step.
fn pretraining_log(data: &Path, name: &str) -> Vec<[f64; 2]> {
    let log = data.join(format!("models/{name}/pretrain_log.jsonl"));
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        ["loss", "grad_norm"].map(|key| line[key].as_f64().unwrap())
    });
    lines.collect()
}

#[test]
fn pre_training_over_ranks_is_that_of_one_process() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    for (kind, more) in [
        ("own", &[][..]),
        ("untied", &["untied_generator_embeddings=true"]),
        ("towers", &["two_tower_generator=true"]),
        ("mlm", &["electra_objective=false"]),
    ] {
        let logs = [1, 2, 3].map(|count| {
            let name = format!("{kind}{count}");
            let command = pretraining(data, &name, more);
            told(&ranks(&[(count, command)]).output().unwrap(), 0);
            pretraining_log(data, &name)
        });
        for log in &logs[1..] {
            assert_eq!(log.len(), logs[0].len());
            for (ours, theirs) in log.iter().flatten().zip(logs[0].iter().flatten()) {
                let off = (ours / theirs - 1.0).abs();
                assert!(off < CLOSE, "{kind}: {ours}, {theirs}");
            }
        }
    }
    // What several ranks cannot do, and other data.
    let refused = |commands: &[(usize, Command)]| told(&ranks(commands).output().unwrap(), 2);
    let said = refused(&[(2, pretraining(data, "small", &["train_batch_size=1"]))]);
    assert!(
        said.contains("train_batch_size = 1: expected an example or more"),
        "{said}"
    );
    let other = pretraining(data, "other", &["seed=5"]);
    let said = refused(&[(1, pretraining(data, "other", &[])), (1, other)]);
    assert!(
        said.contains("rank 1 has other values than rank 0: "),
        "{said}"
    );
    assert!(said.contains("seed: "), "{said}");
    // What differs is found before anything is moved aside.
    let log = data.join("models/own1/pretrain_log.jsonl");
    let before = fs::read(&log).unwrap();
    let mut commands = [&[][..], &["seed=5"]].map(|more| (1, pretraining(data, "own1", more)));
    for (_, command) in &mut commands {
        command.arg("--restart");
    }
    let said = refused(&commands);
    assert!(said.contains("seed: "), "{said}");
    assert!(fs::read(&log).unwrap() == before);
    assert!(!data.join("models/own1.old").exists());
    let steps = "num_train_steps=8";
    let of_hours = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        let given = pretraining(data, "hours", &[]);
        let given: Vec<_> = given.get_args().map(ToOwned::to_owned).collect();
        command.arg(&given[0]);
        for pair in given[1..]
            .chunks(2)
            .filter(|pair| pair.last().is_none_or(|it| it != steps))
        {
            command.args(pair);
        }
        command.args(["--hours", "1"]);
        command
    };
    let said = refused(&[(2, of_hours())]);
    assert!(
        said.contains("found 2 ranks; start the run without mpirun"),
        "{said}"
    );
    assert!(!data.join("models/hours").exists());
}

/// Its generator is converted by each rank.
#[test]
fn pre_training_goes_on_from_tensorflow_s_networks() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let from = golden("models/electra_tiny.zip");
    let from = format!("init_checkpoint={}", from.display());
    let sets = [
        from.as_str(),
        "train_batch_size=8",
        "num_train_steps=2",
        "learning_rate=1e-5",
        "num_warmup_steps=1",
    ];
    let [one, two] = [1, 2].map(|count| {
        let name = format!("from{count}");
        let mut command = bare_pretraining(data, &name, &sets);
        command.args(["--preset", "continue"]);
        let mut ranks = ranks(&[(count, command)]);
        ranks.env("XDG_CACHE_HOME", data.join("cache"));
        told(&ranks.output().unwrap(), 0);
        pretraining_log(data, &name)
    });
    assert_eq!(two.len(), 2);
    // As the reference found it at first: 4.8 + 50 × 0.40; new networks have 7.6 + 50 × 0.69.
    assert!(one[0][0] < 5.6 + 50.0 * 0.5, "{one:?}");
    for (ours, theirs) in two.iter().flatten().zip(one.iter().flatten()) {
        assert!((ours / theirs - 1.0).abs() < CLOSE, "{two:?}, {one:?}");
    }
}

#[test]
fn pre_training_sums_while_it_computes_and_in_bf16() {
    if !has_mpirun() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let logs = |kind: &str, more: &[&str], overlap: &str| {
        let name = format!("{kind}{overlap}");
        let mut command = ranks(&[(2, pretraining(data, &name, more))]);
        command.env("ELECTRA_OVERLAP", overlap);
        let told = told(&command.output().unwrap(), 0);
        assert!(!told.contains("end with other weights"), "{told}");
        pretraining_log(data, &name)
    };
    for (kind, more) in [
        ("own", &["micro_batch_size=2"][..]),
        // The discriminator's pass adds to the generator's gradients.
        ("shared", &["untied_generator=false"]),
        ("towers", &["two_tower_generator=true"]),
    ] {
        let beside = logs(kind, more, "1");
        assert_eq!(beside, logs(kind, more, "0"), "{kind}");
        let more = [more, &["gradient_exchange=bf16"]].concat();
        let rounded = logs(&format!("{kind}-bf16"), &more, "1");
        for (place, (ours, theirs)) in rounded.iter().zip(&beside).enumerate() {
            let [loss, norm] = [0, 1].map(|it| (ours[it] / theirs[it] - 1.0).abs());
            // Other roundings can make the generator draw another token.
            let most = if place == 0 { 1.0 / 256.0 } else { 0.5 };
            assert!(loss < 0.1 && norm < most, "{kind} {place}: {loss}, {norm}");
        }
    }
}
