//! The results under the reference's names, which of several trials are those of the last.
//!
//! A trial writes under names with its number, since others may be written beside it. From there they are
//! copied, so that the files without a number are always those of one trial.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::kind::task;
use crate::{
    config::{Config, of_trial},
    durable_file::write_whole,
    eval::{self, record_file},
};

/// Gives what a trial of several has left the names without its number too. What holds the same already
/// stays untouched, and a device or a pipe gets it only if it is `new`.
///
/// # Errors
/// If a file cannot be read or written.
pub fn keep_as_last(config: &Config, trial: usize, new: bool) -> Result<(), eval::Error> {
    if config.num_trials == 1 {
        return Ok(());
    }
    for name in &config.task_names {
        let (records, files) = names_of(config, name, trial);
        for (own, last) in &files {
            copy(own, last, new)?;
        }
        for (own, last) in &files {
            if records.contains(&record_file::path(last)) {
                record_file::copy(own, last, &files)?;
            }
        }
    }
    Ok(())
}

/// Gives what a trial has left under the names without a number alone, as the only trial of a run does,
/// the names with its number too, before another trial's takes its place; `wrote` says of a file whether
/// the trial wrote it. What has its number already stays untouched.
///
/// # Errors
/// If a file cannot be read or written.
pub fn keep_as_own(
    config: &Config,
    trial: usize,
    wrote: &dyn Fn(&Path) -> bool,
) -> Result<(), eval::Error> {
    for name in &config.task_names {
        let (records, files) = names_of(config, name, trial);
        let files: Vec<_> = files.into_iter().map(|(own, last)| (last, own)).collect();
        for (last, own) in &files {
            if own.exists() || !last.is_file() || !wrote(last) {
                continue;
            }
            // First, since the record of a file that is there would not be looked for again.
            if records.contains(&record_file::path(last)) {
                record_file::copy(last, own, &files)?;
            }
            copy(last, own, true)?;
        }
    }
    Ok(())
}

/// The names of a task's records without a number, and those of its other results with and without one.
fn names_of(config: &Config, name: &str, trial: usize) -> (Vec<PathBuf>, Vec<(PathBuf, PathBuf)>) {
    let files = task(name, config).result_files(config.paths());
    let (records, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.is_record);
    let files = files
        .into_iter()
        .map(|file| (of_trial(&file.path, trial), file.path));
    (
        records.into_iter().map(|file| file.path).collect(),
        files.collect(),
    )
}

/// Copies a file, if it is there and the other holds something else.
fn copy(from: &Path, to: &Path, new: bool) -> Result<(), eval::Error> {
    let text = match fs::read(from) {
        Ok(text) => text,
        // Not every model has null odds.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(eval::Error::Read {
                path: from.to_owned(),
                source,
            });
        }
    };
    let stays = match to.metadata() {
        Ok(found) if found.is_file() => fs::read(to).is_ok_and(|found| found == text),
        Ok(_) => !new,
        Err(_) => false,
    };
    if stays {
        return Ok(());
    }
    write_whole(to, |out| out.write_all(&text)).map_err(|source| eval::Error::Write {
        path: to.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_the_only_trial_left_gets_its_number_before_another_s_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let given = json!({"task_names": ["squad"], "num_trials": 2});
        let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
        let config = config.unwrap().0;
        let last = config.paths().qa_preds("squad");
        let at = |name: &str| last.with_file_name(name);
        fs::create_dir_all(last.parent().unwrap()).unwrap();
        let put = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        put("squad_preds.json", "one");
        put("squad_null_odds.json", "one's odds");
        put("squad_nbest.json", "nobody's");
        put("squad_eval.json", "one's figures");
        put("squad_eval_1.json", "kept");
        let record = json!({
            "predictions": {"file": "squad_preds.json"}, "null_odds": {"file": "squad_null_odds.json"},
        });
        put("squad_preds.provenance.json", &record.to_string());
        let kinds = ["preds", "null_odds", "nbest", "eval"];
        for kind in kinds {
            put(&format!("squad_{kind}_2.json"), "two");
        }
        let wrote = |file: &Path| fs::read_to_string(file).unwrap().starts_with("one");
        keep_as_own(&config, 1, &wrote).unwrap();
        keep_as_last(&config, 2, true).unwrap();
        let text = |name: &str| fs::read_to_string(at(name)).ok();
        let own = kinds.map(|kind| text(&format!("squad_{kind}_1.json")));
        let expected = [Some("one"), Some("one's odds"), None, Some("kept")];
        assert_eq!(own, expected.map(|text| text.map(str::to_owned)));
        for kind in kinds {
            let text = text(&format!("squad_{kind}.json"));
            assert_eq!(text.as_deref(), Some("two"), "{kind}");
        }
        let record: Value =
            serde_json::from_str(&text("squad_preds_1.provenance.json").unwrap()).unwrap();
        assert_eq!(record["predictions"]["file"], "squad_preds_1.json");
        assert_eq!(record["null_odds"]["file"], "squad_null_odds_1.json");
    }
}
