//! Where a run writes: no file may replace another, or one that the run reads, and every folder must be
//! writable.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
};

use super::model_files::model_files;
use crate::{
    config::{Config, of_trial},
    data::split::Split,
    durable_file::try_folder,
    eval::output_place,
    tasks::kind::task,
    train::run_folder,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{first} and {second} are the same file, {path}; give them different names ({{:}} in a path stands \
         for the task)"
    )]
    Same {
        first: String,
        second: String,
        path: PathBuf,
    },
    #[error("{output} would replace {path}, {input}; give it another name")]
    Input {
        output: String,
        input: String,
        path: PathBuf,
    },
    #[error(
        "model_dir: the run would train in {model_dir}, which contains the model that it starts from \
         ({checkpoint}); choose another model_dir"
    )]
    OwnSource {
        model_dir: PathBuf,
        checkpoint: PathBuf,
    },
    #[error("{output}: {path} is a folder; give the name of a file")]
    Folder { output: String, path: PathBuf },
    #[error("{output}: {path} cannot be written: {source}; check the path and its permissions")]
    Unwritable {
        output: String,
        path: PathBuf,
        source: io::Error,
    },
}

/// A file and its name for the user.
struct Named {
    name: String,
    path: PathBuf,
}

/// Every file that the run will write outside its model folders.
fn outputs(config: &Config) -> Vec<Named> {
    let paths = config.paths();
    let mut outputs = Vec::new();
    let mut add = |name: String, path: PathBuf| outputs.push(Named { name, path });
    if config.do_eval {
        add("results_txt".into(), paths.results_txt().into());
        add("the results in JSON".into(), paths.results_json());
        add("the report".into(), paths.report());
        if config.num_trials > 1 {
            add("the summary".into(), paths.summary_txt());
            add("the summary in JSON".into(), paths.summary());
        }
        for task_name in &config.task_names {
            for file in task(task_name, config).result_files(paths) {
                let name = format!("{} of {task_name}", file.name);
                if config.num_trials > 1 && !file.is_record {
                    for trial in 1..=config.num_trials {
                        let name = format!("{name} in trial {trial}");
                        add(name, of_trial(&file.path, trial));
                    }
                }
                add(name, file.path);
            }
        }
    }
    if config.write_test_outputs {
        for task_name in &config.task_names {
            for trial in 1..=config.num_trials.min(config.n_writes_test) {
                for path in task(task_name, config).test_outputs(paths, trial) {
                    let name = format!("test_predictions of {task_name} in trial {trial}");
                    add(name, path);
                }
            }
        }
    }
    if config.do_train {
        add("the list of finished trials".into(), paths.trials());
    }
    outputs
}

/// Every file that the run reads.
fn inputs(config: &Config) -> Vec<Named> {
    let paths = config.paths();
    let mut inputs = Vec::new();
    let mut add = |name: String, path: PathBuf| inputs.push(Named { name, path });
    add("the vocabulary".into(), paths.vocab_file().into());
    for name in &config.task_names {
        for split in [Split::Train, Split::Dev, Split::Test] {
            for path in task(name, config).data_files(config, split) {
                add(format!("the {} file of {name}", split.name()), path);
            }
        }
    }
    if let Some(checkpoint) = &config.init_checkpoint {
        let name = match checkpoint.is_dir() {
            true => "a file of the checkpoint",
            false => "the checkpoint",
        };
        for path in model_files(checkpoint) {
            add(name.into(), path);
        }
    }
    inputs
}

/// Files given by command-line flags.
#[derive(Debug, Clone, Copy, Default)]
pub struct GivenFiles<'a> {
    /// The file of hyper-parameters.
    pub hparams: Option<&'a Path>,
    /// The order of training features in each epoch.
    pub replay: Option<&'a Path>,
}

