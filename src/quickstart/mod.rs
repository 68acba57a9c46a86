//! `electra quickstart`: the whole pipeline on an embedded model and data.
//!
//! Converts a tiny TensorFlow checkpoint, evaluates it untrained, fine-tunes it on made-up facts,
//! evaluates it again and queries it on one passage. For question answering, real SQuAD passages
//! supplement the facts, and the evaluation set is the one on which Google's code was measured with
//! the same model, before its weights were rounded to bf16.

mod checkpoint;
pub mod facts;
pub mod lesson;
mod own_folder;

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use checkpoint::VOCABULARY;
use lesson::Lesson;
use own_folder::OwnFile;

use crate::{
    config::Config,
    device::{self, Chosen},
    eval::{
        figures::Scores,
        json_file::{json_text, write_json},
    },
    finetune::{self, Finetune, GivenFiles},
    kernels::autotune::AutotuneCache,
    model::{arithmetic::Arithmetic, folder},
    progress::Progress,
    ranks::Ranks,
    stop::Stop,
    tasks::kind::heads,
    train::memory_plan::MemoryLimits,
};

const FACTS_DEV: &str = include_str!("../../assets/quickstart/facts-dev.json");
const SQUAD_TRAIN: &str = include_str!("../../assets/quickstart/squad-train.json");

/// Numbers of made-up training questions, and of facts in their passages: first two, so that the
/// model learns how a question relates to a fact, then up to five.
const STAGES: [(usize, std::ops::RangeInclusive<usize>); 2] = [(12_000, 2..=2), (20_000, 2..=5)];

