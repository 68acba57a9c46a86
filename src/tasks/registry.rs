//! The tasks by name: what can be known of one without its code. A leaf, for the configuration checks
//! names and finds files by it.

/// A task that can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As `task_names` and the folder of its data have it.
    pub name: &'static str,
    /// What people write instead, in lower case and without punctuation.
    pub aliases: &'static [&'static str],
    /// Extension of its data files.
    pub extension: &'static str,
}

pub const TASKS: [Entry; 6] = [
    Entry {
        name: "squad",
        aliases: &["squad2", "squad20", "squadv2", "squadv20"],
        extension: "json",
    },
    Entry {
        name: "squadv1",
        aliases: &["squad1", "squad11", "squadv11"],
        extension: "json",
    },
    Entry {
        name: "newsqa",
        aliases: &[],
        extension: "jsonl",
    },
    Entry {
        name: "naturalqs",
        aliases: &["nq", "naturalquestions"],
        extension: "jsonl",
    },
    Entry {
        name: "triviaqa",
        aliases: &[],
        extension: "jsonl",
    },
    Entry {
        name: "searchqa",
        aliases: &[],
        extension: "jsonl",
    },
];

/// The task of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TASKS.iter().find(|task| task.name == name)
}

/// All names, as messages list them.
pub fn names() -> String {
    TASKS.map(|task| task.name).join(", ")
}

/// The task that a misspelt name may mean.
pub fn meant(name: &str) -> Option<&'static Entry> {
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
