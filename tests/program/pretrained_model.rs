//! Tests the uses of a model from `electra pretrain`: fine-tuning under its name, and the export of both
//! networks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use checkpoints_convert::pack;
use serde_json::Value;

use crate::support::place::{golden, tiny_vocabulary};

/// A data folder with a small model `m`, pre-trained for two steps.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::copy(tiny_vocabulary(), place.path("vocab.txt")).unwrap();
        let records = place.path("pretrain_tfrecords");
        fs::create_dir(&records).unwrap();
        for file in fs::read_dir(golden("pretrain/tfrecords")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), records.join(file.file_name())).unwrap();
        }
        succeeds(&mut place.pretrain());
        place
    }

    fn pretrain(&self) -> Command {
        self.pretrain_as("m")
    }

    fn pretrain_as(&self, name: &str) -> Command {
        let pretrain = ["pretrain", "--data-dir", ".", "--model-name", name];
        let mut command = self.electra(&pretrain);
        command.args(["--device", "cpu"]);
        for set in [
            "vocab_size=2048",
            "embedding_size=32",
            "model_hparam_overrides.hidden_size=64",
            "model_hparam_overrides.num_hidden_layers=2",
            "model_hparam_overrides.num_attention_heads=4",
            "generator_hidden_size=0.5",
            "max_seq_length=64",
            "train_batch_size=4",
            "num_train_steps=2",
            "num_warmup_steps=1",
        ] {
            command.args(["--set", set]);
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn electra(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command
            .current_dir(self.0.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .args(arguments);
        command
    }

    /// The lines of the run's log.
    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("models/m/pretrain_log.jsonl")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap()
    }
}

/// The command's standard output and standard error.
#[track_caller]
fn succeeds(command: &mut Command) -> [String; 2] {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap())
}

/// Maps the path of each tensor in a record to the bytes of its values.
fn values(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let tensors = pack::open(file).unwrap().tensors.into_iter();
    tensors
        .map(|tensor| (tensor.name.clone(), tensor.to_bytes().unwrap().to_vec()))
        .collect()
}

/// Fine-tunes a model on a few examples of RTE.
fn finetune(place: &Place, name: &str) -> Command {
    let rte = place.path("finetuning_data/rte");
    fs::create_dir_all(&rte).unwrap();
    for file in ["train.tsv", "dev.tsv"] {
        fs::copy(golden(&format!("glue/rte/{file}")), rte.join(file)).unwrap();
    }
    let finetune = ["finetune", "--data-dir", ".", "--model-name", name];
    let mut command = place.electra(&finetune);
    command.args(["--device", "cpu"]);
    for set in [
        "task_names=rte",
        "max_train_examples=4",
        "max_eval_examples=2",
        "train_batch_size=4",
        "num_train_epochs=1",
        "max_seq_length=32",
    ] {
        command.args(["--set", set]);
    }
    command
}

#[test]
fn text_that_reaches_untrained_positions_is_told() {
    let place = Place::new();
    let dry = |place: &Place| succeeds(finetune(place, "m").arg("--dry-run"))[1].clone();
    // Examples of 64 tokens, text of 32.
    let mut config = place.json("models/m/config.json");
    assert_eq!(config["trained_positions"], 64);
    assert!(!dry(&place).contains("untrained"));
    config["trained_positions"] = 16.into();
    fs::write(place.path("models/m/config.json"), config.to_string()).unwrap();
    let told = dry(&place);
    assert!(
        told.contains("6 of 6 features are longer than the 16 tokens of the examples")
            && told.contains("give --set max_seq_length=16"),
        "{told}"
    );
    // Nor is a run of pre-training reported on as one of fine-tuning.
    let report = [
        "report",
        "--data-dir",
        ".",
        "--model-name",
        "m",
        "--output",
        "m.html",
    ];
    let refused = place.electra(&report).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("give electra report --output m.html ./models/m,"),
        "{told}"
    );
}

