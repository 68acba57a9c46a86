//! `electra data classification` and `electra data tagging`: make a task's folder from a user's own file.

use std::{collections::BTreeSet, io::Write, path::PathBuf};

use anyhow::{bail, ensure};
use checkpoints_convert::printable;
use clap::{Args, ValueEnum};

use crate::{
    cli::GlobalArgs,
    counted::counted,
    shell::{quoted, quoted_path},
    tasks::{
        description::{Column, Description, Kind},
        task_folder::{Request, Written, write_texts, write_words},
    },
};

/// Maximum number of labels shown.
const SHOWN: usize = 12;

/// The files of a task and its folder.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// Training file
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Output folder, such as DIR/finetuning_data/NAME; its name becomes the task's
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Dev file, on which the model is evaluated
    #[arg(long, value_name = "FILE", conflicts_with = "dev_share")]
    pub dev: Option<PathBuf>,
    /// Fraction of IN to hold out as the dev file, such as 0.1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub dev_share: Option<f64>,
    /// Test file, for predictions; it may lack labels or tags
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Random seed of --dev-share
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| "expected a number between 0 and 1, such as 0.1".to_owned())
}

/// Make a task from a table of labelled texts or pairs of texts
///
/// Writes train.jsonl, dev.jsonl and test.jsonl (whichever apply) and the task.json that describes them for
/// `electra finetune`. Existing files are never overwritten.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Tables may be TSV, csv, JSON lines or a JSON list, plain or gzip. Columns are
given by name, or by number from 0. Without --text and --label, the usual names
are looked for (text, sentence1 and sentence2, label and so on). --dev-share
splits each class in proportion and keeps rows that share a text (for pairs,
either text) together, so that no text of the dev file is seen in training.

Example:
  electra data classification films.csv data/finetuning_data/films \\
    --text review --label stars --dev-share 0.1")]
pub struct ClassificationArgs {
    #[command(flatten)]
    pub files: Files,
    /// Column of the text, or of the first text of a pair
    #[arg(long, value_name = "COLUMN")]
    pub text: Option<String>,
    /// Column of the second text of a pair
    #[arg(long, value_name = "COLUMN")]
    pub text_b: Option<String>,
    /// Column of the label
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Column of the row ids
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,
    /// Treat the first row as data, not column names; columns are then given by number
    #[arg(long)]
    pub no_header: bool,
    /// Label names in the order of their ids, such as neg,pos
    ///
    /// Labels that are whole numbers stand for these names, counted from 0, as `datasets` writes them, unless
    /// all labels of the training file are themselves in the list.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = label)]
    pub labels: Option<Vec<String>>,
    /// Kind of task [default: regression if labels are decimal numbers, else classification]
    #[arg(long, value_name = "KIND")]
    pub kind: Option<TextKind>,
}

/// What is learnt of a text.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum TextKind {
    Classification,
    Regression,
}

/// Make a task from sentences with a tag for each word
///
/// Writes train.jsonl, dev.jsonl and test.jsonl (whichever apply), with tags in BIOES, and the task.json that
/// describes them for `electra finetune`. Existing files are never overwritten.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
IN is CoNLL-like text, with one word and its tag per line, or JSON lines with
tokens and tags, plain or gzip.

Example:
  electra data tagging names.conll data/finetuning_data/names --dev-share 0.1")]
pub struct TaggingArgs {
    #[command(flatten)]
    pub files: Files,
    /// Column of the words, by number from 0, or their key in JSON lines [default: the first column, or
    /// tokens]
    #[arg(long, value_name = "COLUMN")]
    pub words: Option<String>,
    /// Column of the tags, by number from 0, or their key in JSON lines [default: the last column, or tags]
    #[arg(long, value_name = "COLUMN")]
    pub tags: Option<String>,
    /// Tags that numbers in JSON lines stand for, in order from 0, such as O,B-PER,I-PER
    #[arg(long, value_name = "TAG,…", value_delimiter = ',', value_parser = label)]
    pub labels: Option<Vec<String>>,
}