/// Separates the draws of training facts from others.
const FACTS_SEED: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}; give another folder with --output")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Folder(#[from] own_folder::Error),
    #[error("the built-in checkpoint is damaged: {0}; install the program again")]
    Carried(#[from] zip::result::ZipError),
    #[error("converting the built-in checkpoint failed: {0}")]
    Convert(#[from] checkpoints_convert::Error),
    #[error("{0}")]
    Finetune(#[from] finetune::Error),
    #[error("{0}")]
    Device(#[from] device::Error),
}

/// What the quickstart measured and where it left its files.
#[derive(Debug)]
pub struct Outcome {
    pub folder: PathBuf,
    /// Scores of the untrained head.
    pub before: Scores,
    pub after: Scores,
    /// The fine-tuned model.
    pub model_dir: PathBuf,
    /// The report on what it learned and got wrong.
    pub report: PathBuf,
}

/// The quickstart of one lesson.
pub struct Quickstart<'a> {
    pub lesson: Lesson,
    pub folder: &'a Path,
    pub chosen: &'a Chosen,
    /// Hyper-parameters that override the quickstart's own.
    pub given: &'a Map<String, Value>,
    pub memory_limits: MemoryLimits,
    /// Whether to retrain from scratch if the folder has an earlier quickstart, instead of resuming
    /// it.
    pub restart: bool,
    pub stop: &'a Stop,
    pub progress: &'a Progress,
}

/// Sets up the data folder, converts the checkpoint, trains and evaluates.
///
/// # Errors
/// If the folder holds other files, the hyper-parameters are invalid, or a device fails.
pub fn run(quickstart: &Quickstart<'_>) -> Result<Outcome, Error> {
    let &Quickstart {
        lesson,
        folder,
        chosen,
        given,
        memory_limits,
        stop,
        progress,
        ..
    } = quickstart;
    lay_out(lesson, folder, progress)?;
    let mut hparams = hparams(lesson);
    hparams.extend(given.clone());
    let resolve = |hparams: &Map<String, Value>| -> Result<Config, Error> {
        let resolved = Config::resolve(folder, MODEL, hparams);
        Ok(resolved.map_err(finetune::Error::from)?.0)
    };
    let config = resolve(&hparams)?;
    let tokenizer = config
        .tokenizer(config.paths().vocab_file())
        .map_err(finetune::Error::from)?;
    let tokens = config.train_batch_size * config.max_seq_length;
    let arithmetic = Arithmetic::on(
        chosen,
        config.precision,
        &config.encoder(),
        tokens,
        &AutotuneCache::of_user(),
    )?;
    let heads = heads(&config, &BTreeMap::new()).map_err(finetune::Error::from)?;
    let finetune = |config: &Config, restart: bool| -> Result<finetune::Outcome, Error> {
        let finetune = Finetune {
            config,
            given: GivenFiles::default(),
            heads: &heads,
            device: &chosen.device,
            device_name: chosen.short(),
            arithmetic,
            tokenizer: &tokenizer,
            untrained_head: true,
            restart,
            dry_run: false,
            trial: None,
            progress,
            memory_limits,
            answered_at_once: OnceCell::new(),
            stop,
            ranks: &Ranks::alone(),
        };
        Ok(finetune.run()?)
    };

    let mut untrained = hparams.clone();
    untrained.insert("do_train".into(), false.into());
    untrained.insert(
        "results_txt".into(),
        json!(
            folder
                .join("before")
                .join(format!("{}_results.txt", lesson.task()))
        ),
    );
    progress.note("before training:");
    let before = scores(finetune(&resolve(&untrained)?, false)?);
    progress.note("training:");
    let after = scores(finetune(&config, quickstart.restart)?);
    let model_dir = config.paths().model_dir(1);
    if let Some(threshold) = after.get("best_exact_thresh") {
        set_threshold(&model_dir, threshold)?;
    }
    Ok(Outcome {
        folder: folder.into(),
        before,
        after,
        model_dir,
        report: config.paths().report(),
    })
}

/// Sets the model's no-answer threshold to the one that did best in its evaluation; the default
/// suits large models.
fn set_threshold(model_dir: &Path, threshold: f64) -> Result<(), Error> {
    let config = folder::config_file(model_dir).map_err(finetune::Error::from)?;
    if let Some(mut config) = config {
        config.set_threshold(threshold);
        let file = model_dir.join("config.json");
        write_json(&file, &config).map_err(finetune::Error::from)?;
    }
    Ok(())
}

/// The pre-trained model's name, as `--model-name` takes it.
const MODEL: &str = "electra_tiny";

/// Returns the hyper-parameters of the quickstart: for question answering the stages in order, and
/// a learning rate at which such a small model learns more than the answers' type; neither dropout
/// nor layerwise learning-rate decay, from which it would not benefit.
fn hparams(lesson: Lesson) -> Map<String, Value> {
    let hparams = json!({
        "task_names": [lesson.task()],
        "model_size": "large",
        "vocab_size": 2048,
        "model_hparam_overrides": {
            "hidden_size": 128,
            "num_hidden_layers": 4,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        "max_seq_length": 64,
        "learning_rate": 4e-4,
        "warmup_proportion": 0.02,
        "layerwise_lr_decay": 0,
        "num_train_epochs": 1,
        "train_batch_size": 12,
        "shuffle": lesson != Lesson::Questions,
    });
    match hparams {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn scores(outcome: finetune::Outcome) -> Scores {
    let trial = outcome.trials.into_iter().next();
    let task = trial.and_then(|trial| trial.tasks.into_iter().next());
    task.map(|(_, scores)| scores).unwrap_or_default()
}

/// Writes the checkpoint and the data in the reference's folder layout.
fn lay_out(lesson: Lesson, folder: &Path, progress: &Progress) -> Result<(), Error> {
    let zip = folder.join("models/electra_tiny.zip");
    let data = folder.join("finetuning_data").join(lesson.task());
    let words = facts::words(VOCABULARY);
    let own_data = match lesson {
        Lesson::Questions => vec![
            ("train.json".to_owned(), json_text(&training_data(&words))),
            ("dev.json".to_owned(), FACTS_DEV.into()),
        ],
        _ => lesson.files(&words),
    };
    let own_data = own_data.into_iter().map(|(name, content)| OwnFile {
        path: data.join(name),
        content,
    });
    let checkpoint = OwnFile {
        path: zip.clone(),
        content: checkpoint::archive()?,
    };
    let files: Vec<OwnFile> = std::iter::once(checkpoint).chain(own_data).collect();
    own_folder::lay_out(folder, &files)?;
    let model = folder.join("models").join(MODEL);
    let report = checkpoints_convert::convert(&zip, &model, &mut |_, _| {})?;
    progress.note(&format!(
        "converted {} to {}: {} of {} variables used",
        zip.display(),
        model.display(),
        report.totals.used,
        report.variables.len()
    ));
    Ok(())
}

/// Returns SQuAD passages followed by made-up facts.
fn training_data(words: &[&str]) -> Value {
    let paragraphs = facts::paragraphs(words, &STAGES, FACTS_SEED);
    let mut train: Value = serde_json::from_str(SQUAD_TRAIN).unwrap_or_default();
    if let Some(articles) = train["data"].as_array_mut() {
        articles.push(json!({"title": "Made-up facts", "paragraphs": paragraphs}));
    }
    train
}