#[test]
fn a_pre_trained_model_is_fine_tuned_under_its_name() {
    let place = Place::new();
    let [_, told] = succeeds(&mut finetune(&place, "m"));
    // Embeddings 5, their projection 2, two layers of 16; the task's head is new.
    assert!(
        told.contains("parameters: 39 loaded, 2 new, 0 in the checkpoint unused"),
        "{told}"
    );
    assert!(!told.contains("untrained"), "{told}");
    let config = place.json("models/m/finetuning_models/rte_model_1/config.json");
    let model = &config["model"];
    assert_eq!(
        (
            &model["embedding_size"],
            &model["hidden_size"],
            &model["num_attention_heads"]
        ),
        (&32.into(), &64.into(), &4.into())
    );

    // Its tasks are the model's, and nothing says otherwise.
    let tuned = "models/m/finetuning_models/rte_model_1";
    let evaluate = [
        "evaluate",
        "--data-dir",
        ".",
        "--device",
        "cpu",
        "--model-name",
    ];
    let more = ["--set", "max_eval_examples=2", "--set", "max_seq_length=32"];
    let mut command =
        place.electra(&[&evaluate[..], &["m", "--checkpoint", tuned], &more].concat());
    let [_, told] = succeeds(&mut command);
    assert!(
        told.contains("from the model: task_names [\"rte\"]")
            && !told.contains("task_names is not given"),
        "{told}"
    );
    // Neither is a run that does nothing silent.
    let checkpoint = format!("init_checkpoint={tuned}");
    let mut command = finetune(&place, "m");
    for set in [checkpoint.as_str(), "do_train=false", "do_eval=false"] {
        command.args(["--set", set]);
    }
    let [out, told] = succeeds(&mut command);
    assert!(!out.contains("files:"), "{out}");
    assert!(
        told.contains("warning: do_train and do_eval are false"),
        "{told}"
    );
    let refused = finetune(&place, ".").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.ends_with("give --model-name m\n"), "{told}");
    // A misspelt name leaves no folders.
    let misspelt = [&evaluate[..], &["n", "--set", "task_names=rte"]].concat();
    let refused = place.electra(&misspelt).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(!place.path("models/n").exists());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("(./models/n is missing); ./models has m"),
        "{told}"
    );
    // The report is of the run's own model, whatever has become of the one that it started from.
    fs::rename(place.path("models/m/model.bpk"), place.path("moved.bpk")).unwrap();
    fs::rename(place.path("models/m/vocab.txt"), place.path("moved.txt")).unwrap();
    fs::rename(place.path("models/m/config.json"), place.path("moved.json")).unwrap();
    let report = [
        "report",
        "--data-dir",
        ".",
        "--model-name",
        "m",
        "--output",
        "page.html",
    ];
    let [out, told] =
        succeeds(&mut place.electra(&[&report[..], &["--set", "task_names=rte"]].concat()));
    assert!(
        out.contains("accuracy") && place.path("page.html").is_file(),
        "{out}"
    );
    assert!(!told.contains("vocab.txt"), "{told}");
    fs::rename(place.path("moved.bpk"), place.path("models/m/model.bpk")).unwrap();
    fs::rename(place.path("moved.txt"), place.path("models/m/vocab.txt")).unwrap();
    fs::rename(place.path("moved.json"), place.path("models/m/config.json")).unwrap();

    // What a pre-trained model names as fine-tuned from it is none of its own checkpoints.
    let ask = [
        "ask",
        "--device",
        "cpu",
        "--checkpoint",
        "models/m",
        "--text",
        "a",
    ];
    let refused = place.electra(&ask).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains(&format!("; {tuned} was fine-tuned from it"))
            && !told.contains("checkpoint-"),
        "{told}"
    );
}

#[test]
fn a_run_says_once_how_many_rows_it_answers_at_once() {
    let place = Place::new();
    let mut run = finetune(&place, "m");
    run.args(["-v", "--memory-budget", "16MiB"]);
    for set in ["predict_batch_size=256", "num_trials=2"] {
        run.args(["--set", set]);
    }
    let [_, told] = succeeds(&mut run);
    // In each trial the dev file is answered.
    let lines: Vec<&str> = told
        .matches(" answered at once, not 256, in 16 MiB")
        .collect();
    assert_eq!(lines.len(), 1, "{told}");
}