fn label(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a name between commas, found none".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// Refuses labels that cannot be distinguished.
fn check_labels(labels: Option<&Vec<String>>) -> anyhow::Result<()> {
    let Some(labels) = labels else {
        return Ok(());
    };
    let distinct: BTreeSet<&String> = labels.iter().collect();
    ensure!(
        distinct.len() > 1 && distinct.len() == labels.len(),
        "--labels: expected at least two different names, found {}",
        labels.join(", ")
    );
    Ok(())
}

/// A column: by its number if the text is a number, else by its name.
fn column(given: Option<&String>) -> Option<Column> {
    let given = given?;
    Some(match given.parse() {
        Ok(number) => Column::Number(number),
        Err(_) => Column::Name(given.clone()),
    })
}

impl Files {
    fn request(&self) -> Request {
        Request {
            train: self.input.clone(),
            dev: self.dev.clone(),
            test: self.test.clone(),
            folder: self.folder.clone(),
            dev_share: self.dev_share,
            seed: self.seed,
        }
    }
}

pub(super) fn texts(
    args: &ClassificationArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let columns = Description {
        text: column(args.text.as_ref()),
        text_b: column(args.text_b.as_ref()),
        label: column(args.label.as_ref()),
        id: column(args.id.as_ref()),
        header: Some(!args.no_header),
        labels: args.labels.clone(),
        ..Description::of(Kind::Classification)
    };
    let kind = args.kind.map(|kind| match kind {
        TextKind::Classification => Kind::Classification,
        TextKind::Regression => Kind::Regression,
    });
    check_labels(args.labels.as_ref())?;
    let kind = match (&args.labels, kind) {
        (Some(_), Some(Kind::Regression)) => {
            bail!("--labels names classes, and a regression has none; leave one of the flags out")
        }
        (Some(_), _) => Some(Kind::Classification),
        (None, kind) => kind,
    };
    let written = write_texts(&args.files.request(), &columns, kind)?;
    print(&written, global, out)
}

pub(super) fn words(
    args: &TaggingArgs,
    global: &GlobalArgs,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    check_labels(args.labels.as_ref())?;
    let columns = Description {
        labels: args.labels.clone(),
        text: column(args.words.as_ref()),
        label: column(args.tags.as_ref()),
        ..Description::of(Kind::Tagging)
    };
    let written = write_words(&args.files.request(), &columns)?;
    print(&written, global, out)
}

fn print(written: &Written, global: &GlobalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if global.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(written)?)?);
    }
    let (kind, what) = match written.kind {
        Kind::Classification => ("classification", "row"),
        Kind::Regression => ("regression", "row"),
        Kind::Tagging => ("tagging", "sentence"),
    };
    let labels = |noun| {
        let (count, names) = (counted(written.labels.len(), noun), shown(&written.labels));
        format!(", {count}: {names}")
    };
    let labels = match written.kind {
        Kind::Regression => String::new(),
        Kind::Tagging => labels("type"),
        Kind::Classification => labels("label"),
    };
    let line = format!("{}: {kind}{labels}", written.task);
    writeln!(out, "{}", printable(&line))?;
    if let Some(columns) = &written.columns {
        writeln!(out, "{}", printable(columns))?;
    }
    for file in &written.files {
        let path = file.file.display().to_string();
        let rows = counted(file.rows, what);
        writeln!(out, "{}: {rows}", printable(&path))?;
    }
    let folder = written.folder.display().to_string();
    writeln!(out, "{}/task.json", printable(&folder))?;
    let has_dev = written
        .files
        .iter()
        .any(|file| file.file.ends_with("dev.jsonl"));
    let evaluated = if has_dev { "" } else { " --set do_eval=false" };
    writeln!(out, "\nnext:")?;
    writeln!(out, "electra data check {}", quoted_path(&written.folder))?;
    let parent = written.folder.parent();
    let data = parent.filter(|parent| parent.ends_with("finetuning_data"));
    let data = data.and_then(|parent| parent.parent());
    let data = match data {
        Some(data) if data.as_os_str().is_empty() => ".".to_owned(),
        Some(data) => quoted_path(data),
        None => {
            writeln!(out, "(move the folder into DATA/finetuning_data first)")?;
            "DATA".to_owned()
        }
    };
    writeln!(
        out,
        "electra finetune --data-dir {data} --model-name MODEL --set {}{evaluated}",
        quoted(format!("task_names={}", written.task))
    )?;
    if !has_dev {
        writeln!(
            out,
            "without a dev file nothing is evaluated: --dev FILE or --dev-share 0.1 make one"
        )?;
    }
    Ok(())
}

fn shown(labels: &[String]) -> String {
    let more = match labels.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", labels[..labels.len().min(SHOWN)].join(", "))
}
