//! Explains why a path holds no model, and suggests models to give instead.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::folder::error::Error;
use crate::durable_file::folder_of;

/// Subfolder of a pre-trained model in which its fine-tuning runs are kept.
const RUNS: &str = "finetuning_models";
/// Files of a record or a run's checkpoint that a user may give in its place.
const PARTS: [&str; 6] = [
    "model.bpk",
    "optimizer.bpk",
    "state.json",
    "config.json",
    "conversion.json",
    "vocab.txt",
];
/// Most names listed in a message.
const SHOWN: usize = 8;
/// Most folder entries to examine.
const LOOKED_AT: usize = 1_000;
/// Most folders to search for models.
const LOOKED_INTO: usize = 50;
/// Similarity from which a name may be a misspelling of another.
const ALIKE: f64 = 0.8;

/// Returns the error for a path that is not a model: it is missing, its training has not finished,
/// or it is something else.
pub fn explain(path: &Path) -> Error {
    if !path.exists() {
        return missing(path);
    }
    if let Some(folder) = record_of(path) {
        return Error::FileOfRecord {
            path: path.into(),
            folder,
        };
    }
    let mut found = trained_below(path);
    if let [only] = found.as_slice()
        && newest_step(path).as_ref() == Some(only)
    {
        return Error::Unfinished {
            path: path.into(),
            instead: listed(&found),
        };
    }
    if found.is_empty() {
        found = models_inside(path);
    }
    // A folder beside a model's runs, such as that of their results.
    if found.is_empty()
        && let Some(model) = path.parent()
        && model.join(RUNS).is_dir()
    {
        found = trained_below(model);
    }
    if found.is_empty() {
        return Error::NotAModel { path: path.into() };
    }
    Error::OtherFolder {
        path: path.into(),
        instead: listed(&found),
    }
}

/// Returns the folder of the record that the file at `path` is part of.
fn record_of(path: &Path) -> Option<PathBuf> {
    let is_part = name_of(path).is_some_and(|name| PARTS.contains(&name.as_str()));
    if !is_part || !path.is_file() {
        return None;
    }
    let folder = match path.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    is_record(folder).then(|| folder.to_owned())
}

/// Finds models in a folder, one or two levels down: each with the models fine-tuned from it and,
/// for an unfinished run, its newest checkpoint.
pub fn models_inside(folder: &Path) -> Vec<PathBuf> {
    // Drops the dots that `.` as a model's name leaves in the path.
    let folder: PathBuf = folder.components().collect();
    let mut found = models_or_runs(&folder);
    if found.is_empty() {
        let below = folders(&folder).into_iter().take(LOOKED_INTO);
        found = below.flat_map(|below| models_or_runs(&below)).collect();
    }
    found.truncate(SHOWN);
    found
}

fn models_or_runs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if is_record(&path) || checkpoints_convert::is_checkpoint(&path) {
            found.push(path.clone());
            if path.join(RUNS).is_dir() {
                found.extend(trained_below(&path));
            }
        } else if path.is_dir() {
            found.extend(newest_step(&path));
        }
        if found.len() >= SHOWN {
            break;
        }
    }
    found
}

/// Finds models fine-tuned below a pre-trained model's folder, a data folder or a run's folder; for
/// an unfinished run, its newest checkpoint.
pub fn trained_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // The record of a Hugging Face model is in a subfolder of the model.
    let model = match folder.parent() {
        Some(model) if folder.ends_with("record") && is_record(folder) => model,
        _ => folder,
    };
    let runs = folders(&model.join(RUNS));
    for run in runs.iter().map(PathBuf::as_path).chain([folder]) {
        if is_record(run) {
            // The checkpoints beside a model are of the run that made it.
            found.extend((run != folder).then(|| run.to_owned()));
        } else if let Some(step) = newest_step(run) {
            found.push(step);
        }
    }
    if found.is_empty() {
        found = models_in(&folder.join("models"));
    }
    found.truncate(SHOWN);
    found
}

fn missing(path: &Path) -> Error {
    let gone = path
        .ancestors()
        .take_while(|part| !part.as_os_str().is_empty() && !part.exists())
        .last()
        .unwrap_or(path);
    let parent = folder_of(gone);
    let name = gone.file_name().unwrap_or_default().to_string_lossy();
    // A missing folder along the path could be any folder; the last component should be a model.
    let there = match gone == path {
        true => models_in(parent),
        false => folders(parent),
    };
    let names: Vec<String> = there.iter().filter_map(|path| name_of(path)).collect();
    let nearest = names
        .iter()
        .map(|other| (strsim::jaro_winkler(&name, other), other))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut hint = String::new();
    if let Some((_, nearest)) = nearest {
        hint = format!("; did you mean {nearest}?");
    } else if !names.is_empty() {
        let more = if names.len() > SHOWN { ", …" } else { "" };
        let shown = names[..names.len().min(SHOWN)].join(", ");
        hint = format!("; {} has {shown}{more}", parent.display());
    }
    if path.components().any(|part| part.as_os_str() == RUNS) {
        hint.push_str(match hint.ends_with('?') {
            true => " If not, electra finetune makes it",
            false => "; electra finetune makes it",
        });
    }
    Error::Missing {
        path: path.into(),
        gone: if gone == path {
            String::new()
        } else {
            format!(" ({} is missing)", gone.display())
        },
        hint,
    }
}

fn is_record(folder: &Path) -> bool {
    folder.join("model.bpk").is_file()
}

