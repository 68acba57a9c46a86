//! `electra pretrain` from a model that was pre-trained before, with its generator, and along a recorded run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::pretraining::{Place, fails, succeeds};
use crate::support::place::{golden, shared};

/// Hyper-parameters of electra_tiny.
const TINY: [&str; 7] = [
    "model_size=large",
    "embedding_size=null",
    "model_hparam_overrides.hidden_size=128",
    "model_hparam_overrides.num_hidden_layers=4",
    "num_train_steps=2",
    "learning_rate=1e-5",
    "num_warmup_steps=1",
];

#[test]
fn continuing_takes_the_sizes_from_the_model() {
    let place = Place::new();
    let zip = golden("models/electra_tiny.zip");
    let from = format!("init_checkpoint={}", zip.display());
    let brief = [
        "train_batch_size=8",
        "num_train_steps=2",
        "learning_rate=1e-5",
        "num_warmup_steps=1",
    ];
    let run = |name: &str, more: &[&str]| {
        let mut command = place.bare(name, &[&brief[..], more].concat());
        command
            .args(["--preset", "continue"])
            .env("XDG_CACHE_HOME", place.path("cache"));
        command
    };
    succeeds(&mut run("m", &[&from]));
    let first = place.log("m")[0].clone();
    // As the reference found it at first: 4.8 and 0.40; a new model has 7.6 and 0.69.
    assert!(first["masked_lm_loss"].as_f64().unwrap() < 5.6, "{first}");
    assert!(first["disc_loss"].as_f64().unwrap() < 0.5, "{first}");
    // A run can continue from its result in the same way.
    succeeds(&mut run("again", &["init_checkpoint=models/m"]));
    assert!(place.log("again")[0]["masked_lm_loss"].as_f64().unwrap() < 5.6);
    // So is a run that had no generator.
    succeeds(&mut place.pretrain("uniform", &["uniform_generator=true", "num_train_steps=2"]));
    succeeds(&mut run("more", &["init_checkpoint=models/uniform"]));
    let config = fs::read(place.path("models/more/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["pretraining"]["uniform_generator"], true);
    assert_eq!(config["model"]["hidden_size"], 64);

    let message = fails(&mut run("none", &[]));
    assert!(
        message.contains("--preset continue: expected a model"),
        "{message}"
    );
    let message = fails(&mut run("none", &["init_checkpoint=nowhere"]));
    assert!(
        message.contains("nowhere: there is no such file or folder"),
        "{message}"
    );
    // The same tokens in another order.
    place.swap_tokens("vocab.txt", "other.txt");
    let message = fails(&mut run("none", &[&from, "vocab_file=other.txt"]));
    assert!(
        message.contains("other.txt: expected the vocabulary of the model"),
        "{message}"
    );
    assert!(!place.path("models/none/model.bpk").exists());
}

#[test]
fn a_released_checkpoint_is_gone_on_from_with_its_generator() {
    let place = Place::new();
    let zip = golden("models/electra_tiny.zip");
    let from = |path: &Path| format!("init_checkpoint={}", path.display());
    let first = |name: &str, path: &Path| {
        let from = from(path);
        let sets = [&TINY[..], &[from.as_str()]].concat();
        succeeds(
            place
                .pretrain(name, &sets)
                .env("XDG_CACHE_HOME", place.path("cache")),
        );
        place.log(name)[0].clone()
    };
    let of_zip = first("zip", &zip);
    // The reference's first evaluation: 4.8 and 0.40; a new model has 7.6 and 0.69.
    assert!(of_zip["masked_lm_loss"].as_f64().unwrap() < 5.6, "{of_zip}");
    assert!(of_zip["disc_loss"].as_f64().unwrap() < 0.5, "{of_zip}");
    // A run continues in the same way from a pre-trained model, and from one converted with its generator.
    let of_run = first("run", &place.path("models/zip"));
    assert!(of_run["masked_lm_loss"].as_f64().unwrap() < 5.6, "{of_run}");
    let mut convert = Command::new(env!("CARGO_BIN_EXE_electra"));
    convert.arg("convert").arg("--with-generator").arg(&zip);
    succeeds(convert.arg(place.path("converted")));
    let of_record = first("record", &place.path("converted"));
    assert_eq!(of_record["loss"], of_zip["loss"]);

    fs::remove_file(place.path("converted/generator.bpk")).unwrap();
    let from = from(&place.path("converted"));
    let sets = [&TINY[..], &[from.as_str()]].concat();
    let message = fails(&mut place.pretrain("none", &sets));
    assert!(
        message.contains("found no generator.bpk beside model.bpk"),
        "{message}"
    );
    // Another generator than the checkpoint has.
    let from = format!("init_checkpoint={}", zip.display());
    let sets = [&TINY[..], &["generator_hidden_size=0.25", from.as_str()]].concat();
    let message = fails(&mut place.pretrain("other", &sets));
    assert!(message.contains("parameter generator."), "{message}");
    // Parameters that would fit, of another network.
    for (given, told) in [
        ("num_hidden_layers=3", "num_hidden_layers 3, found 4"),
        ("num_attention_heads=4", "num_attention_heads 4, found 2"),
    ] {
        let given = format!("model_hparam_overrides.{given}");
        let sets = [&TINY[..], &[given.as_str(), from.as_str()]].concat();
        let message = fails(&mut place.pretrain("other", &sets));
        let told = format!("electra_tiny.zip: expected a model with {told}");
        assert!(message.contains(&told), "{message}");
    }
    // Another vocabulary of the same size.
    place.swap_tokens("vocab.txt", "other.txt");
    let sets = [&TINY[..], &["vocab_file=other.txt", from.as_str()]].concat();
    let message = fails(&mut place.pretrain("other", &sets));
    assert!(
        message.contains("other.txt: expected the vocabulary of the model"),
        "{message}"
    );
    // Another run's model there changes nothing if that is not gone on with.
    let message = fails(place.pretrain("zip", &sets).arg("--restart"));
    assert!(
        message.contains("other.txt: expected the vocabulary of the model"),
        "{message}"
    );
    assert!(place.path("models/zip/model.bpk").is_file());

    // A zip's record is beside it, here in the folder that would be moved aside.
    let beside = place.path("models/tiny.zip");
    fs::copy(&zip, &beside).unwrap();
    let mut convert = Command::new(env!("CARGO_BIN_EXE_electra"));
    convert.arg("convert").arg("--with-generator").arg(&beside);
    succeeds(convert.arg(place.path("models/tiny")));
    let sets = [&TINY[..], &["init_checkpoint=models/tiny.zip"]].concat();
    let message = fails(place.pretrain("tiny", &sets).arg("--restart"));
    assert!(
        message.contains("expected initial weights outside ./models/tiny"),
        "{message}"
    );
    assert!(place.path("models/tiny/model.bpk").is_file());
}

/// Unpacks a committed file into the data folder.
fn unpacked(place: &Place, name: &str) -> PathBuf {
    let bytes = fs::read(golden(&format!("pretrain/{name}.xz"))).unwrap();
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut text).unwrap();
    let path = place.path(Path::new(name).file_name().unwrap().to_str().unwrap());
    fs::write(&path, text).unwrap();
    path
}

const WITHOUT_DROPOUT: [&str; 2] = [
    "model_hparam_overrides.hidden_dropout_prob=0",
    "model_hparam_overrides.attention_probs_dropout_prob=0",
];

/// The first batch of one of the reference's evaluations, with masks and samples as `--replay` reads them.
fn evaluated(place: &Place, name: &str) -> (Value, PathBuf) {
    let text = fs::read_to_string(unpacked(place, &format!("eval/batches.{name}.jsonl"))).unwrap();
    let mut batch: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let numbers = batch["batch"].as_array().unwrap().clone();
    let examples = batch["examples"].as_array_mut().unwrap().iter_mut();
    for (example, number) in examples.zip(numbers) {
        example["example"] = number;
    }
    let masks = place.path(&format!("masks.{name}.jsonl"));
    fs::write(&masks, format!("{batch}\n")).unwrap();
    (batch, masks)
}

#[test]
fn a_run_that_goes_on_begins_where_the_reference_s_model_stood() {
    let place = Place::new();
    let zip = golden("models/electra_tiny.zip");
    let converted = place.path("converted");
    let mut convert = Command::new(env!("CARGO_BIN_EXE_electra"));
    convert.arg("convert").arg("--with-generator");
    succeeds(convert.arg(&zip).arg(&converted));
    // What the reference's run of eighteen steps ended with.
    let last = shared("reference").map(|it| it.join("pretrain/trajectory/final"));
    let examples = unpacked(&place, "data/examples.64.jsonl");
    for (name, model, evaluation) in [
        ("zip", Some(zip), "electra_tiny"),
        ("record", Some(converted), "electra_tiny"),
        ("last", last, "after_trajectory"),
    ] {
        let Some(model) = model else { continue };
        let (theirs, masks) = evaluated(&place, evaluation);
        let from = format!("init_checkpoint={}", model.display());
        let sets = [&TINY[..], &WITHOUT_DROPOUT, &[from.as_str()]].concat();
        succeeds(
            place
                .pretrain(name, &sets)
                .env("XDG_CACHE_HOME", place.path("cache"))
                .arg("--replay")
                .arg(masks)
                .arg("--replay-examples")
                .arg(&examples),
        );
        let log = place.log(name);
        assert_eq!(log.len(), 1);
        let figures = &theirs["metrics_so_far"];
        for (ours, theirs) in [
            (&log[0]["loss"], &theirs["total_loss"]),
            (&log[0]["masked_lm_loss"], &figures["masked_lm_loss"]),
            (
                &log[0]["masked_lm_accuracy"],
                &figures["masked_lm_accuracy"],
            ),
        ] {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            // Means of some hundred values in single precision.
            assert!(
                (ours / theirs - 1.0).abs() < 2e-5,
                "{name}: {ours} {theirs}"
            );
        }
    }
}

#[test]
fn a_recorded_run_is_followed() {
    let place = Place::new();
    let zip = format!(
        "init_checkpoint={}",
        golden("models/electra_tiny.zip").display()
    );
    let trajectory = fs::read(unpacked(&place, "trajectory/trajectory.json")).unwrap();
    let trajectory: Value = serde_json::from_slice(&trajectory).unwrap();
    let sets = [
        &TINY[..4],
        &WITHOUT_DROPOUT,
        &[
            "learning_rate=3e-4",
            "num_train_steps=30",
            "num_warmup_steps=6",
            zip.as_str(),
        ],
    ]
    .concat();
    succeeds(
        place
            .pretrain("m", &sets)
            .env("XDG_CACHE_HOME", place.path("cache"))
            .arg("--replay")
            .arg(unpacked(&place, "trajectory/masks.jsonl"))
            .arg("--replay-examples")
            .arg(unpacked(&place, "data/examples.64.jsonl")),
    );
    let steps = trajectory["steps"].as_array().unwrap();
    let log = place.log("m");
    assert_eq!(log.len(), steps.len());
    for (ours, theirs) in log.iter().zip(steps) {
        for (ours, theirs) in [
            (&ours["loss"], &theirs["total_loss"]),
            (&ours["masked_lm_loss"], &theirs["mlm_loss"]),
            (&ours["grad_norm"], &theirs["grad_norm"]),
        ] {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            assert!((ours / theirs - 1.0).abs() < 1e-2, "{ours} {theirs}");
        }
    }
}

#[test]
fn a_record_without_a_step_is_refused() {
    let place = Place::new();
    fs::write(place.path("none.jsonl"), "").unwrap();
    let mut run = place.pretrain("m", &[]);
    let run = run.args(["--replay", "none.jsonl"]);
    let examples = unpacked(&place, "data/examples.64.jsonl");
    let message = fails(run.arg("--replay-examples").arg(examples));
    assert!(
        message.contains("none.jsonl: expected a line for each step, found none"),
        "{message}"
    );
    assert!(!place.path("models/m").exists());
}
