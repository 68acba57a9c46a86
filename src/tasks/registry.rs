//! The tasks by name: everything that can be known without their code. A leaf module, since the
//! configuration uses it to check names and find files.

/// Returns whether a task can have this name, which is also the name of its folder and appears in
/// lists of names.
pub fn is_name(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\\', ',']) && !name.contains(char::is_control)
}

/// A task that can be trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The name in `task_names` and of the data folder.
    pub name: &'static str,
    /// Alternative spellings, in lower case and without punctuation.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// Defaults of a run that trains only this task.
    pub defaults: Defaults,
}

/// Determines a task's files, head and scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Questions(Questions),
    /// A class for a sentence or a pair.
    Classification,
    /// A number for a sentence or a pair.
    Regression,
    /// A tag for each word.
    Tagging,
}

/// The form of a file of questions, and the official scorer of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Questions {
    /// SQuAD's JSON, with unanswerable questions.
    Squad2,
    /// SQuAD's JSON; every question has an answer.
    Squad1,
    /// MRQA's JSON Lines.
    Mrqa,
}

/// The reference's defaults of a task (`configure_finetuning.py`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaults {
    pub max_seq_length: usize,
    pub num_train_epochs: f64,
}

impl Kind {
    /// Returns the extension of the data files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Questions(Questions::Squad2 | Questions::Squad1) => "json",
            Self::Questions(Questions::Mrqa) => "jsonl",
            Self::Classification | Self::Regression => "tsv",
            Self::Tagging => "txt",
        }
    }
}

const SQUAD2: Kind = Kind::Questions(Questions::Squad2);
const SQUAD1: Kind = Kind::Questions(Questions::Squad1);
const MRQA: Kind = Kind::Questions(Questions::Mrqa);

pub const TASKS: [Entry; 15] = [
    task(
        "squad",
        &["squad2", "squad20", "squadv2", "squadv20"],
        SQUAD2,
        512,
        2.0,
    ),
    task(
        "squadv1",
        &["squad1", "squad11", "squadv11"],
        SQUAD1,
        512,
        2.0,
    ),
    task("newsqa", &[], MRQA, 512, 2.0),
    // Its name does not contain "qa", so here the reference does not treat it as question
    // answering.
    task("naturalqs", &["nq", "naturalquestions"], MRQA, 128, 3.0),
    task("triviaqa", &[], MRQA, 512, 2.0),
    task("searchqa", &[], MRQA, 512, 2.0),
    task("cola", &[], Kind::Classification, 128, 3.0),
    task("mrpc", &["msrp"], Kind::Classification, 128, 3.0),
    task(
        "mnli",
        &["multinli", "mnlim", "mnlimm"],
        Kind::Classification,
        128,
        3.0,
    ),
    task("sst", &["sst2"], Kind::Classification, 128, 3.0),
    task("rte", &[], Kind::Classification, 128, 10.0),
    task("qnli", &[], Kind::Classification, 128, 3.0),
    task("qqp", &["quora"], Kind::Classification, 128, 3.0),
    task(
        "sts",
        &["stsb", "stsbenchmark"],
        Kind::Regression,
        128,
        10.0,
    ),
    task("chunk", &["chunking", "conll2000"], Kind::Tagging, 256, 3.0),
];

const fn task(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    max_seq_length: usize,
    num_train_epochs: f64,
) -> Entry {
    Entry {
        name,
        aliases,
        kind,
        defaults: Defaults {
            max_seq_length,
            num_train_epochs,
        },
    }
}

/// Finds a task by name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TASKS.iter().find(|task| task.name == name)
}

/// A name that no task has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this engine does not train the task {task:?}{}; it trains {}{}",
    hint(meant),
    names(),
    others(own)
)]
pub struct UnknownTask {
    pub task: String,
    /// The task that may have been meant.
    pub meant: Option<&'static str>,
    /// The user-defined tasks beside it.
    pub own: Vec<String>,
}

fn hint(meant: &Option<&'static str>) -> String {
    meant.map_or_else(String::new, |task| format!(" (did you mean {task}?)"))
}

fn others(own: &[String]) -> String {
    match own {
        [] => String::new(),
        own => format!("; the data folder has {}", own.join(", ")),
    }
}

/// Finds a task by name.
///
/// # Errors
/// If there is none.
pub fn expect(name: &str) -> Result<&'static Entry, UnknownTask> {
    find(name).ok_or_else(|| UnknownTask {
        task: name.to_owned(),
        meant: meant(name).map(|task| task.name),
        own: Vec::new(),
    })
}

/// Lists all names, for messages.
pub fn names() -> String {
    TASKS.map(|task| task.name).join(", ")
}

/// Returns the task that a misspelt name may mean.
fn meant(name: &str) -> Option<&'static Entry> {
    let lower = name.to_lowercase().replace(['_', '-', '.', ' '], "");
    let aliased = TASKS
        .iter()
        .find(|task| task.aliases.contains(&lower.as_str()));
    let plain = aliased.map_or(lower.as_str(), |task| task.name);
    TASKS
        .iter()
        .map(|task| (strsim::damerau_levenshtein(plain, task.name), task))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, task)| task)
}
