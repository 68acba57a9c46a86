//! `electra compare`: compares runs with the first of them: settings, scores, examples gained and lost.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use checkpoints_convert::printable;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    GlobalArgs, print_beside, print_json_beside, run_report::disputed, wide_table::wide_table,
};
use crate::{
    counted::{counted, grouped},
    durable_file::spare_inputs,
    eval::{
        bootstrap::Bootstrap,
        comparison::{ComparedFigure, TaskComparison},
    },
    finetune::{
        comparison::{ComparedTask, Comparison, Side, compare},
        evaluated_run::EvaluatedRun,
        settings::{differing, settings},
    },
    report::{
        EXAMPLES, Made, Sections,
        comparison_page::{
            Against, ComparisonPage, distinct, interval, named, percent, shown, signed,
        },
        origin_section,
    },
    terminal,
};

/// Maximum length, in characters, of a text on the terminal.
const LONGEST: usize = 300;

/// Compare runs: settings, scores, examples gained and lost
///
/// Compares each run with the first one, on the tasks that both learned, by their predictions for the dev
/// files. The confidence interval of a difference comes from a paired bootstrap: 10,000 samples of the
/// examples, the same for both runs. A run is given as the folder of a trial, or without the trial's number
/// for its last one; `electra runs` lists them. Runs with predictions for different examples are refused.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra compare data/models/electra_small/finetuning_models/rte_model \\
    tries/rate_3e-5 --output compare.html")]
pub struct CompareArgs {
    /// Folders of the runs; the first is the baseline
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub runs: Vec<PathBuf>,
    /// Output file for an HTML page with all tables and more examples
    #[arg(long, value_name = "FILE.html")]
    pub output: Option<PathBuf>,
    /// Page title [default: the names of the runs]
    #[arg(long, value_name = "TEXT", requires = "output")]
    pub title: Option<String>,
    /// Maximum number of examples gained, and of examples lost, to show per task [default: 3, or 60 on the
    /// page]
    #[arg(long, value_name = "N")]
    pub examples: Option<usize>,
}

/// Default number of examples on the terminal.
const FEW: usize = 3;

/// Compares, prints, and writes the page.
pub(super) fn run(
    args: &CompareArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let opened = args.runs.iter().map(|path| EvaluatedRun::open(path));
    let runs: Vec<EvaluatedRun> = opened.collect::<Result<_, _>>()?;
    for (place, run) in runs.iter().enumerate() {
        let earlier = runs[..place].iter().find(|other| other.is_same(run));
        ensure!(
            earlier.is_none(),
            "{}: given twice (trial {}); give another run",
            run.path.display(),
            run.trial
        );
    }
    if let Some(output) = &args.output {
        let inputs: Vec<PathBuf> = runs.iter().flat_map(EvaluatedRun::inputs).collect();
        spare_inputs(output, inputs.iter().map(PathBuf::as_path))?;
    }
    let sections = runs.iter().map(EvaluatedRun::sections);
    let sections: Vec<Vec<Box<dyn Sections + '_>>> = sections.collect::<Result<_, _>>()?;
    for (run, sections) in runs.iter().zip(&sections) {
        for dispute in disputed(&run.results, sections) {
            log::warn!("{}: {dispute}", run.path.display());
        }
    }
    let names: Vec<String> = runs
        .iter()
        .map(|run| run.path.display().to_string())
        .collect();
    let sides: Vec<Side> = names
        .iter()
        .zip(&runs)
        .zip(&sections)
        .map(|((name, run), sections)| Side {
            name,
            most: run.run.config.max_eval_examples,
            sections,
        })
        .collect();
    let bootstrap = Bootstrap::default();
    let others = sides.iter().skip(1);
    let comparisons = others.map(|other| compare(sides[0], *other, &bootstrap));
    let comparisons: Vec<Comparison> = comparisons.collect::<Result<_, _>>()?;
    let told = Told {
        facts: facts(&runs),
        comparisons,
        bootstrap,
    };
    if let Some(output) = &args.output {
        let against = told
            .comparisons
            .iter()
            .zip(2..)
            .map(|(comparison, run)| Against {
                run,
                tasks: comparison
                    .tasks
                    .iter()
                    .map(|task| (&task.figures, task.sections))
                    .collect(),
                left_out: &comparison.left_out,
            });
        let paths: Vec<&Path> = runs.iter().map(|run| run.path.as_path()).collect();
        let title = args.title.clone();
        let page = ComparisonPage {
            title: title.unwrap_or_else(|| distinct(&paths).join(" · ")),
            runs: told.facts.clone(),
            comparisons: against.collect(),
            bootstrap,
            examples: args.examples.unwrap_or(EXAMPLES),
            made: Made::now(),
        };
        page.write(output)?;
    }
    let few = args.examples.unwrap_or(FEW);
    match (&args.output, global.json) {
        (Some(output), true) => print_json_beside(output, told.json(&names), out)?,
        (None, true) => writeln!(out, "{}", told.json(&names))?,
        (Some(output), false) => print_beside(output, out, |out| {
            told.print(few, out)?;
            let output = output.display().to_string();
            Ok(writeln!(out, "\npage: {}", printable(&output))?)
        })?,
        (None, false) => told.print(few, out)?,
    }
    global.progress().done();
    Ok(())
}

