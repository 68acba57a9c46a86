//! What a record says about a fine-tuned model before a device is opened: its hyper-parameters, its
//! tasks and which of them answers.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use checkpoints_convert::HeadShape;
use serde_json::{Map, Value, json};

use super::error::{Error, instead};
use crate::{
    config::{CheckpointFacts, Config, Draft},
    model::{
        description::{describe_record, described_in},
        folder::{self, ModelFolder},
    },
    tasks::{asked::Form, asking::Asking, head::TaskHead, kind},
    text::tokenizer::Tokenizer,
};

/// Which task of a model answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskChoice<'a> {
    /// The first.
    First,
    Named(&'a str),
    /// The first that takes inputs of this form.
    Taking(Form),
}

impl<'a> TaskChoice<'a> {
    /// Chooses the task of this name, or the first if there is no name.
    pub fn of(name: Option<&'a str>) -> Self {
        name.map_or(Self::First, Self::Named)
    }
}

/// A fine-tuned model that is not opened yet.
#[derive(Debug, Clone)]
pub struct Described {
    pub config: Config,
    /// Folder of its record.
    pub folder: PathBuf,
    pub tokenizer: Tokenizer,
    /// The task that answers.
    pub asking: Asking,
    /// The heads of all its tasks, in order.
    pub(super) heads: Vec<TaskHead>,
    /// Index of the head that answers.
    pub(super) head: usize,
}

impl Described {
    /// Describes a record that was found.
    ///
    /// # Errors
    /// If there is no description, or the chosen task does not exist.
    pub fn of(found: &ModelFolder, choice: TaskChoice<'_>) -> Result<Self, Error> {
        let folder = &found.path;
        let facts = describe_record(folder)?.ok_or_else(|| no_config(folder))?;
        let config = read_config(folder, &facts)?;
        let has_head = !facts.record.heads.is_empty() || is_fine_tuned(folder)?;
        // A record that does not describe its heads may have one for questions.
        if !has_head && matches!(choice, TaskChoice::Taking(form) if form != Form::Question) {
            return Err(Error::NotFineTuned {
                path: folder.clone(),
                instead: instead(folder),
            });
        }
        let heads = kind::described_heads(&config, &facts.record.heads)?;
        let askings = heads.iter().map(Asking::of);
        let mut askings = askings.collect::<Result<Vec<_>, _>>()?;
        let head = match choice {
            TaskChoice::First => Some(0),
            TaskChoice::Named(name) => heads.iter().position(|head| head.task == name),
            TaskChoice::Taking(form) => askings.iter().position(|asking| asking.form().takes(form)),
        };
        let Some(head) = head.filter(|head| *head < askings.len()) else {
            return Err(not_there(folder, choice, &askings));
        };
        let tokenizer = config.tokenizer(&described_in(folder).join("vocab.txt"))?;
        Ok(Self {
            folder: folder.clone(),
            tokenizer,
            asking: askings.swap_remove(head),
            config,
            heads,
            head,
        })
    }

    /// Returns the name of the task that answers.
    pub fn task(&self) -> &str {
        self.asking.task()
    }

    /// Iterates over the names of all its tasks, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.heads.iter().map(|head| head.task.as_str())
    }

    /// Rejects inputs of a form that the task does not take.
    ///
    /// # Errors
    /// If the forms differ.
    pub fn expect(&self, form: Form) -> Result<(), Error> {
        if self.asking.form().takes(form) {
            return Ok(());
        }
        Err(Error::OtherForm {
            path: self.folder.clone(),
            takes: vec![self.asking.takes()],
            form,
        })
    }
}

fn not_there(folder: &Path, choice: TaskChoice<'_>, askings: &[Asking]) -> Error {
    let path = folder.to_owned();
    match choice {
        TaskChoice::Taking(form) => Error::OtherForm {
            path,
            takes: askings.iter().map(Asking::takes).collect(),
            form,
        },
        TaskChoice::Named(task) => {
            let names: Vec<&str> = askings.iter().map(Asking::task).collect();
            Error::OtherTask {
                path,
                task: task.to_owned(),
                tasks: names.join(", "),
            }
        }
        TaskChoice::First => no_config(folder),
    }
}

