//! `electra quickstart`: the whole pipeline on data and a model that the program carries.

use std::{io::Write, path::PathBuf, time::Instant};

use checkpoints_convert::printable;
use clap::Args;

use super::{
    GlobalArgs, compute::ComputeArgs, excerpt::Marks, hyper_parameters::GivenArgs,
    next_steps::NextSteps, session::Session, shown_reply, stop,
};
use crate::{
    eval::figures::Scores,
    fine_tuned::TaskChoice,
    quickstart,
    tasks::{asked::Asked, reply::Reply},
    terminal,
};

/// Convert, train, evaluate and ask, on a small example of its own
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra quickstart --output quickstart")]
pub struct QuickstartArgs {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "electra-quickstart")]
    pub output: PathBuf,
    #[command(flatten)]
    pub given: GivenArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Runs the pipeline and prints what it measured.
pub(super) fn run(
    args: &QuickstartArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let session = Session::open(&args.compute, global)?;
    let given = args.given.read(args.compute.precision)?;
    let outcome = quickstart::run(
        &args.output,
        &session.chosen,
        &given,
        session.memory_limits(),
        stop::listen(),
        &session.progress,
    )?;
    let model = session.model(&outcome.model_dir, TaskChoice::First)?;
    let asked = Asked::question(quickstart::QUESTION, quickstart::PASSAGE);
    let reply = model.ask(&asked)?;
    if global.json {
        let figures = serde_json::json!({
            "folder": outcome.folder,
            "before": outcome.before,
            "after": outcome.after,
            "answer": match &reply {
                Reply::Question(reply) => Some(&reply.answer),
                _ => None,
            },
            "seconds": began.elapsed().as_secs_f64(),
        });
        writeln!(out, "{figures}")?;
        session.progress.done();
        return Ok(());
    }
    writeln!(out, "\n600 questions that the model was not trained on:")?;
    writeln!(out, "{:24}{:>10}{:>10}", "", "before", "after")?;
    for (key, meaning) in [
        ("HasAns_exact", "answer found, exact"),
        ("HasAns_f1", "answer found, F1"),
        ("NoAns_exact", "no answer, seen as such"),
        ("best_exact", "all, best threshold"),
    ] {
        let show = |scores: &Scores| scores.get(key).map_or("-".into(), |v| format!("{v:.2}"));
        let (before, after) = (show(&outcome.before), show(&outcome.after));
        writeln!(out, "{meaning:24}{before:>10}{after:>10}")?;
    }
    write!(out, "\nquestion: {}\nanswer:   ", quickstart::QUESTION)?;
    let mut said = Vec::new();
    shown_reply::print(&reply, &asked, Marks::of_stdout(), &mut said)?;
    // Here too a terminal gets lines that fit it; the commands below stay whole.
    let columns = terminal::output_columns().unwrap_or(usize::MAX);
    for line in String::from_utf8_lossy(&said).lines() {
        writeln!(out, "{}", terminal::wrapped(line, columns))?;
    }
    let folder = outcome.folder.display().to_string();
    writeln!(
        out,
        "\n{:.0} s; model, data and results: {}",
        began.elapsed().as_secs_f64(),
        printable(&folder),
    )?;
    let next = NextSteps {
        report: Some(&outcome.report),
        checkpoint: Some(&outcome.model_dir),
        asked: &asked,
        compute: &args.compute,
    };
    next.print(out)
}