/// The facts about each run, and the settings in which they differ.
fn facts(runs: &[EvaluatedRun]) -> Vec<(String, Vec<String>)> {
    let fact = |name: &str, of: &dyn Fn(&EvaluatedRun) -> String| {
        (name.to_owned(), runs.iter().map(of).collect::<Vec<_>>())
    };
    let mut facts = vec![
        fact("folder", &|run| run.run.folder.display().to_string()),
        fact("trial", &|run| {
            let planned = run.run.config.num_trials.max(run.run.trials.len());
            match planned {
                1 => "1".to_owned(),
                _ => format!("{} of {planned}", run.trial),
            }
        }),
    ];
    let all: Vec<Map<String, Value>> = runs
        .iter()
        .map(|run| {
            let mut settings = settings(&run.run.config);
            // The folder of the trial.
            settings.insert(
                "seed".to_owned(),
                run.run.config.trial_seed(run.trial).into(),
            );
            settings
        })
        .collect();
    for (key, values) in differing(&all) {
        let values = values.iter().map(|value| match value {
            Some(value) => origin_section::shown(value),
            None => "–".to_owned(),
        });
        facts.push((key, values.collect()));
    }
    facts
}

/// Everything that the command reports.
struct Told<'a> {
    facts: Vec<(String, Vec<String>)>,
    comparisons: Vec<Comparison<'a>>,
    bootstrap: Bootstrap,
}

