//! Why a fine-tuned model cannot be opened or does not answer.

use std::path::{Path, PathBuf};

use crate::{
    config, data, device,
    model::{absent::trained_below, folder, parameters},
    tasks::{
        self,
        asked::Form,
        predict,
        qa::{self, no_answer::null_odds::needs_null_odds},
    },
    train::prediction_memory::BudgetTooSmall,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] folder::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error("{path}: {source}")]
    Config {
        path: PathBuf,
        source: config::Error,
    },
    #[error(
        "{path}: config.json, which describes the model, is missing; expected a folder written by electra \
         finetune or checkpoints-convert, or its checkpoint-N"
    )]
    NoConfig { path: PathBuf },
    #[error("{0}")]
    Device(#[from] device::Error),
    #[error("{0}")]
    Memory(#[from] BudgetTooSmall),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Predict(#[from] predict::Error),
    #[error(transparent)]
    Task(#[from] tasks::Error),
    #[error(transparent)]
    Answer(#[from] qa::error::Error),
    #[error("{}", needs_null_odds(option, &path.display().to_string(), task))]
    NoNullOdds {
        /// What was given, with its flag.
        option: &'static str,
        path: PathBuf,
        task: String,
    },
    #[error("{path}: the model was trained on {tasks}, not on {task}; give one of its tasks")]
    OtherTask {
        path: PathBuf,
        task: String,
        tasks: String,
    },
    #[error(
        "{path}: expected a model that takes {form}, found one of {}",
        listed(takes)
    )]
    OtherForm {
        path: PathBuf,
        /// The tasks that it was trained on, and the form that each takes.
        takes: Vec<(String, Form)>,
        form: Form,
    },
    #[error(
        "{path}: expected a fine-tuned model, found one without a head for any task; fine-tune it with \
         electra finetune{instead}"
    )]
    NotFineTuned { path: PathBuf, instead: String },
    #[error(
        "{path}: parameter {parameter} is missing; expected a fine-tuned model with its {head} head, as \
         electra finetune writes it{instead}"
    )]
    NoHead {
        path: PathBuf,
        parameter: String,
        /// The head that answers.
        head: &'static str,
        /// What could be given instead.
        instead: String,
    },
}

/// Lists the models fine-tuned from the one in a folder, as the continuation of a message.
pub(super) fn instead(folder: &Path) -> String {
    let trained = trained_below(folder);
    let names: Vec<String> = trained
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} was fine-tuned from it"),
        several => format!("; fine-tuned from it were {}", several.join(", ")),
    }
}

impl Error {
    /// Returns whether the device is gone for the rest of this process.
    pub fn is_device_lost(&self) -> bool {
        match self {
            Error::Device(_) => true,
            Error::Predict(predict::Error::Read(error)) => error.is_lost(),
            _ => false,
        }
    }
}

fn listed(takes: &[(String, Form)]) -> String {
    let tasks = takes.iter().map(|(task, form)| format!("{task} ({form})"));
    tasks.collect::<Vec<_>>().join(", ")
}