/// The hyper-parameters that determine what a model answers and how, besides its encoder and its
/// vocabulary.
const ANSWERING: [&str; 11] = [
    "task_names",
    "max_seq_length",
    "max_query_length",
    "doc_stride",
    "n_best_size",
    "max_answer_length",
    "beam_size",
    "joint_prediction",
    "answerable_classifier",
    "answerable_uses_start_logits",
    checkpoints_convert::THRESHOLD,
];

/// Returns how the model in `folder` answers: the hyper-parameters of its fine-tuning or, for a
/// record that was only converted, the threshold chosen for it, if any.
///
/// # Errors
/// If a `config.json` cannot be read.
pub fn answering(folder: &Path) -> Result<Map<String, Value>, folder::Error> {
    let said = folder::config_file(&described_in(folder))?;
    let mut kept = said.map_or_else(Map::new, |said| said.hparams());
    kept.retain(|key, _| ANSWERING.contains(&key.as_str()));
    Ok(kept)
}

/// Reads the hyper-parameters that `electra finetune` wrote, or those of a converted checkpoint
/// with a head, which says what it is but not how it was trained.
fn read_config(folder: &Path, facts: &CheckpointFacts) -> Result<Config, Error> {
    let said = folder::config_file(&described_in(folder))?.ok_or_else(|| no_config(folder))?;
    let heads: Vec<&str> = facts.record.heads.keys().map(String::as_str).collect();
    let draft = if said.is_fine_tuned() {
        Draft::of_model(&said.hparams(), &heads)
    } else {
        // Their order is unknown; questions come first.
        let is_span = |task: &&str| matches!(facts.record.heads[*task], HeadShape::Span(_));
        let (mut tasks, others): (Vec<&str>, Vec<&str>) =
            heads.iter().partition(|task| is_span(task));
        tasks.extend(others);
        if tasks.is_empty() {
            tasks.push("squad");
        }
        let mut hparams = Map::new();
        let tasks = json!(tasks);
        let positions = facts.record.model.max_position_embeddings;
        hparams.insert("task_names".to_owned(), tasks);
        hparams.insert("max_seq_length".to_owned(), positions.into());
        hparams.extend(said.hparams());
        let name = folder
            .file_name()
            .unwrap_or(OsStr::new("model"))
            .to_string_lossy();
        Draft::with_heads(Path::new(""), &name, &hparams, &heads)
    };
    let error = |source| Error::Config {
        path: facts.file.clone(),
        source,
    };
    let mut draft = draft.map_err(error)?;
    draft.evaluate_only(Some(folder.into()));
    Ok(draft.finish(Some(facts)).map_err(error)?.config)
}

fn is_fine_tuned(folder: &Path) -> Result<bool, folder::Error> {
    let said = folder::config_file(&described_in(folder))?;
    Ok(said.is_some_and(|said| said.is_fine_tuned()))
}

fn no_config(folder: &Path) -> Error {
    Error::NoConfig {
        path: folder.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_converted_record_gives_the_threshold_that_was_chosen_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let answers = |config: Value| {
            std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
            Value::from(answering(folder.path()).unwrap())
        };
        let converted = json!({"model": {}, "heads": {"squad": {}}, "do_lower_case": true});
        assert_eq!(answers(converted.clone()), json!({}));
        let mut calibrated = converted;
        calibrated["qa_na_threshold"] = (-1.09).into();
        calibrated["calibration"] = json!({"replaced": -2.75});
        let expected = json!({"qa_na_threshold": -1.09});
        assert_eq!(answers(calibrated), expected);
        let fine_tuned = json!({
            "task_names": ["squad"], "qa_na_threshold": -1.09, "doc_stride": 64, "seed": 7,
        });
        let expected = json!({
            "task_names": ["squad"], "qa_na_threshold": -1.09, "doc_stride": 64,
        });
        assert_eq!(answers(fine_tuned), expected);
    }
}