impl Told<'_> {
    fn print(&self, examples: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let columns = terminal::output_columns();
        let mut rows = vec![vec![String::new()]];
        let runs = self.comparisons.len() + 1;
        rows[0].extend((1..=runs).map(|run| format!("run {run}")));
        for (name, values) in &self.facts {
            let values = values.iter().map(|value| printable(value).into_owned());
            rows.push([name.clone()].into_iter().chain(values).collect());
        }
        write!(out, "{}", wide_table(&rows, columns))?;
        for (comparison, run) in self.comparisons.iter().zip(2..) {
            for task in &comparison.tasks {
                writeln!(out)?;
                self.print_task(task, run, examples, out)?;
            }
            for task in &comparison.left_out {
                writeln!(
                    out,
                    "\nnot compared: only one of run 1 and run {run} has {}",
                    printable(task)
                )?;
            }
        }
        let Bootstrap {
            resamples, seed, ..
        } = self.bootstrap;
        writeln!(
            out,
            "\nintervals: paired bootstrap over the examples, {resamples} samples, seed {seed};\n* excludes \
             0. They do not include the variation between training seeds."
        )?;
        Ok(())
    }

    fn print_task(
        &self,
        task: &ComparedTask,
        run: usize,
        examples: usize,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let figures = &task.figures;
        writeln!(
            out,
            "{}, {}: run {run} against run 1",
            printable(&figures.task),
            grouped(figures.examples, figures.noun)
        )?;
        writeln!(
            out,
            "{:20}{:>10}{:>10}{:>12}   {} interval",
            "",
            "run 1",
            format!("run {run}"),
            "difference",
            percent(self.bootstrap.confidence)
        )?;
        for figure in &figures.figures {
            let [first, other] = figure.values.map(|value| shown(figure, value));
            let mark = match figure.interval {
                Some(interval) if interval.excludes_zero() => " *",
                _ => "",
            };
            let difference = signed(figure, figure.difference());
            let interval = interval(figure);
            writeln!(
                out,
                "{:20}{first:>10}{other:>10}{difference:>12}   {interval}{mark}",
                named(figure)
            )?;
        }
        print_undefined(&figures.figures, out)?;
        for (word, places, better) in [("gained", &figures.gained, run), ("lost", &figures.lost, 1)]
        {
            let count = counted(places.len(), figures.noun);
            writeln!(out, "{word}: {count}, {} in run {better}", figures.better)?;
            for &place in places.iter().take(examples) {
                print_example(task, place, run, out)?;
            }
        }
        Ok(())
    }

    fn json(&self, names: &[String]) -> Value {
        let comparisons = self.comparisons.iter().zip(2..).map(|(comparison, run)| {
            let tasks = comparison.tasks.iter().map(|task| {
                let figures = &task.figures;
                (figures.task.clone(), task_json(figures, task.sections[0]))
            });
            json!({
                "run": run,
                "against": 1,
                "tasks": tasks.collect::<Map<_, _>>(),
                "left_out": comparison.left_out,
            })
        });
        json!({
            "runs": names,
            "facts": self.facts.iter().cloned().map(|(name, values)| (name, json!(values))).collect::<Map<_, _>>(),
            "bootstrap": self.bootstrap,
            "comparisons": comparisons.collect::<Vec<_>>(),
        })
    }
}

/// Says for which metrics some bootstrap samples have no value.
fn print_undefined(figures: &[ComparedFigure], out: &mut dyn Write) -> anyhow::Result<()> {
    for figure in figures {
        let undefined = figure.interval.map_or(0, |interval| interval.undefined);
        if undefined > 0 {
            let samples = counted(undefined, "sample");
            writeln!(out, "{}: undefined in {samples}, left out", figure.key)?;
        }
    }
    Ok(())
}

/// Prints an example with its gold answer and those of both runs.
fn print_example(
    task: &ComparedTask,
    place: usize,
    run: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let [first, other] = task.sections.map(|section| section.told(place));
    let columns = terminal::output_columns().unwrap_or(usize::MAX);
    let mut line = |name: &str, text: &str| {
        let shown = match text.char_indices().nth(LONGEST) {
            None => text.to_owned(),
            Some((end, _)) => format!("{}…", &text[..end]),
        };
        let line = format!("    {name}: {}", printable(&shown));
        writeln!(out, "{}", terminal::wrapped(&line, columns))
    };
    line("text", &first.text)?;
    line("gold", &first.gold)?;
    line("run 1", &first.answer)?;
    line(&format!("run {run}"), &other.answer)?;
    line("id", &first.id)?;
    Ok(writeln!(out)?)
}

fn task_json(task: &TaskComparison, sections: &dyn Sections) -> Value {
    let ids = |places: &[usize]| -> Vec<String> {
        places
            .iter()
            .map(|&place| sections.told(place).id)
            .collect()
    };
    let figures = task.figures.iter().map(|figure| {
        let told = json!({
            "values": figure.values,
            "difference": figure.difference(),
            "interval": figure.interval,
        });
        (figure.key.clone(), told)
    });
    json!({
        "examples": task.examples,
        "figures": figures.collect::<Map<_, _>>(),
        "gained": ids(&task.gained),
        "lost": ids(&task.lost),
    })
}
