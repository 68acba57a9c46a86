//! The files of the model at a path, which must not be overwritten.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of the model at `model`. For a folder: all files in it, in its record and in its checkpoints,
/// except results; for the prefix of a TensorFlow checkpoint, its files; otherwise the path itself.
pub(crate) fn model_files(model: &Path) -> Vec<PathBuf> {
    if model.is_dir() {
        let below = entries(model).filter(|path| path.is_dir() && is_model_folder(&name_of(path)));
        let below: Vec<PathBuf> = below.collect();
        let folders = std::iter::once(model).chain(below.iter().map(PathBuf::as_path));
        let files = folders.flat_map(entries);
        return files
            .filter(|path| !path.is_dir() && belongs_to_a_model(&name_of(path)))
            .collect();
    }
    let mut files = vec![model.to_owned()];
    let prefix = format!("{}.", name_of(model));
    let folder = model.parent().filter(|folder| folder != &Path::new(""));
    let beside = entries(folder.unwrap_or(Path::new(".")));
    files.extend(beside.filter(|path| {
        let name = name_of(path);
        let ending = name.strip_prefix(&prefix);
        ending.is_some_and(|ending| ending == "index" || ending.starts_with("data-"))
    }));
    files
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether a subfolder of this name in a model's folder is its record, a checkpoint, or the best weights of
/// its run.
fn is_model_folder(name: &str) -> bool {
    let step = name.strip_prefix("checkpoint-");
    ["record", "best"].contains(&name) || step.is_some_and(|step| step.parse::<u64>().is_ok())
}

/// Whether a file of this name is part of a model, not a result beside it.
fn belongs_to_a_model(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "checkpoint",
        "config.json",
        "conversion.json",
        "state.json",
        "special_tokens_map.json",
        "vocab.txt",
    ];
    const ENDINGS: [&str; 5] = [".bpk", ".safetensors", ".bin", ".index", ".zip"];
    NAMES.contains(&name)
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || name.starts_with("tokenizer")
        || name.contains(".data-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_files_are_told_from_what_lies_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = [
            "best/model.bpk",
            "checkpoint-8/model.bpk",
            "checkpoint-8/state.json",
            "config.json",
            "conversion.json",
            "model.bpk",
            "record/model.bpk",
            "vocab.txt",
        ];
        let beside = [
            "checkpoint-mine/model.bpk",
            "results/model.bpk",
            "thesis.tex",
            "train_log.jsonl",
        ];
        for name in names.into_iter().chain(beside) {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), "").unwrap();
        }
        let mut files = model_files(folder.path());
        files.sort();
        assert_eq!(files, names.map(at));
        assert_eq!(model_files(&at("m.zip")), [at("m.zip")]);
    }

    #[test]
    fn the_prefix_of_a_tensorflow_checkpoint_names_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = ["m-8.data-00000-of-00001", "m-8.index"];
        for name in names.into_iter().chain(["m-80.index", "m-8.txt"]) {
            fs::write(at(name), "").unwrap();
        }
        let mut files = model_files(&at("m-8"));
        files.sort();
        let expected = ["m-8", names[0], names[1]].map(at);
        assert_eq!(files, expected);
    }
}
