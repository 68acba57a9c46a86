//! The scores in a model card. Takes the results that a run, or an evaluation of its model, left beside the
//! model; yields the scores of one task. Results older than the weights belong to other weights.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::super::source::Source;
use crate::plain_file;
use crate::record_files::RECORD_FILE;

/// More than the results of a hundred trials with all their remarks.
const MAX_BYTES: u64 = 16 << 20;

/// A metric by which models are compared.
struct Kind {
    /// Its name in results.
    key: &'static str,
    /// Its name on Hugging Face's hub.
    hub: &'static str,
    name: &'static str,
}

const KINDS: [Kind; 10] = [
    kind("exact", "exact_match", "Exact match, %"),
    kind("exact_match", "exact_match", "Exact match, %"),
    kind("f1", "f1", "F1, %"),
    kind("accuracy", "accuracy", "Accuracy, %"),
    kind("mcc", "matthews_correlation", "Matthews correlation, ×100"),
    kind("pearson", "pearsonr", "Pearson correlation, ×100"),
    kind("spearman", "spearmanr", "Spearman correlation, ×100"),
    kind("precision", "precision", "Precision, %"),
    kind("recall", "recall", "Recall, %"),
    kind("mse", "mse", "Mean squared error"),
];

const fn kind(key: &'static str, hub: &'static str, name: &'static str) -> Kind {
    Kind { key, hub, name }
}

/// A metric and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// Its name on Hugging Face's hub.
    pub hub: &'static str,
    pub name: &'static str,
    pub value: f64,
}

/// Possible paths of results, with the trial's index in each.
fn places(source: &Source, tasks: &str) -> Vec<(PathBuf, usize)> {
    let name = format!("{tasks}_results.json");
    // From `electra evaluate --checkpoint`.
    let mut places = vec![(source.folder.join("results").join(&name), 0)];
    // From the run: `M/results` beside `M/finetuning_models/T_model_N`.
    let folder = source.folder.canonicalize().unwrap_or_default();
    let trial = folder.file_name().and_then(|folder| {
        let number = folder.to_str()?.strip_prefix(&format!("{tasks}_model_"))?;
        number.parse::<usize>().ok()?.checked_sub(1)
    });
    if let (Some(trial), Some(model)) = (trial, folder.parent().and_then(Path::parent)) {
        places.push((model.join("results").join(&name), trial));
    }
    places
}

/// The scores of `task`; empty if there are no results.
pub(super) fn of(source: &Source, task: &str) -> Vec<Figure> {
    let settings = source.settings();
    let tasks = settings.get("task_names").and_then(Value::as_array);
    let tasks = tasks.into_iter().flatten().filter_map(Value::as_str);
    let tasks = tasks.collect::<Vec<_>>().join(",");
    if tasks.is_empty() {
        return Vec::new();
    }
    let modified = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let weights = modified(&source.folder.join(RECORD_FILE));
    for (path, trial) in places(source, &tasks) {
        let Ok(Some(text)) = plain_file::read(&path, MAX_BYTES) else {
            continue;
        };
        if modified(&path) < weights {
            log::warn!(
                "{}: older than the model: the model card leaves its scores out",
                path.display()
            );
            continue;
        }
        let results: Value = serde_json::from_slice(&text).unwrap_or_default();
        let found = figures(&results[trial][task]);
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn figures(results: &Value) -> Vec<Figure> {
    let known = KINDS.iter().filter_map(|kind| {
        Some(Figure {
            hub: kind.hub,
            name: kind.name,
            value: results.get(kind.key)?.as_f64()?,
        })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_those_by_which_models_are_compared() {
        let results = json!({"exact": 80.5, "f1": 83, "total": 600, "HasAns_f1": 7, "loss": "no"});
        let found: Vec<_> = figures(&results)
            .into_iter()
            .map(|figure| (figure.hub, figure.value))
            .collect();
        assert_eq!(found, [("exact_match", 80.5), ("f1", 83.0)]);
        assert_eq!(figures(&Value::Null), []);
        assert_eq!(figures(&json!([1])), []);
    }
}