#[test]
fn a_checkpoint_of_a_run_that_has_not_ended_is_started_from() {
    let place = Place::new();
    let mut run = place.pretrain_as("young");
    for set in [
        "num_train_steps=100000",
        "save_checkpoints_steps=2",
        "keep_checkpoint_max=0",
    ] {
        run.args(["--set", set]);
    }
    run.stderr(Stdio::null());
    let mut run = run.spawn().unwrap();
    let checkpoint = "models/young/checkpoint-2";
    let began = Instant::now();
    while !place.path(checkpoint).is_dir() {
        assert!(began.elapsed() < Duration::from_secs(300));
        assert!(run.try_wait().unwrap().is_none(), "ended without one");
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!place.path("models/young/model.bpk").exists());

    let refused = finetune(&place, "young").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("./models/young: the run that trains this model has not ended")
            && told.contains("give --set init_checkpoint=models/young/checkpoint-"),
        "{told}"
    );

    let from = format!("init_checkpoint={checkpoint}");
    let [_, told] = succeeds(finetune(&place, "young").args(["--set", &from]));
    // Of the 80 parameters of all networks, the encoder's.
    assert!(
        told.contains("parameters: 39 loaded, 2 new, 41 in the checkpoint unused"),
        "{told}"
    );
    let config = place.json("models/young/finetuning_models/rte_model_1/config.json");
    assert_eq!(config["model"]["num_attention_heads"], 4);

    let mut more = place.electra(&["pretrain", "--data-dir", ".", "--model-name", "more"]);
    more.args(["--device", "cpu", "--preset", "continue"]);
    for set in [
        &from,
        "train_batch_size=4",
        "num_train_steps=1",
        "num_warmup_steps=1",
    ] {
        more.args(["--set", set]);
    }
    let [_, told] = succeeds(&mut more);
    assert!(
        told.contains("parameters: 80 loaded, 0 new, 0 in the checkpoint unused"),
        "{told}"
    );

    // Runs of earlier versions have no description before they end.
    fs::remove_file(place.path("models/young/config.json")).unwrap();
    let refused = finetune(&place, "young").args(["--set", &from]).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains(&format!(
            "{checkpoint}: a checkpoint of pre-training at step 2 of 100000, expected \
             models/young/config.json"
        )),
        "{told}"
    );
}

#[test]
fn a_budget_splits_the_batch_or_is_refused() {
    let place = Place::new();
    let config = place.json("models/m/config.json");
    // The files contain what was requested, not how this machine computes it.
    assert!(config["pretraining"]["micro_batch_size"].is_null());
    assert_eq!(config["pretraining"]["gradient_checkpointing"], "auto");
    let restarted = |budget: &str| {
        let mut command = place.pretrain();
        command.args(["--restart", "--memory-budget", budget]);
        command.output().unwrap()
    };
    let refused = restarted("1MiB");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(
        told.contains("a step of one example of 64 tokens needs")
            && told.contains("the budget is 1 MiB"),
        "{told}"
    );
    // Nothing was moved aside.
    assert!(place.path("models/m/model.bpk").is_file());

    let (_, needed) = told.split_once(" needs ").unwrap();
    let (needed, _) = needed.split_once(" MiB but ").unwrap();
    let one: f64 = needed.parse().unwrap();
    let whole = place.log();
    assert_eq!(whole.len(), 2);
    // An example takes 0.7 MiB; one reported as 12.9 MiB may need 0.05 more.
    for (budget, at_once) in [(one + 0.1, 1), (one + 1.5, 3)] {
        let budget = format!("{budget:.1}");
        let split = restarted(&format!("{budget}MiB"));
        let told = String::from_utf8(split.stderr).unwrap();
        assert!(split.status.success(), "{told}");
        let line = format!(
            "of {} MiB for a step of both networks; {at_once} of 4 examples at once, layers recomputed",
            budget.trim_end_matches(".0")
        );
        assert!(told.contains(&line), "{line}: {told}");
        let config = place.json("models/m/config.json");
        assert!(config["pretraining"]["micro_batch_size"].is_null());
        let parts = place.log();
        assert_eq!(parts.len(), whole.len());
        for (whole, parts) in whole.iter().zip(&parts) {
            for key in ["loss", "masked_lm_loss", "disc_loss"] {
                let [whole, parts] = [whole, parts].map(|line| line[key].as_f64().unwrap());
                // Masks, samples and dropout are the same; sums are in a different order.
                assert!((whole / parts - 1.0).abs() < 1e-4, "{key} {whole} {parts}");
            }
        }
    }
}

