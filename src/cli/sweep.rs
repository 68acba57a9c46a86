//! `electra finetune --sweep`: one run for every combination of some settings' values, each in its own
//! folder, with a comparison of their scores.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

use super::{
    GlobalArgs,
    finetune::{Course, FinetuneArgs, run_draft},
    runs::{Best, print_json, print_runs},
};
use crate::{
    config::{
        Draft,
        hparam::{Decides, OVERRIDES, decides},
    },
    counted::counted,
    finetune::{self, made_run::MadeRun, run_list::RunList},
    ranks::Ranks,
    report::origin_section::shown,
    train::run_lock,
};

/// Limit on combinations; each is checked before the first one runs.
const MOST_CELLS: usize = 1_000;

/// A combination of values, which is one run.
struct Cell {
    /// The values, as used in the run's folder names.
    name: String,
    draft: Draft,
    /// The folders of its trials, without `_` and number.
    model_dir: PathBuf,
}

/// Runs every unfinished cell, or one trial of each, and prints the scores of all. Skips what another process
/// is training, so that several can share the work.
pub(super) fn run(
    args: &FinetuneArgs,
    global: &GlobalArgs,
    ranks: &Ranks,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    ensure!(
        ranks.is_alone(),
        "--sweep: expected one process, found {} ranks; start every cell as a run of its own, or the sweep \
         without mpirun, once on each device",
        ranks.count()
    );
    let cells = cells(args)?;
    let progress = global.progress();
    let mut compute = args.compute.clone();
    compute.memory_budget = args.run.memory_budget(compute.memory_budget);
    let mut elsewhere = 0;
    for (number, cell) in cells.iter().enumerate() {
        let (number, all) = (number + 1, cells.len());
        progress.note(&format!("cell {number} of {all}: {}", cell.name));
        match run_draft(&cell.draft, &compute, global, ranks, Course::of(args)) {
            // With --trial, the others are not this process's task.
            Ok((_, outcome)) if args.trial.is_none() && !outcome.missing.is_empty() => {
                elsewhere += 1;
            }
            Ok(_) => {}
            Err(error) if is_held(&error) => {
                elsewhere += 1;
                progress.note("skipped: another process is training it");
            }
            Err(error) => return Err(error).with_context(|| format!("cell {}", cell.name)),
        }
    }
    if args.dry_run {
        progress.done();
        return Ok(());
    }
    let runs = cells.iter().map(|cell| MadeRun::open(&cell.model_dir));
    let list = RunList {
        // Another process may be about to create the folder.
        runs: runs.filter_map(|run| Some(run.ok()?.0)).collect(),
        ..RunList::default()
    };
    match global.json {
        true => print_json(&list, out)?,
        false => {
            let below = cells.first().and_then(|cell| cell.model_dir.parent());
            let below = below.unwrap_or(Path::new(""));
            print_runs(&list.runs, below, Best::Marked, out)?;
        }
    }
    if elsewhere > 0 {
        progress.note(&format!(
            "{} with other processes: repeat the command for the complete table when they are done",
            counted(elsewhere, "cell")
        ));
    }
    progress.done();
    Ok(())
}

fn is_held(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(finetune::Error::Lock(run_lock::Error::Held { .. }))
    )
}

/// Every combination; the first key's values change slowest.
fn cells(args: &FinetuneArgs) -> anyhow::Result<Vec<Cell>> {
    let mut combinations: Vec<Vec<String>> = vec![Vec::new()];
    let mut keys: Vec<&str> = Vec::new();
    for sweep in &args.sweeps {
        let (key, values) = sweep.split_once('=').with_context(|| {
            format!(
                "--sweep {sweep}: expected KEY=V1,V2, for example --sweep learning_rate=3e-5,5e-5"
            )
        })?;
        let key = key.trim();
        ensure!(
            !key.is_empty(),
            "--sweep {sweep}: expected a setting before the equals sign, found none; give KEY=V1,V2"
        );
        ensure!(
            !keys.contains(&key),
            "--sweep {key}: given twice; give all its values in one: --sweep {key}=V1,V2"
        );
        ensure!(
            decides(key) != Some(Decides::Place) || key == "init_checkpoint",
            "--sweep {key}: names a file or folder, and every cell has its own; sweep another setting"
        );
        keys.push(key);
        let values = values_of(values);
        ensure!(
            values.iter().all(|value| !value.is_empty()),
            "--sweep {sweep}: expected values between the commas, found none"
        );
        let count = combinations.len().saturating_mul(values.len());
        ensure!(
            count <= MOST_CELLS,
            "--sweep: {count} combinations, at most {MOST_CELLS} are run; leave some values out"
        );
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(move |value| {
                    let mut sets = before.clone();
                    sets.push(format!("{key}={value}"));
                    sets
                })
            })
            .collect();
    }
    let mut cells: Vec<Cell> = Vec::new();
    for sets in combinations {
        let mut run = args.run.clone();
        run.given.sets.extend(sets);
        let config = run.draft(args.compute.precision)?.finish(None)?.config;
        // A cell has one name, however its values are written.
        let hparams = config.hparams();
        let mut named = Vec::with_capacity(keys.len());
        for key in &keys {
            let value = value(&hparams, key).with_context(|| {
                format!("--sweep {key}: this program ignores the setting; sweep another one")
            })?;
            named.push(format!("{key}={value}"));
        }
        let name = named.join(",");
        let name = name.replace(
            |c: char| !c.is_ascii_alphanumeric() && !"._=,+-".contains(c),
            "_",
        );
        if cells.iter().any(|cell| cell.name == name) {
            bail!("--sweep: two cells would be called {name}; leave one of their values out");
        }
        let mut folder = config.model_dir.into_os_string();
        folder.push("_sweep");
        let model_dir = PathBuf::from(folder).join(&name);
        let place = model_dir.to_str().with_context(|| {
            format!(
                "{}: not Unicode, which the paths of cells must be",
                model_dir.display()
            )
        })?;
        run.given
            .sets
            .push(format!("model_dir={}", Value::from(place)));
        cells.push(Cell {
            name,
            draft: run.draft(args.compute.precision)?,
            model_dir,
        });
    }
    Ok(cells)
}

