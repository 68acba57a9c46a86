//! `electra report` for a run: its tasks' predictions as written by an evaluation, of every kind.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{bail, ensure};
use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::{
    GlobalArgs,
    features::task_files,
    finetune::take_answering,
    hyper_parameters::{GivenArgs, RunArgs, parse_preset},
    print_beside, print_json_beside,
    report_page::PageArgs,
    run_model,
    run_trials::{last, trial, trials_of},
};
use crate::{
    config::{Config, Draft, Paths, Preset, of_trial},
    data::split::Split,
    durable_file::spare_inputs,
    eval::{results::TrialResults, taken::Taken},
    finetune::model_files,
    model::description::describe_record,
    pretrain::step_log,
    report::{Made, Report, Sections, TrainingCurve},
    shell::quoted_path,
    step_record,
    tasks::{
        kind::{heads, sections, task},
        task::TaskFile,
    },
};

/// Relative tolerance between a score and the one in the results.
const SAME: f64 = 1e-5;

/// A run that a report may be of.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct ReportedRun {
    /// Data folder of an evaluated run: models are in DIR/models, task data in DIR/finetuning_data
    #[arg(long, value_name = "DIR", requires = "model_name")]
    pub data_dir: Option<PathBuf>,
    /// Name of the pre-trained model that the run started from, a folder in DIR/models
    #[arg(long, value_name = "NAME", requires = "data_dir")]
    pub model_name: Option<String>,
    /// Trial whose predictions to show [default: the last]
    #[arg(long, value_name = "K", requires = "data_dir")]
    pub trial: Option<usize>,
    /// Named set of hyper-parameters that the run was given
    #[arg(long, value_name = "NAME", value_parser = parse_preset(), requires = "data_dir")]
    pub preset: Option<Preset>,
    #[command(flatten)]
    pub given: GivenArgs,
}

impl ReportedRun {
    /// The run's flags in the form that other commands use, if a run is given.
    ///
    /// # Errors
    /// If hyper-parameters are given without a run.
    pub(super) fn args(&self) -> anyhow::Result<Option<RunArgs>> {
        match (&self.data_dir, &self.model_name) {
            (Some(data_dir), Some(model_name)) => Ok(Some(RunArgs {
                data_dir: data_dir.clone(),
                model_name: model_name.clone(),
                preset: self.preset,
                given: self.given.clone(),
            })),
            _ if self.given.is_empty() => Ok(None),
            _ => bail!(
                "--set and --hparams belong to a run, and none is given: add --data-dir and --model-name, \
                 or leave them out"
            ),
        }
    }
}

/// Refuses the name of a pre-training run without tasks.
fn refuse_pretraining(draft: &Draft, output: &Path) -> anyhow::Result<()> {
    let named = draft.pretrained_model();
    let is_pretraining = !draft.is_given("task_names") && named.join(step_log::FILE).is_file();
    ensure!(
        !is_pretraining,
        "{}: a run of pre-training; for its page give electra report --output {} {}, and for that of a model \
         fine-tuned from it --set task_names=TASK",
        named.display(),
        quoted_path(output),
        quoted_path(&named),
    );
    Ok(())
}

