//! `electra ask`: questions on one passage, or texts, whatever the model was trained on.

use std::{io::Write, path::PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;

use super::{
    Failure, GlobalArgs,
    asked::{Inputs, Noun, of_line, passage, whole},
    compute::ComputeArgs,
    excerpt::{Marks, printable},
    model::{describe_model, say_task},
    session::Session,
    shown_reply,
};
use crate::{
    fine_tuned::{self, TaskChoice},
    tasks::{
        asked::{Asked, Form},
        qa::no_answer::threshold,
    },
};

const QUESTIONS: &str = "Ask about the passage; an empty line or Ctrl-D ends.";
const TEXTS: &str = "Give one text per line; an empty line or Ctrl-D ends.";
const PAIRS: &str =
    "Give two texts per line, with a tab between them; an empty line or Ctrl-D ends.";

/// Answer questions on one passage, or classify or tag a text
///
/// A question-answering model takes --question and --passage. A classification or regression model takes
/// --text, and --text-b if it was trained on pairs. A tagging model takes --text and marks its spans.
/// Without --question or --text, the command prompts for input at a terminal, and otherwise reads standard
/// input, one question or text per line.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  electra ask --checkpoint my_model --question \"Who wrote it?\" \\
    --passage \"Ada wrote it.\"
  electra ask --checkpoint my_model --passage-file letter.txt
  electra ask --checkpoint my_rte_model --text \"Ada wrote it.\" \\
    --text-b \"It was written.\"")]
pub struct AskArgs {
    /// Folder of the fine-tuned model
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Question, or - to read questions from standard input, one per line; may be repeated
    #[arg(long = "question", value_name = "TEXT", allow_hyphen_values = true, value_parser = text)]
    pub questions: Vec<String>,
    /// Passage that contains the answer, or - to read it from standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = text)]
    pub passage: Option<String>,
    /// File with the passage, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "passage")]
    pub passage_file: Option<PathBuf>,
    /// Text, or - to read texts from standard input, one per line (pairs separated by a tab); may be
    /// repeated
    #[arg(
        long = "text",
        value_name = "TEXT",
        allow_hyphen_values = true,
        value_parser = text,
        conflicts_with_all = ["questions", "passage", "passage_file"]
    )]
    pub texts: Vec<String>,
    /// Second text of a pair
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        value_parser = text,
        requires = "texts"
    )]
    pub text_b: Option<String>,
    /// File to read as one text, or - for standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["questions", "passage", "passage_file", "texts", "text_b"]
    )]
    pub text_file: Option<PathBuf>,
    /// Task to use if the model has several [default: the first that accepts the input]
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

/// Text with at least one word.
fn text(given: &str) -> Result<String, String> {
    match given.trim() {
        "" => Err("expected text, found none".to_owned()),
        _ => Ok(given.to_owned()),
    }
}

/// Prints the reply to each question or text.
pub(super) fn run(args: &AskArgs, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let given = args.form();
    let source = given.map(|form| args.read(form)).transpose()?;
    let choice = match (&args.task, given) {
        (Some(task), _) => TaskChoice::Named(task),
        (None, Some(form)) => TaskChoice::Taking(form),
        (None, None) => TaskChoice::First,
    };
    let described = describe_model(&args.checkpoint, choice, &global.progress());
    let described = described.map_err(advised)?;
    if let Some(form) = given {
        described
            .expect(form)
            .map_err(|error| advised(error.into()))?;
    }
    let form = described.asking.form();
    let mut source = match source {
        Some(source) => source,
        None => args.read(form)?,
    };
    say_task(args.task.as_deref(), &described, &global.progress());
    let session = Session::open(&args.compute, global)?;
    let mut model = session.open_model(described)?;
    if let Some(given) = args.threshold {
        model.set_threshold(given)?;
    }
    let marks = Marks::of_stdout();
    let mut count = 0;
    while let Some((line, asked)) = source.next(form)? {
        let replied = asked.and_then(|asked| Ok((model.ask(&asked)?, asked)));
        let (reply, asked) = match replied {
            // A failed question does not end the session; a failed device does.
            Err(error) if source.inputs.are_typed() && Failure::of(&error) == Failure::Use => {
                Failure::Use.tell(&error, global);
                continue;
            }
            replied => replied?,
        };
        if global.json {
            writeln!(out, "{}", serde_json::to_string(&reply)?)?;
        } else {
            if count > 0 && !source.inputs.are_typed() {
                writeln!(out)?;
            }
            if source.inputs.are_several() {
                writeln!(out, "{}", printable(&line))?;
            }
            shown_reply::print(&reply, &asked, marks, out)?;
        }
        out.flush()?;
        count += 1;
    }
    session.progress.done();
    Ok(())
}

