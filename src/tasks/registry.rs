//! The tasks by name: what can be known of one without its code. A leaf, for the configuration checks
//! names and finds files by it.

/// A task that can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As `task_names` and the folder of its data have it.
    pub name: &'static str,
    /// What people write instead, in lower case and without punctuation.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// Extension of its data files.
    pub extension: &'static str,
}

/// The form of a task's files and the official scorer of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SQuAD's JSON, with unanswerable questions.
    Squad2,
    /// SQuAD's JSON; every question has an answer.
    Squad1,
    /// MRQA's JSON lines.
    Mrqa,
}

pub const TASKS: [Entry; 6] = [
    task(
        "squad",
        &["squad2", "squad20", "squadv2", "squadv20"],
        Kind::Squad2,
    ),
    task("squadv1", &["squad1", "squad11", "squadv11"], Kind::Squad1),
    task("newsqa", &[], Kind::Mrqa),
    task("naturalqs", &["nq", "naturalquestions"], Kind::Mrqa),
    task("triviaqa", &[], Kind::Mrqa),
    task("searchqa", &[], Kind::Mrqa),
];

const fn task(name: &'static str, aliases: &'static [&'static str], kind: Kind) -> Entry {
    let extension = match kind {
        Kind::Squad2 | Kind::Squad1 => "json",
        Kind::Mrqa => "jsonl",
    };
    Entry {
        name,
        aliases,
        kind,
        extension,
    }
}

/// The task of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TASKS.iter().find(|task| task.name == name)
}

/// A name that no task has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this engine does not train the task {task:?}{}; it trains {}",
    hint(meant),
    names()
)]
pub struct UnknownTask {
    pub task: String,
    /// The task that it may mean.
    pub meant: Option<&'static str>,
}

fn hint(meant: &Option<&'static str>) -> String {
    meant.map_or_else(String::new, |task| format!(" (did you mean {task}?)"))
}

/// The task of this name.
///
/// # Errors
/// When there is none.
pub fn expect(name: &str) -> Result<&'static Entry, UnknownTask> {
    find(name).ok_or_else(|| UnknownTask {
        task: name.to_owned(),
        meant: meant(name).map(|task| task.name),
    })
}

/// All names, as messages list them.
pub fn names() -> String {
    TASKS.map(|task| task.name).join(", ")
}

/// The task that a misspelt name may mean.
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