#[test]
fn a_measurement_of_pre_training_tells_both_networks_time() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place(folder);
    fs::write(place.path("lengths.json"), "[8, 6, 4, 2]").unwrap();
    let bench = [
        "bench",
        "--mode",
        "pretrain",
        "--model-size",
        "small",
        "--device",
        "cpu",
        "--batch-size",
        "4",
        "--lengths",
        "lengths.json",
        "--steps",
        "1",
        "--warmup",
        "0",
    ];
    let [told, _] = succeeds(&mut place.electra(&bench));
    let line: Value = serde_json::from_str(&told).unwrap();
    for (key, expected) in [
        ("mode", Value::from("pretrain")),
        ("size", "small".into()),
        ("batch_size", 4.into()),
        ("generator_hidden_size", 0.25.into()),
        ("mask_prob", 0.15.into()),
        // 20 real tokens of 4 × 8.
        ("padding_saved", 0.375.into()),
    ] {
        assert_eq!(line[key], expected, "{key}");
    }
    for key in ["ms_per_step", "tokens_per_s", "model_flops_per_s"] {
        assert!(line[key].as_f64().unwrap() > 0.0, "{key}: {line}");
    }
}

#[test]
fn both_networks_of_a_run_leave_as_they_are() {
    let place = Place::new();
    for (network, class, hidden, heads) in [
        ("discriminator", "ElectraForPreTraining", 64, 4),
        ("generator", "ElectraForMaskedLM", 32, 1),
    ] {
        let export = ["export", "--format", "hf", "--network", network];
        succeeds(place.electra(&export).args(["models/m", network]));
        let config = place.json(&format!("{network}/config.json"));
        assert_eq!(config["architectures"][0], class);
        assert_eq!(config["hidden_size"], hidden);
        assert_eq!(config["num_attention_heads"], heads);
        assert_eq!(config["embedding_size"], 32);
        let card = fs::read_to_string(place.path(network).join("README.md")).unwrap();
        assert!(card.contains("| `num_train_steps` | 2 |"), "{card}");
        assert!(!card.contains(place.0.path().to_str().unwrap()), "{card}");
    }

    // The run's folder has the weights; its checkpoint also has the optimiser's state.
    for (model, folder, is_run) in [
        ("models/m", "weights", true),
        ("models/m/checkpoint-2", "all", false),
    ] {
        let export = ["export", "--format", "tf", model, folder];
        let [told, _] = succeeds(&mut place.electra(&export));
        assert_eq!(
            told.contains("adam_m, adam_v, global_step"),
            is_run,
            "{told}"
        );
        let back = format!("{folder}_back");
        succeeds(&mut place.electra(&["convert", "--with-generator", folder, &back]));
        for file in ["model.bpk", "generator.bpk"] {
            let (ours, theirs) = (place.path("models/m"), place.path(&back));
            let [ours, theirs] = [ours, theirs].map(|model| values(&model.join(file)));
            assert!(ours == theirs, "{folder}: {file} differs");
        }
    }
    let written = place.json("all/export.json");
    let tensors = written["tensors"].as_array().unwrap();
    // 39 of the encoder; 2 × 16 of the generator, which is as wide as the embeddings and has no projection; 5
    // and 4 of the heads; two moments each.
    assert_eq!(tensors.len(), 3 * (39 + 32 + 5 + 4) + 1);
    assert!(tensors.iter().any(|tensor| tensor["name"] == "global_step"));
}