/// Where the input comes from.
struct Source {
    inputs: Inputs,
    /// The passage, for questions.
    passage: Option<String>,
    /// The second text of a pair.
    text_b: Option<String>,
}

impl Source {
    /// The next question or text, and the input that it makes for a task of this form.
    fn next(&mut self, form: Form) -> anyhow::Result<Option<(String, anyhow::Result<Asked>)>> {
        let Some(line) = self.inputs.next()? else {
            return Ok(None);
        };
        let asked = match (&self.passage, &self.text_b) {
            (Some(passage), _) => Ok(Asked::question(&line, passage)),
            (None, Some(b)) => Ok(Asked::text(&line, Some(b))),
            (None, None) => of_line(&line, form),
        };
        Ok(Some((line, asked)))
    }
}

impl AskArgs {
    /// The form of the input, if the flags determine it.
    fn form(&self) -> Option<Form> {
        let passage = self.passage.is_some() || self.passage_file.is_some();
        if passage || !self.questions.is_empty() {
            return Some(Form::Question);
        }
        let from_stdin = self.texts.iter().any(|text| text == "-");
        match (&self.text_b, self.texts.is_empty()) {
            (Some(_), _) => Some(Form::Pair),
            // A line may contain two texts.
            (None, false) if from_stdin => Some(Form::TextOrPair),
            (None, false) => Some(Form::Text),
            (None, true) => self.text_file.as_ref().map(|_| Form::Text),
        }
    }

    /// The input for a task of this form.
    fn read(&self, form: Form) -> anyhow::Result<Source> {
        let source = |inputs| Source {
            inputs,
            passage: None,
            text_b: self.text_b.clone(),
        };
        if form == Form::Question {
            let (passage, from_stdin) =
                passage(self.passage.as_deref(), self.passage_file.as_deref())?;
            let questions = self.questions.clone();
            let inputs = Inputs::new(Noun::Question, questions, from_stdin, QUESTIONS)?;
            return Ok(Source {
                passage: Some(passage),
                ..source(inputs)
            });
        }
        if let Some(file) = &self.text_file {
            let text = whole(file, "text")?;
            return Ok(source(Inputs::Given(1, vec![text].into_iter())));
        }
        if self.text_b.is_some() && (self.texts.len() > 1 || self.texts[0] == "-") {
            bail!(
                "--text-b goes with one --text; give further pairs on standard input, both texts in a \
                 line with a tab between"
            );
        }
        let prompt = if form == Form::Pair { PAIRS } else { TEXTS };
        let inputs = Inputs::new(Noun::Text, self.texts.clone(), false, prompt)?;
        Ok(source(inputs))
    }
}

/// Adds advice on what to pass to a model that takes another form.
fn advised(error: anyhow::Error) -> anyhow::Error {
    let flags = match error.downcast_ref() {
        Some(fine_tuned::Error::OtherForm { takes, .. }) => {
            takes.first().map(|(_, form)| flags_of(*form))
        }
        _ => None,
    };
    match flags {
        Some(flags) => anyhow!("{error}; {flags}"),
        None => error,
    }
}

fn flags_of(form: Form) -> &'static str {
    match form {
        Form::Question => "give --question TEXT and --passage TEXT",
        Form::Text => "give --text TEXT",
        Form::Pair => "give --text A --text-b B",
        Form::TextOrPair => "give --text TEXT, and --text-b TEXT if it was trained on pairs",
    }
}
