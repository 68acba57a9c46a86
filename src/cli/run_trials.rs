//! Which trials of a run a report shows: the figures of all, and one's predictions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, ensure};

use crate::{
    config::{Config, Draft, of_trial},
    counted::counted,
    eval::{result_file::read_results, results::TrialResults},
    finetune::finished_trials,
    model::folder::config_file,
    tasks::kind::task,
};

/// The trials that a report shows, in their order.
#[derive(Debug)]
pub(super) struct RunTrials {
    /// Their numbers; where they are not [`known`](Self::known), a guess.
    pub numbers: Vec<usize>,
    pub results: Vec<TrialResults>,
    /// Whether the list of finished trials has the same figures under these numbers.
    pub known: bool,
}

/// The figures of a run's trials and their numbers: those of its results, or those of all trials that are
/// finished, if a process that ended one could not write it there.
pub(super) fn trials_of(
    draft: &Draft,
    config: &Config,
    results: &Path,
) -> anyhow::Result<RunTrials> {
    let told = match results.is_file() {
        true => read_results(results)?,
        false => Vec::new(),
    };
    let list = config.paths().trials();
    let finished = |like| {
        finished_trials(config.paths(), like).with_context(|| {
            format!(
                "{}: reading failed; check the path and its permissions",
                list.display()
            )
        })
    };
    let all = finished(None)?;
    let Some(numbers) = numbers_of(&told, &all) else {
        // The results were changed, are of another program, or a run that makes trials anew was interrupted.
        if !all.is_empty() {
            log::warn!(
                "{}: expected the figures of finished trials as {} has them, found others; the page has \
                 these, with the last answers that were written; repeat the run's own command, which ends it \
                 and writes its results anew",
                results.display(),
                list.display()
            );
        }
        let numbers = match all.len() == told.len() {
            true => all.into_keys().collect(),
            false => (1..=told.len()).collect(),
        };
        return Ok(RunTrials {
            numbers,
            results: told,
            known: false,
        });
    };
    let like = numbers.last().or_else(|| all.keys().next_back()).copied();
    let mut of_run = finished(like)?;
    let planned = planned(draft, config, like.into_iter().chain(all.into_keys().rev()));
    of_run.retain(|trial, _| *trial <= planned);
    if of_run.len() > told.len() {
        log::warn!(
            "{}: expected {}, as many as are finished, found {}; the page has all, and the run's own \
             command writes them there",
            results.display(),
            counted(of_run.len(), "trial"),
            told.len()
        );
        let (numbers, results) = of_run.into_iter().unzip();
        return Ok(RunTrials {
            numbers,
            results,
            known: true,
        });
    }
    Ok(RunTrials {
        numbers,
        results: told,
        known: true,
    })
}

/// How many trials the run was to have: as many as are given, or as the first of these trials says whose
/// folder is there.
fn planned(draft: &Draft, config: &Config, mut trials: impl Iterator<Item = usize>) -> usize {
    if draft.is_given("num_trials") {
        return config.num_trials;
    }
    let told = trials.find_map(|trial| {
        let said = config_file(&config.paths().model_dir(trial)).ok()??;
        said.hparams().get("num_trials")?.as_u64()
    });
    told.map_or(config.num_trials, |told| told as usize)
}

/// The last trial of several, if its number is known and its answers are there under it: those without a
/// number are another's where the process that ended it could not write them.
pub(super) fn last(config: &Config, trials: &RunTrials) -> Option<usize> {
    let last = *trials.numbers.last().filter(|_| trials.known)?;
    let mut tasks = config.task_names.iter();
    let is_there = tasks.all(|name| {
        let files = task(name, config).result_files(config.paths());
        let mut answers = files.iter().filter(|file| !file.is_record);
        answers.any(|file| of_trial(&file.path, last).is_file())
    });
    (is_there && last.max(config.num_trials) > 1).then_some(last)
}

/// The numbers of the trials whose figures the results tell, which lack those that others are still at;
/// `None` if one of them is no finished trial's.
fn numbers_of(
    told: &[TrialResults],
    finished: &BTreeMap<usize, TrialResults>,
) -> Option<Vec<usize>> {
    let figures = |trial: &TrialResults| {
        let tasks = trial.tasks.iter();
        let figures = tasks.flat_map(|(task, scores)| {
            let figures = scores.iter();
            // As bits, in which a figure that is no number equals itself.
            figures
                .map(move |(key, figure)| (task.clone(), key.to_owned(), figure.value().to_bits()))
        });
        figures.collect::<BTreeSet<_>>()
    };
    let mut rest = finished.iter();
    let numbers = told.iter().map(|one| {
        let wanted = figures(one);
        let found = rest.find(|(_, own)| figures(own) == wanted);
        found.map(|(trial, _)| *trial)
    });
    numbers.collect()
}

/// The trial whose files are read; `None` of a run of one, whose files do not name it. The run's trials are
/// the ones of its results, by number, or without results the `planned` ones.
pub(super) fn trial(
    given: Option<usize>,
    done: &[usize],
    results: &Path,
    planned: usize,
) -> anyhow::Result<Option<usize>> {
    let last = done.last().copied().unwrap_or_default();
    match given {
        Some(trial) if last > done.len() => ensure!(
            done.contains(&trial),
            "--trial: expected one of {}, the trials in {}, found {trial}; give one of them",
            done.iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            results.display()
        ),
        Some(trial) if last > 0 => ensure!(
            (1..=last).contains(&trial),
            "--trial: expected a number from 1 to {last}, the trials in {}, found {trial}; give one of them",
            results.display()
        ),
        Some(trial) => ensure!(
            (1..=planned).contains(&trial),
            "--trial: expected a number from 1 to {planned}, the run's num_trials, found {trial}; give \
             --set num_trials=N as the run had it"
        ),
        None => {}
    }
    Ok(given.filter(|_| last.max(planned) > 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figures::{Figure, Scores};

    #[test]
    fn results_are_known_by_the_figures_of_their_trials() {
        let trial = |exact: f64| {
            let mut scores = Scores::default();
            scores.push("exact", Figure::Value(exact));
            TrialResults {
                tasks: vec![("squad".to_owned(), scores)],
            }
        };
        let finished = [(1, 50.0), (2, 60.0), (4, f64::NAN)];
        let finished = BTreeMap::from(finished.map(|(number, exact)| (number, trial(exact))));
        let numbers = |told: &[f64]| {
            let told: Vec<TrialResults> = told.iter().map(|exact| trial(*exact)).collect();
            numbers_of(&told, &finished)
        };
        assert_eq!(numbers(&[50.0, f64::NAN]), Some(vec![1, 4]));
        assert_eq!(numbers(&[60.0]), Some(vec![2]));
        assert_eq!(numbers(&[]), Some(Vec::new()));
        assert_eq!(numbers(&[50.0, 55.0]), None);
        assert_eq!(numbers(&[60.0, 50.0]), None);
    }
}