/// Returns the entries of `folder` that could be given as a model.
fn models_in(folder: &Path) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|path| is_record(path) || checkpoints_convert::is_checkpoint(path))
        .collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let found = entries(folder).into_iter();
    found.filter(|path| path.is_dir()).collect()
}

/// Returns the entries of a folder sorted by name, without hidden ones.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(LOOKED_AT)
        .map(|entry| entry.path())
        .filter(|path| name_of(path).is_some_and(|name| !name.starts_with('.')))
        .map(|path| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path))
        .collect();
    found.sort();
    found
}

/// The newest checkpoint of the run in a folder.
pub fn newest_step(run: &Path) -> Option<PathBuf> {
    let steps = folders(run).into_iter().filter_map(|path| {
        let step = name_of(&path)?
            .strip_prefix("checkpoint-")?
            .parse::<u64>()
            .ok()?;
        is_record(&path).then_some((step, path))
    });
    steps.max().map(|(_, path)| path)
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn listed(paths: &[PathBuf]) -> String {
    let shown = paths.iter().map(|path| path.display().to_string());
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(files: &[&str]) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for file in files {
            let file = place.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        place
    }

    fn told(place: &tempfile::TempDir, path: &str) -> String {
        let told = explain(&place.path().join(path)).to_string();
        let root = format!("{}{}", place.path().display(), std::path::MAIN_SEPARATOR);
        told.replace(&root, "").replace('\\', "/")
    }

    #[test]
    fn a_misspelt_name_finds_the_one_that_is_there() {
        let place = place(&[
            "models/electra_large/model.bpk",
            "models/tiny/model.bpk",
            "models/tuned/finetuning_models/rte_model_1/model.bpk",
            "models/notes/readme.txt",
        ]);
        assert_eq!(
            told(&place, "models/electra_lagre"),
            "models/electra_lagre: there is no such file or folder; did you mean electra_large?"
        );
        assert_eq!(
            told(&place, "models/xyz"),
            "models/xyz: there is no such file or folder; models has electra_large, tiny"
        );
        assert_eq!(
            told(&place, "model/tiny"),
            "model/tiny: there is no such file or folder (model is missing); did you mean models?"
        );
        assert_eq!(
            told(&place, "models/tuned/finetuning_models/rte_model_2"),
            "models/tuned/finetuning_models/rte_model_2: there is no such file or folder; did you mean \
             rte_model_1? If not, electra finetune makes it"
        );
        assert_eq!(
            told(&place, "models/tiny/finetuning_models/squad_model_1"),
            "models/tiny/finetuning_models/squad_model_1: there is no such file or folder \
             (models/tiny/finetuning_models is missing); electra finetune makes it"
        );
    }

    #[test]
    fn what_could_be_given_instead_is_named() {
        let place = place(&[
            "data/models/m/vocab.txt",
            "data/models/m/finetuning_models/squad_model_1/checkpoint-8/model.bpk",
            "data/models/m/finetuning_models/squad_model_1/checkpoint-16/model.bpk",
            "data/models/m/finetuning_models/squad_model_2/model.bpk",
            "other/file",
        ]);
        let runs = "data/models/m/finetuning_models/";
        assert_eq!(
            told(&place, &format!("{runs}squad_model_1")),
            format!(
                "{runs}squad_model_1: the run that trains this model has not ended, so there is no model \
                 yet; repeat the run's command to end it, or give {runs}squad_model_1/checkpoint-16"
            )
        );
        let message = told(&place, "data/models/m");
        let both = format!("{runs}squad_model_1/checkpoint-16, {runs}squad_model_2");
        assert!(message.contains(&both), "{message}");
        assert!(told(&place, "other").contains("neither a record"));
    }

    #[test]
    fn a_folder_of_models_names_them() {
        let place = place(&[
            "data/models/m/model.bpk",
            "data/models/m/checkpoint-6/model.bpk",
            "data/models/m/results/squad_results.txt",
            "data/models/m/finetuning_models/squad_model_1/model.bpk",
            "data/models/m/finetuning_models/squad_model_2/checkpoint-8/model.bpk",
            "data/models/notes/readme.txt",
        ]);
        let inside = "the folder itself contains no model; give ";
        let runs = "data/models/m/finetuning_models/";
        let both = format!("{runs}squad_model_1, {runs}squad_model_2/checkpoint-8");
        for (folder, expected) in [
            ("data/models", format!("data/models/m, {both}")),
            ("data/models/.", format!("data/models/m, {both}")),
            ("data/models/m/finetuning_models", both.clone()),
            ("data/models/m/results", both.clone()),
        ] {
            let message = told(&place, folder);
            assert!(
                message.ends_with(&format!("{inside}{expected}")),
                "{message}"
            );
        }
        assert_eq!(
            trained_below(&place.path().join("data/models/m")).len(),
            2,
            "what a pre-trained record names"
        );
    }

    #[test]
    fn a_file_of_a_record_is_told_with_its_folder() {
        let run = "m/finetuning_models/squad_model_1";
        let step = format!("{run}/checkpoint-8");
        let place = place(&[
            &format!("{run}/model.bpk"),
            &format!("{run}/config.json"),
            &format!("{step}/model.bpk"),
            "other/config.json",
        ]);
        for (file, folder) in [
            ("model.bpk", run),
            ("config.json", run),
            ("model.bpk", &step),
        ] {
            assert_eq!(
                told(&place, &format!("{folder}/{file}")),
                format!(
                    "{folder}/{file}: a file of a record, and a record is a whole folder; give \
                     {folder}"
                )
            );
        }
        assert!(told(&place, "other/config.json").contains("neither a record"));
    }
}
