//! `electra predict`: a model's predictions for every question, text or sentence in a file.

use std::{io::Write, path::PathBuf};

use checkpoints_convert::printable;
use clap::Args;
use serde_json::json;

use super::{
    GlobalArgs,
    compute::ComputeArgs,
    model::{describe_model, say_task},
    session::Session,
};
use crate::{
    batch::FeatureSet,
    counted::{counted, plural},
    data::split::Split,
    durable_file::spare_inputs,
    eval::{origin::Origin, output_place},
    fine_tuned::{Described, TaskChoice},
    tasks::{
        asked_file::{AskedFile, PREDICTIONS},
        asking::Asking,
        classification::asked_file::TextFile,
        qa::{
            answers::{answer_files::AnswerFiles, answer_map::test_outputs},
            no_answer::threshold::{self, signed},
            raw::question_set::QuestionSet,
            reader::ReadOptions,
        },
        tagging::asked_file::WordFile,
    },
};

/// Predict the answers, labels or tags for a file
///
/// For questions, writes the answers, n-best lists with probabilities, the no-answer scores (null odds) and
/// a record of the threshold to score them with. For texts and sentences, writes predictions.jsonl with one
/// line per example, whether or not the file has labels; for GLUE's test files, also the submission files
/// for gluebenchmark.com.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra predict --checkpoint my_model --data questions.json --output answers
  electra predict --checkpoint my_films --data new.csv --output predicted")]
pub struct PredictArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Input file: questions in SQuAD's format; texts as TSV, csv, JSON or one per line (.txt); sentences in
    /// CoNLL's format, as JSON lines or one text per line
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,
    /// Task to use if the model has several [default: the first]
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// No-answer score (null odds) above which a question has no answer [default: the model's]
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        value_parser = threshold::parse
    )]
    pub threshold: Option<f64>,
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Predicts as the model's task does. Errors are detected before a device is opened and hours are spent.
pub(super) fn run(
    args: &PredictArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let answers = AnswerFiles::in_folder(&args.output).paths();
    for path in answers.iter().chain([&args.output.join(PREDICTIONS)]) {
        spare_inputs(path, [args.data.as_path()])?;
    }
    let choice = TaskChoice::of(args.task.as_deref());
    let described = describe_model(&args.checkpoint, choice, &global.progress())?;
    if args.threshold.is_some() {
        described.expect_null_odds(threshold::OPTION)?;
    }
    say_task(args.task.as_deref(), &described, &global.progress());
    let (file, config) = (args.data.as_path(), &described.config);
    let (tokenizer, folder) = (
        &described.tokenizer,
        config.paths().task_folder(described.task()),
    );
    let file = match &described.asking {
        Asking::Questions(_) => return questions(args, described, global, out),
        Asking::Texts(asking) => {
            AskedFile::Texts(TextFile::read(asking, file, &folder, tokenizer, config)?)
        }
        Asking::Words(asking) => {
            AskedFile::Words(WordFile::read(asking, file, &folder, tokenizer, config)?)
        }
    };
    for path in file.files(&args.output) {
        spare_inputs(&path, [args.data.as_path()])?;
        output_place::check(&path)?;
    }
    let session = Session::open(&args.compute, global)?;
    session.progress.note(&file.line());
    let model = session.open_model(described)?;
    let what = match file {
        AskedFile::Texts(_) => "text",
        AskedFile::Words(_) => "sentence",
    };
    let bar = session.progress.windows(0, &plural(0, what));
    let outputs = model.compute(&FeatureSet::of_rows([file.rows()]), &mut |done, rows| {
        bar.set_length(rows as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    file.write(outputs, &args.output)?;

    let (examples, left_out) = (file.examples(), file.left_out());
    if global.json {
        let told = json!({
            "output": args.output,
            "task": model.task(),
            "examples": examples,
            "left_out": left_out,
            "files": file.files(&args.output),
        });
        writeln!(out, "{told}")?;
        session.progress.done();
        return Ok(());
    }
    let part = match file {
        AskedFile::Texts(_) => "row",
        AskedFile::Words(_) => "word",
    };
    let left_out = match left_out {
        0 => String::new(),
        count => format!(", {} left out", counted(count, part)),
    };
    writeln!(
        out,
        "{} answered{left_out}: {}",
        counted(examples, what),
        printable(&args.output.display().to_string())
    )?;
    Ok(())
}

/// Answers questions and writes `preds.json`, `nbest.json` and, for SQuAD 2.0 models, `null_odds.json`.
fn questions(
    args: &PredictArgs,
    described: Described,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let files = AnswerFiles::in_folder(&args.output);
    let options = ReadOptions {
        task: "squad",
        split: Split::Test,
    };
    let examples = QuestionSet::read(&args.data, None)?.examples(options)?;
    files.check()?;
    let session = Session::open(&args.compute, global)?;
    let model = session.open_model(described)?;
    let questions = examples.examples.len();
    let bar = session.progress.windows(0, "windows");
    let predictions = model.answer(examples, &mut |done, windows| {
        bar.set_length(windows as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();

    let threshold = args.threshold.unwrap_or(model.config.qa_na_threshold);
    let origin = Origin {
        device: session.chosen.short(),
        precision: model.precision.to_owned(),
        settings: model.config.non_defaults(),
        ..Origin::of_command(&args.checkpoint)
    };
    files.write(&predictions, &args.data, None, threshold, &origin)?;
    // Without no-answer scores, no answer is suppressed.
    let unanswered = predictions.iter().any(|p| p.null_odds.is_some()).then(|| {
        let outputs = test_outputs(&predictions, threshold);
        outputs.iter().filter(|(_, text)| text.is_empty()).count()
    });
    if global.json {
        let told = json!({
            "output": args.output,
            "questions": questions,
            "no_answer": unanswered,
            "threshold": unanswered.map(|_| threshold),
        });
        writeln!(out, "{told}")?;
        session.progress.done();
        return Ok(());
    }
    let held_back = unanswered.map_or(String::new(), |none| {
        let threshold = signed(threshold);
        format!(", {none} of them with no answer at threshold {threshold}")
    });
    writeln!(
        out,
        "{} answered{held_back}: {}",
        counted(questions, "question"),
        printable(&args.output.display().to_string())
    )?;
    Ok(())
}