/// Refuses a run in which a result would replace another, or a file that the run reads.
pub(super) fn check_names(config: &Config, given: GivenFiles<'_>) -> Result<(), Error> {
    let mut taken: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut read: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (path, name) in [
        (given.hparams, "the file of the hyper-parameters"),
        (given.replay, "the order of --replay"),
    ] {
        read.extend(path.map(|path| (real(path), name.to_owned())));
    }
    for Named { name, path } in inputs(config) {
        read.entry(real(&path)).or_insert(name);
    }
    let model_dirs: Vec<PathBuf> = match config.do_train {
        true => (1..=config.num_trials)
            .map(|trial| config.paths().model_dir(trial))
            .collect(),
        false => Vec::new(),
    };
    for Named { name, path } in outputs(config) {
        // A device or a pipe accepts any number of writers.
        if path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir())
        {
            continue;
        }
        let place = real(&path);
        if let Some(input) = read.get(&place) {
            let input = format!("{input}, which the run reads");
            return Err(Error::Input {
                output: name,
                input,
                path,
            });
        }
        let in_model_dir = model_dirs.iter().any(|model_dir| {
            place
                .strip_prefix(real(model_dir))
                .is_ok_and(run_folder::is_of_run)
        });
        if in_model_dir {
            return Err(Error::Input {
                output: name,
                input: "a file of the trained model".into(),
                path,
            });
        }
        if let Some(first) = taken.insert(place, name.clone()) {
            return Err(Error::Same {
                first,
                second: name,
                path,
            });
        }
    }
    if let Some(checkpoint) = &config.init_checkpoint {
        for model_dir in model_dirs {
            if real(checkpoint).starts_with(real(&model_dir)) {
                return Err(Error::OwnSource {
                    model_dir,
                    checkpoint: checkpoint.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Creates the folders of all results, and checks that files can be created in them. Of the trials' folders,
/// checks only that of the requested `trial`, or of the first: others may belong to another process.
pub(super) fn check_writable(config: &Config, trial: Option<usize>) -> Result<(), Error> {
    if config.do_train {
        let path = config.paths().model_dir(trial.unwrap_or(1));
        match path.is_dir() {
            true => try_folder(&path).map_err(|source| Error::Unwritable {
                output: "model_dir".to_owned(),
                path,
                source,
            })?,
            false => try_place("model_dir", &path)?,
        }
    }
    outputs(config)
        .iter()
        .try_for_each(|Named { name, path }| try_place(name, path))
}

/// Tries to create a file at `path`, with its parent folders.
fn try_place(output: &str, path: &Path) -> Result<(), Error> {
    match output_place::probe(&real(path)) {
        Ok(()) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::IsADirectory => Err(Error::Folder {
            output: output.to_owned(),
            path: path.to_owned(),
        }),
        Err(source) => Err(Error::Unwritable {
            output: output.to_owned(),
            path: path.to_owned(),
            source,
        }),
    }
}

/// The path with links resolved as far as it exists, and without `.` and `..`.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            part => real.push(part),
        }
        if let Ok(there) = real.canonicalize() {
            real = there;
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    /// The configuration of a run in a data folder, with a model there.
    fn config(folder: &Path, given: Value) -> Config {
        let model = folder.join("models/m");
        fs::create_dir_all(&model).unwrap();
        for file in ["model.bpk", "config.json", "vocab.txt"] {
            fs::write(model.join(file), "").unwrap();
        }
        let mut all = json!({"task_names": ["squad", "newsqa"], "num_trials": 2});
        for (key, value) in given.as_object().unwrap() {
            all[key] = match value.as_str() {
                Some(path) => json!(folder.join(path)),
                None => value.clone(),
            };
        }
        Config::resolve(folder, "m", all.as_object().unwrap())
            .unwrap()
            .0
    }

    #[test]
    fn the_reference_s_places_do_not_collide() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), json!({"write_test_outputs": true}));
        check_names(&config, GivenFiles::default()).unwrap();
        check_writable(&config, None).unwrap();
        // Only empty folders are left of the trial.
        let left = fs::read_dir(folder.path().join("models/m/results")).unwrap();
        assert!(left.flatten().all(|entry| entry.path().is_dir()));
    }

    #[test]
    fn files_that_would_replace_each_other_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (given, expected) in [
            (
                json!({"results_txt": "models/m/vocab.txt"}),
                "results_txt would replace",
            ),
            (
                json!({"results_txt": "models/m/../m/config.txt"}),
                "the results in JSON would replace",
            ),
            (
                json!({"qa_preds_file": "finetuning_data/newsqa/dev.jsonl"}),
                "the dev file of newsqa, which the run reads",
            ),
            (json!({"results_txt": "r.json"}), "are the same file"),
            (
                json!({"qa_preds_file": "out/p.json"}),
                "qa_preds_file of squad in trial 1 and qa_preds_file of newsqa in trial 1 are the same file",
            ),
            (
                json!({"qa_preds_file": "out/{:}.json", "qa_na_file": "out/{:}.json"}),
                "are the same file",
            ),
            (
                json!({"qa_na_file": "x_1/model.bpk", "model_dir": "x"}),
                "would replace",
            ),
            (
                json!({"init_checkpoint": "x_2/best", "model_dir": "x"}),
                "would train in",
            ),
        ] {
            let config = config(folder.path(), given.clone());
            let refused = check_names(&config, GivenFiles::default())
                .unwrap_err()
                .to_string();
            assert!(refused.contains(expected), "{given}: {refused}");
        }
    }

    #[test]
    fn what_is_not_written_collides_with_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"results_txt": "models/m/vocab.txt", "do_eval": false});
        check_names(&config(folder.path(), given), GivenFiles::default()).unwrap();
    }

    #[test]
    fn files_named_by_flags_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("mine.json");
        fs::write(&mine, "{}").unwrap();
        for given in [
            json!({"qa_eval_file": "mine.json", "task_names": ["squad"], "num_trials": 1}),
            json!({"qa_preds_file": "mine.json", "task_names": ["squad"], "num_trials": 1}),
            json!({"qa_na_file": "mine.json", "task_names": ["squad"], "num_trials": 1}),
            json!({"results_txt": "mine.txt"}),
        ] {
            let config = config(folder.path(), given.clone());
            check_names(&config, GivenFiles::default()).unwrap();
            let nothing = GivenFiles::default();
            let (hparams, replay) = (Some(mine.as_path()), Some(mine.as_path()));
            for (files, expected) in [
                (
                    GivenFiles { hparams, ..nothing },
                    "the file of the hyper-parameters, which the run reads",
                ),
                (
                    GivenFiles { replay, ..nothing },
                    "the order of --replay, which the run reads",
                ),
            ] {
                let refused = check_names(&config, files).unwrap_err().to_string();
                assert!(refused.contains(expected), "{given}: {refused}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_are_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"results_txt": "link/vocab.txt"});
        let linked = config(folder.path(), given);
        std::os::unix::fs::symlink(folder.path().join("models/m"), folder.path().join("link"))
            .unwrap();
        let refused = check_names(&linked, GivenFiles::default())
            .unwrap_err()
            .to_string();
        assert!(refused.contains("the vocabulary"), "{refused}");
        let given =
            json!({"qa_na_file": "/dev/null", "qa_eval_file": "/dev/null", "num_trials": 1});
        let devices = config(folder.path(), given);
        check_names(&devices, GivenFiles::default()).unwrap();
        check_writable(&devices, None).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let given = json!({"results_txt": "file/r.txt"});
        let refused = check_writable(&config(folder.path(), given), None).unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains("results_txt") && message.contains("cannot be written"),
            "{message}"
        );
        let given = json!({"qa_preds_file": "models"});
        let refused = check_writable(&config(folder.path(), given), None).unwrap_err();
        assert!(matches!(refused, Error::Folder { .. }), "{refused}");
    }
}
