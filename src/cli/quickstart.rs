//! `electra quickstart`: the whole pipeline on built-in data and a built-in model.

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
    quickstart::{self, Quickstart, lesson::Lesson},
    tasks::{asked::Asked, reply::Reply},
    terminal,
};

/// Convert, train, evaluate and query a tiny built-in model
///
/// Runs the whole pipeline on made-up data and a model that the program contains. The output folder is a
/// data folder for the other commands (--data-dir), with the pre-trained model electra_tiny
/// (--model-name). To resume an interrupted run, repeat the command.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra quickstart --output quickstart
  electra quickstart --output quickstart --kind tagging")]
pub struct QuickstartArgs {
    /// Kind of task to train on
    #[arg(long, value_enum, value_name = "KIND", default_value = "questions")]
    pub kind: Lesson,
    /// Output folder
    #[arg(long, value_name = "DIR", default_value = "electra-quickstart")]
    pub output: PathBuf,
    /// Start over instead of resuming; an earlier model is moved aside
    #[arg(long)]
    pub restart: bool,
    #[command(flatten)]
    pub given: GivenArgs,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Runs the pipeline and prints its measurements.
pub(super) fn run(
    args: &QuickstartArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let session = Session::open(&args.compute, global)?;
    let given = args.given.read(args.compute.precision)?;
    let outcome = quickstart::run(&Quickstart {
        lesson: args.kind,
        folder: &args.output,
        chosen: &session.chosen,
        given: &given,
        memory_limits: session.memory_limits(),
        restart: args.restart,
        stop: stop::listen(),
        progress: &session.progress,
    })?;
    let model = session.model(&outcome.model_dir, TaskChoice::First)?;
    let asked = args.kind.asked();
    let reply = model.ask(&asked)?;
    if global.json {
        let mut figures = serde_json::json!({
            "folder": outcome.folder,
            "before": outcome.before,
            "after": outcome.after,
            "seconds": began.elapsed().as_secs_f64(),
        });
        match &reply {
            Reply::Question(reply) => figures["answer"] = reply.answer.as_str().into(),
            reply => figures["reply"] = serde_json::to_value(reply)?,
        }
        writeln!(out, "{figures}")?;
        session.progress.done();
        return Ok(());
    }
    print_figures(args.kind, &outcome, out)?;
    let mut said = Vec::new();
    match &asked {
        Asked::Question { question, .. } => write!(said, "\nquestion: {question}\nanswer:   ")?,
        Asked::Text { a, b: None } => write!(said, "\ntext:  {a}\nreply: ")?,
        Asked::Text { a, b: Some(b) } => write!(said, "\nfirst:  {a}\nsecond: {b}\nreply:  ")?,
    }
    shown_reply::print(&reply, &asked, Marks::of_stdout(), &mut said)?;
    // Lines are wrapped to the terminal here too; the commands below stay whole.
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

/// A table of the scores before and after training.
fn print_figures(
    lesson: Lesson,
    outcome: &quickstart::Outcome,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let examples = match lesson {
        Lesson::Questions => "questions",
        _ => "examples",
    };
    writeln!(out, "\n600 {examples} that the model was not trained on:")?;
    writeln!(out, "{:24}{:>10}{:>10}", "", "before", "after")?;
    for (key, meaning) in lesson.figures() {
        let show = |scores: &Scores| scores.get(key).map_or("-".into(), |v| format!("{v:.2}"));
        let (before, after) = (show(&outcome.before), show(&outcome.after));
        writeln!(out, "{meaning:24}{before:>10}{after:>10}")?;
    }
    Ok(())
}
