//! `electra calibrate`: chooses the best no-answer threshold for a model and stores it with the model.

use std::{io::Write, path::PathBuf};

use anyhow::ensure;
use checkpoints_convert::printable;
use clap::Args;

use super::{GlobalArgs, compute::ComputeArgs, session::Session};
use crate::{
    counted::counted,
    data::split::Split,
    eval::{file_digest::FileDigest, output_place},
    fine_tuned::TaskChoice,
    model::description::described_in,
    tasks::asked::Form,
    tasks::qa::{
        answers::answer_map::{answers, null_odds},
        no_answer::{
            calibration::{self, Calibration},
            threshold::signed,
        },
        raw::{paragraph::Family, question_set::QuestionSet},
        reader::ReadOptions,
        scorers::{
            gold::{check_markable, gold},
            metric::Metric,
            squad2,
        },
    },
};

/// Choose a model's no-answer threshold on a file and store it
///
/// Answers every question, finds the no-answer threshold with the best F1 and writes it to the model's
/// config.json as qa_na_threshold. From then on, predict, ask, serve and evaluate use it unless given
/// another.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  electra calibrate --checkpoint my_model --data dev.json")]
pub struct CalibrateArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Input file: questions with and without an answer, in SQuAD 2.0's format
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Chooses and stores the threshold, and prints what changed.
pub(super) fn run(
    args: &CalibrateArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let questions = QuestionSet::read(&args.data, Some(Family::Squad))?;
    check_markable(&questions, Metric::Squad2)?;
    let gold = gold(&questions);
    calibration::check(&gold, &args.data)?;
    let options = ReadOptions {
        task: "squad",
        split: Split::Test,
    };
    let examples = questions.examples(options)?;
    let session = Session::open(&args.compute, global)?;
    let model = session.model(&args.checkpoint, TaskChoice::Taking(Form::Question))?;
    ensure!(
        described_in(&model.folder) == model.folder,
        "{}: a checkpoint of a run has no config.json of its own; give the finished model, {}",
        model.folder.display(),
        described_in(&model.folder).display()
    );
    output_place::check(&model.folder.join("config.json"))?;
    let bar = session.progress.windows(0, "windows");
    let predictions = model.answer(examples, &mut |done, windows| {
        bar.set_length(windows as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();

    let odds = null_odds(&predictions);
    ensure!(
        !odds.is_empty(),
        "{}: the model gives no no-answer scores: it was trained on {}, not on squad",
        args.checkpoint.display(),
        model.task()
    );
    let threshold = model.config.qa_na_threshold;
    let no_answer = squad2::NoAnswer {
        odds: &odds,
        threshold,
        curves: false,
    };
    let report = squad2::score(&gold, &answers(&predictions), Some(no_answer))?;
    let scores = report.scores;
    let data = FileDigest::of(&args.data)?;
    let chosen = match &report.threshold {
        Some(effect) => Calibration::new(effect, data)?,
        None => None,
    };
    let before = ["exact", "f1"].map(|key| scores.get(key).unwrap_or_default());
    if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.changes()) {
        chosen.store(&model.folder)?;
    }
    if global.json {
        let told = serde_json::json!({
            "config": model.folder.join("config.json"),
            "replaced": threshold,
            "before": {"exact": before[0], "f1": before[1]},
            "calibration": chosen,
        });
        writeln!(out, "{told}")?;
        session.progress.done();
        return Ok(());
    }
    let Some(chosen) = chosen else {
        writeln!(
            out,
            "no threshold does better on {} than answering nothing: qa_na_threshold stays {}",
            printable(&args.data.display().to_string()),
            signed(threshold)
        )?;
        return Ok(());
    };
    writeln!(
        out,
        "{:24}{:>10}{:>10}{:>10}",
        "qa_na_threshold", "", "exact", "F1"
    )?;
    for (name, threshold, [exact, f1]) in [
        ("before", threshold, before),
        (
            "best on this file",
            chosen.threshold,
            [chosen.exact, chosen.f1],
        ),
    ] {
        writeln!(
            out,
            "{name:24}{:>10}{exact:>10.2}{f1:>10.2}",
            signed(threshold)
        )?;
    }
    writeln!(
        out,
        "{}; stored in {}",
        counted(chosen.questions, "question"),
        printable(&model.folder.join("config.json").display().to_string())
    )?;
    Ok(())
}
