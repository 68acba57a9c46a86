//! Prevents a summary of several trials from staying beside results that it does not summarise.

use std::{fs, path::Path};

use super::{Error, io};
use crate::{
    config::Config, durable_file::rename, eval::results::TrialResults, train::run_folder::aside,
};

/// Removes the summary of an earlier run before its results are replaced by those of `trials`. A run of
/// several trials, which will write its own, deletes it; any other moves it aside.
pub(super) fn leave(config: &Config, trials: &[TrialResults]) -> Result<(), Error> {
    if trials.len() > 1 {
        return Ok(());
    }
    let paths = config.paths();
    for path in [paths.summary_txt(), paths.summary()] {
        if !path.is_file() {
            continue;
        }
        match config.num_trials {
            1 => move_aside(&path)?,
            _ => fs::remove_file(&path).map_err(io(&path, "removing"))?,
        }
    }
    Ok(())
}

fn move_aside(path: &Path) -> Result<(), Error> {
    let aside = aside(path, "old");
    rename(path, &aside).map_err(io(path, "moving aside"))?;
    log::warn!(
        "{}: summarises results other than this run's; kept as {}",
        path.display(),
        aside.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_does_not_stay_beside_other_results() {
        let folder = tempfile::tempdir().unwrap();
        let config = |trials: usize| {
            let given = json!({"task_names": ["squad"], "num_trials": trials});
            let config = Config::resolve(folder.path(), "m", given.as_object().unwrap());
            config.unwrap().0
        };
        let (one, two) = (config(1), config(2));
        let results = folder.path().join("models/m/results");
        fs::create_dir_all(&results).unwrap();
        let write = || {
            for ending in ["txt", "json"] {
                fs::write(results.join(format!("squad_summary.{ending}")), ending).unwrap();
            }
        };
        let there = || {
            let names = ["txt", "json", "txt.old", "json.old"];
            names.map(|name| results.join(format!("squad_summary.{name}")).is_file())
        };
        let trial = TrialResults::default();
        write();
        // Both trials: their summary replaces it.
        leave(&two, &[trial.clone(), trial.clone()]).unwrap();
        assert_eq!(there(), [true, true, false, false]);
        // The first of two trials; the second follows.
        leave(&two, std::slice::from_ref(&trial)).unwrap();
        assert_eq!(there(), [false; 4]);
        // One trial replaces both.
        write();
        leave(&one, std::slice::from_ref(&trial)).unwrap();
        assert_eq!(there(), [false, false, true, true]);
        let kept = fs::read_to_string(results.join("squad_summary.json.old")).unwrap();
        assert_eq!(kept, "json");
        leave(&one, &[trial]).unwrap();
        assert_eq!(there(), [false, false, true, true]);
    }
}