/// Writes the page of a run and prints its scores, or JSON.
pub(super) fn run(
    run: &RunArgs,
    given_trial: Option<usize>,
    page: &PageArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let progress = global.progress();
    let mut draft = run.draft_of_made(None, &progress)?;
    let config = draft.finish(None)?.config;
    let results = config.paths().results_json();
    let folders = (1..=config.num_trials).map(|trial| draft.model_dir(trial));
    if !results.is_file() && !folders.into_iter().any(|folder| folder.is_dir()) {
        refuse_pretraining(&draft, &page.output)?;
    }
    let trials = trials_of(&draft, &config, &results)?;
    let numbers = &trials.numbers;
    // num_trials may differ from the run's, and a run may have been interrupted.
    let most = config
        .num_trials
        .max(numbers.last().copied().unwrap_or_default());
    let folders = (1..=most).map(|trial| draft.model_dir(trial));
    // Unless all models are kept, only the last trial's folder remains.
    let model = folders
        .rev()
        .find(|folder| folder.join("config.json").is_file());
    // What the run's own model says, since the one it started from may be gone or have been replaced.
    let (resolved, facts) = match &model {
        Some(model) => {
            take_answering(&mut draft, model, &progress)?;
            run_model::described_as(&draft, describe_record(model)?)?
        }
        None => run_model::described(&draft)?,
    };
    let stored = model.as_ref().and(facts.as_ref());
    let stored = stored.map(|facts| facts.record.heads.clone());
    let mut config = resolved.config;
    let trial = trial(given_trial, numbers, &results, config.num_trials)?
        .or_else(|| last(&config, &trials));
    let shown = match trial {
        Some(trial) => {
            let place = numbers.iter().position(|number| *number == trial);
            place.and_then(|place| trials.results.get(place))
        }
        None => trials.results.last(),
    };
    // The tasks that were evaluated, if not all.
    let scores = shown.iter().flat_map(|shown| &shown.tasks);
    let first = scores.filter_map(|(_, scores)| Taken::of(scores)).next();
    config.max_eval_examples = config.max_eval_examples.or(first.map(|taken| taken.first));
    let tokenizer = run_model::tokenizer(&draft, &config, facts.as_ref())?;
    let mut files: Vec<Box<dyn TaskFile>> = Vec::new();
    for head in heads(&config, &stored.unwrap_or_default())? {
        let task = task(&head.task, &config);
        let file = task.read(Split::Dev, None, &head.config, &tokenizer, &config)?;
        file.check_not_empty()?;
        file.check_markable()?;
        files.push(file);
    }
    spare_inputs(
        &page.output,
        inputs(&draft, &config, run, most)
            .iter()
            .map(PathBuf::as_path),
    )?;
    let sections = sections(&files, config.paths(), trial)?;
    let disputed = shown.map_or_else(Vec::new, |shown| disputed(shown, &sections));
    for dispute in &disputed {
        log::warn!("{}: {dispute}", results.display());
    }
    let report = Report {
        title: match &page.title {
            Some(title) => title.clone(),
            None => format!("{} on {}", config.model_name, config.task_label()),
        },
        trials: trials.results,
        numbers: trials.numbers,
        disputed,
        training: training(config.paths(), most)?,
        tasks: sections.iter().map(AsRef::as_ref).collect(),
        examples: page.examples,
        origin: None,
        made: Some(Made::now()),
    };
    report.write(&page.output)?;
    if global.json {
        let told = sections.iter();
        let told: serde_json::Map<_, _> = told
            .map(|task| (task.name().to_owned(), json!(task.scores())))
            .collect();
        let told = json!({"output": page.output, "tasks": told});
        print_json_beside(&page.output, told, out)?;
        progress.done();
        return Ok(());
    }
    print_beside(&page.output, out, |out| {
        for task in &sections {
            print_figures(task.as_ref(), out)?;
        }
        let output = page.output.display().to_string();
        Ok(writeln!(out, "report: {}", printable(&output))?)
    })
}

/// Where a trial's scores differ from those that its predictions yield, one line per task.
pub(super) fn disputed(results: &TrialResults, sections: &[Box<dyn Sections + '_>]) -> Vec<String> {
    let lines = results.tasks.iter().filter_map(|(task, scores)| {
        let section = sections.iter().find(|section| section.name() == task)?;
        let (key, there, here) = scores.iter().find_map(|(key, figure)| {
            let (there, here) = (figure.value(), section.scores().get(key)?);
            // The losses behind a mean are written with f32 precision.
            let same = (there - here).abs() <= SAME * there.abs().max(here.abs()).max(1.0);
            let same = same || (there.is_nan() && here.is_nan());
            (!same).then_some((key, there, here))
        })?;
        Some(format!(
            "{task}: {key} is {there} in the results, but {here} from the predictions: one of the files was \
             changed or belongs to another evaluation; evaluate the run again"
        ))
    });
    lines.collect()
}

fn print_figures(task: &dyn Sections, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}", printable(task.name()))?;
    for (key, figure) in task.scores().iter() {
        writeln!(out, "  {key:24}{:>10}", figure.shown())?;
    }
    Ok(())
}

/// The training curves of the trials whose logs exist.
fn training(paths: Paths<'_>, trials: usize) -> anyhow::Result<Vec<TrainingCurve>> {
    let mut curves = Vec::new();
    for trial in 1..=trials {
        let log = paths.model_dir(trial).join(step_record::FILE);
        if log.is_file() {
            curves.push(TrainingCurve::read(&log, &format!("trial {trial}"))?);
        }
    }
    Ok(curves)
}

/// Files that the page must not replace, for a run with `trials` trials.
fn inputs(draft: &Draft, config: &Config, run: &RunArgs, trials: usize) -> Vec<PathBuf> {
    let paths = config.paths();
    let mut inputs = vec![
        paths.vocab_file().to_owned(),
        paths.results_json(),
        paths.results_txt().to_owned(),
        paths.trials(),
    ];
    if let Some(checkpoint) = draft.init_checkpoint() {
        inputs.extend(model_files(&checkpoint));
    }
    for name in &config.task_names {
        let task = task(name, config);
        inputs.extend(task.data_files(config, Split::Dev));
        for file in task.result_files(paths) {
            inputs.extend((1..=trials).map(|trial| of_trial(&file.path, trial)));
            inputs.push(file.path);
        }
    }
    for trial in 1..=trials {
        let folder = draft.model_dir(trial);
        inputs.extend(model_files(&folder));
        inputs.push(folder.join(step_record::FILE));
    }
    inputs.extend(task_files(config));
    inputs.extend(run.given.file().map(Path::to_owned));
    inputs
}