/// A run's value for a key, as text; `None` if runs have no such setting.
fn value(hparams: &Map<String, Value>, key: &str) -> Option<String> {
    let dotted = key
        .strip_prefix(OVERRIDES)
        .and_then(|rest| rest.strip_prefix('.'));
    let value = match dotted {
        Some(inner) => hparams
            .get(OVERRIDES)
            .and_then(|overrides| overrides.get(inner)),
        None => hparams.get(key),
    };
    let value = match (dotted, value) {
        // An override that was not given.
        (Some(_), None) => &Value::Null,
        (_, value) => value?,
    };
    match value.as_array() {
        Some(names) if !names.is_empty() && names.iter().all(Value::is_string) => {
            let names = names.iter().filter_map(Value::as_str);
            Some(names.collect::<Vec<_>>().join("+"))
        }
        _ => Some(shown(value)),
    }
}

/// Splits values at commas, except inside brackets and quotes.
fn values_of(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quoted) = (0_usize, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = values.last_mut() {
            last.push(c);
        }
    }
    values.iter().map(|value| value.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn parse(sweeps: &[&str]) -> Result<Vec<Cell>, String> {
        let run = [
            "c",
            "--data-dir",
            "d",
            "--model-name",
            "m",
            "--set",
            "task_names=rte",
        ];
        let sweeps = sweeps.iter().flat_map(|sweep| ["--sweep", sweep]);
        let arguments: Vec<&str> = run.into_iter().chain(sweeps).collect();
        let matches = FinetuneArgs::augment_args(Command::new("c")).try_get_matches_from(arguments);
        let args = FinetuneArgs::from_arg_matches(&matches.unwrap()).unwrap();
        cells(&args).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn every_combination_is_a_run_in_a_place_of_its_own() {
        let found = parse(&["learning_rate=3e-5,0.0001", "num_train_epochs=2, 3"]).unwrap();
        let names: Vec<&str> = found.iter().map(|cell| cell.name.as_str()).collect();
        let [slow, fast] = ["learning_rate=0.00003", "learning_rate=0.0001"];
        let expected = [slow, fast]
            .map(|rate| ["2.0", "3.0"].map(|epochs| format!("{rate},num_train_epochs={epochs}")));
        assert_eq!(names, expected.concat());
        let config = |cell: &Cell| cell.draft.finish(None).unwrap().config;
        let last = config(&found[3]);
        assert_eq!((last.learning_rate, last.num_train_epochs), (1e-4, 3.0));
        assert_eq!(last.model_dir, found[3].model_dir);
        let place = "d/models/m/finetuning_models/rte_model_sweep";
        assert_eq!(found[3].model_dir, PathBuf::from(place).join(names[3]));
        // On its own and written differently, it is the same cell.
        let alone = parse(&["learning_rate=1e-4", "num_train_epochs=3.0"]).unwrap();
        assert_eq!(alone[0].model_dir, found[3].model_dir);
    }

    #[test]
    fn values_may_hold_commas_and_become_names_of_folders() {
        assert_eq!(
            values_of(r#"a, [1,2],{"b":3,"c":4},"x,y""#),
            ["a", "[1,2]", r#"{"b":3,"c":4}"#, r#""x,y""#]
        );
        let found = parse(&["init_checkpoint=a/b,../c", "trainable_layers=null,2"]).unwrap();
        assert_eq!(found[0].name, "init_checkpoint=a_b,trainable_layers=null");
        assert_eq!(found[3].name, "init_checkpoint=.._c,trainable_layers=2");
        assert_eq!(found.len(), 4);
        let tasks = parse(&["task_names=sst,rte"]).unwrap();
        assert_eq!(tasks[1].name, "task_names=rte");
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        for (sweeps, expected) in [
            (&["learning_rate"][..], "expected KEY=V1,V2"),
            (&["learning_rate=1e-4,"], "between the commas"),
            (&["seed=1", "seed=2"], "given twice"),
            (&["model_dir=a,b"], "names a file or folder, and every cell"),
            (&["seed=1,1"], "two cells would be called seed=1"),
            (&["=1"], "expected a setting before the equals sign"),
            (&["use_tpu=true,false"], "this program ignores the setting"),
            (&["learning_rat=1"], "learning_rate"),
            (&["seed=1,x"], "seed"),
        ] {
            let message = parse(sweeps).err().unwrap_or_default();
            assert!(message.contains(expected), "{sweeps:?}: {message}");
        }
    }
}
