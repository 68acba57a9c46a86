//! A file of labelled texts → what is in it, how long it is in tokens, and what is wrong with it.
//!
//! Unlike a run, which ends at the first invalid label, a check continues and lists them all.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use rayon::prelude::*;

use super::{
    error::{Error, Place},
    glue::GlueSplit,
    glue_reader,
    labels::Labels,
    layout::Layout,
    rows::{Cells, Rows},
    table::Format,
    text_file::{Numbers, TextFile},
};
use crate::{
    counted::counted,
    data::{existing_file::existing, split::Split, spread::Spread},
    tasks::{
        description::{self, Description},
        problem::{Kind, Problem},
        qa::token_counts::TokenCounts,
    },
    text::tokenizer::Tokenizer,
};

/// Rows that are tokenised together.
const BATCH: usize = 1024;

/// Different labels of a regression, or of classes, that are counted one by one.
const MOST_LABELS: usize = 1000;

/// The texts of a row, without blanks around them.
type Texts = (String, String);

/// Checks the files of a task, train first.
pub struct TextChecker<'a> {
    tokenizer: &'a Tokenizer,
    max_seq_length: usize,
    kind: description::Kind,
    /// The labels that the task or its description states.
    known: Option<Labels>,
    /// The labels of the train file, with its texts.
    train: Option<Seen>,
    pub problems: Vec<Problem>,
}

/// What was seen in a file.
#[derive(Default)]
struct Seen {
    texts: HashMap<Texts, (Place, Option<String>)>,
    labels: BTreeMap<String, usize>,
}

impl<'a> TextChecker<'a> {
    /// `known` are the labels that the task or its description states.
    pub fn new(
        tokenizer: &'a Tokenizer,
        max_seq_length: usize,
        kind: description::Kind,
        known: Option<Labels>,
    ) -> Self {
        Self {
            tokenizer,
            max_seq_length,
            kind,
            known,
            train: None,
            problems: Vec::new(),
        }
    }

    /// Checks a file, whose split has this name.
    ///
    /// # Errors
    /// If the file cannot be read or lacks a column, or a row is malformed.
    pub fn check(
        &mut self,
        path: &Path,
        split: Split,
        name: &'static str,
        layout: Layout<'_>,
    ) -> Result<TextFile, Error> {
        // The archive, if that is what is read.
        let path = existing(path);
        let mut reading = Reading::new(self, &path, split);
        let mut file = match layout {
            Layout::Glue(task, glue) => {
                let named = matches!(Format::of(&path), Ok(Format::Csv | Format::Json));
                match named {
                    true => reading.table(&task.labels().description())?,
                    false => reading.glue(glue)?,
                }
            }
            Layout::Own(description) => reading.table(description)?,
        };
        file.split = name;
        Ok(file)
    }
}

/// A file that is being read.
struct Reading<'c, 'a> {
    checker: &'c mut TextChecker<'a>,
    path: &'c Path,
    split: Split,
    seen: Seen,
    ids: HashSet<String>,
    rows: usize,
    left_out: usize,
    numbers: Vec<f64>,
    pairs: bool,
    waiting: Vec<Texts>,
    lengths: Vec<[usize; 2]>,
    tokens: TokenCounts,
    /// Problems with labels; a test file without labels has none.
    of_labels: Vec<Problem>,
    unlabelled: usize,
}

impl<'c, 'a> Reading<'c, 'a> {
    fn new(checker: &'c mut TextChecker<'a>, path: &'c Path, split: Split) -> Self {
        Self {
            checker,
            path,
            split,
            seen: Seen::default(),
            ids: HashSet::new(),
            rows: 0,
            left_out: 0,
            numbers: Vec::new(),
            pairs: false,
            waiting: Vec::new(),
            lengths: Vec::new(),
            tokens: TokenCounts::default(),
            of_labels: Vec::new(),
            unlabelled: 0,
        }
    }

    fn glue(&mut self, split: &GlueSplit) -> Result<TextFile, Error> {
        glue_reader::each_row(self.path, split, false, |_, row| {
            match row {
                Ok(row) => {
                    let label = row.label.map(|label| Ok(label.to_owned()));
                    let place = Place::Line(row.line);
                    self.row(place, row.text_a, row.text_b, label);
                }
                Err(short) => {
                    self.left_out += 1;
                    let (columns, needed) = (short.columns, split.columns());
                    let found = format!("expected {needed} columns, found {columns}");
                    self.problem(Kind::LeftOut, Place::Line(short.line), found);
                }
            }
            Ok(())
        })?;
        Ok(self.finish(None, split.label.is_some()))
    }

    fn table(&mut self, description: &Description) -> Result<TextFile, Error> {
        let mut rows = Rows::of(self.path, self.split, description)?;
        rows.read(&mut |cells| {
            self.cells(&cells);
            Ok(())
        })?;
        Ok(self.finish(rows.columns.take(), rows.labelled || self.rows == 0))
    }

    fn cells(&mut self, cells: &Cells<'_>) {
        let place = cells.place();
        let texts = cells.text_a().and_then(|a| Ok((a, cells.text_b()?)));
        let (text_a, text_b) = match texts {
            Ok(texts) => texts,
            Err(error) => {
                self.rows += 1;
                return self.problem(Kind::NoText, place, told(error));
            }
        };
        match cells.id() {
            Ok(Some(id)) if !self.ids.insert(id.clone()) => {
                self.problem(Kind::RepeatedId, place, id);
            }
            Ok(_) => {}
            Err(error) => self.problem(Kind::NoId, place, told(error)),
        }
        let label = Some(cells.label().map_err(told));
        self.row(place, text_a, text_b, label);
    }

    fn problem(&mut self, kind: Kind, place: Place, found: String) {
        let problem = Problem::new(kind, self.path, place, found);
        self.checker.problems.push(problem);
    }

    /// Reads a row and its label, or what is in the label's place, if the file has labels.
    fn row(
        &mut self,
        place: Place,
        text_a: &str,
        text_b: Option<&str>,
        label: Option<Result<String, String>>,
    ) {
        self.rows += 1;
        self.pairs |= text_b.is_some();
        let texts = (
            text_a.trim().to_owned(),
            text_b.unwrap_or_default().trim().to_owned(),
        );
        if texts.0.is_empty() || (text_b.is_some() && texts.1.is_empty()) {
            self.problem(Kind::EmptyText, place, String::new());
        }
        let label = match label {
            None => None,
            Some(Ok(label)) => {
                self.label(place, &label);
                Some(label)
            }
            Some(Err(found)) => {
                self.unlabelled += 1;
                let problem = Problem::new(Kind::NoLabel, self.path, place, found);
                self.of_labels.push(problem);
                None
            }
        };
        self.compare(place, &texts, label);
        self.waiting.push((
            text_a.to_owned(),
            text_b.map(str::to_owned).unwrap_or_default(),
        ));
        if self.waiting.len() == BATCH {
            self.measure();
        }
    }

    /// Counts a label, and reports one that the task does not have.
    fn label(&mut self, place: Place, label: &str) {
        let mut wrong = |kind, found| {
            let problem = Problem::new(kind, self.path, place, found);
            self.of_labels.push(problem);
        };
        let unknown = self
            .checker
            .known
            .as_ref()
            .filter(|known| known.gold_in_range(label).is_none());
        if let Some(known) = unknown {
            let expected = known.expected();
            wrong(
                Kind::UnknownLabel,
                format!("expected {expected}, found {label:?}"),
            );
        }
        if self.checker.kind == description::Kind::Regression {
            match label.trim().parse::<f64>() {
                // A model's numbers are f32.
                Ok(number) if (number as f32).is_finite() => self.numbers.push(number),
                _ if unknown.is_some() => {}
                _ => wrong(
                    Kind::UnknownLabel,
                    format!("expected a number, found {label:?}"),
                ),
            }
            return;
        }
        let trained = self.checker.train.as_ref();
        let untrained = trained.is_some_and(|train| !train.labels.contains_key(label));
        if unknown.is_none() && untrained && !self.seen.labels.contains_key(label) {
            // A task that takes its labels from the train file ends here.
            let kind = match self.checker.known {
                Some(_) => Kind::NotInTrain,
                None => Kind::UnknownLabel,
            };
            wrong(
                kind,
                format!("{label:?}, which the train file does not have"),
            );
        }
        *self.seen.labels.entry(label.to_owned()).or_default() += 1;
    }

    /// Reports a text that occurs earlier in the file, or in the train file.
    fn compare(&mut self, place: Place, texts: &Texts, label: Option<String>) {
        if texts.0.is_empty() && texts.1.is_empty() {
            return;
        }
        let train = self.checker.train.as_ref();
        let trained = train.and_then(|train| train.texts.get(texts).cloned());
        if let Some((there, _)) = trained {
            self.problem(
                Kind::AlsoInTrain,
                place,
                format!("as {there} of the train file"),
            );
        }
        match self.seen.texts.get(texts).cloned() {
            None => {
                self.seen.texts.insert(texts.clone(), (place, label));
            }
            Some((before, other)) => match (other, label) {
                (Some(other), Some(label)) if other != label => {
                    let found = format!("{label:?}, {other:?} on {before}");
                    self.problem(Kind::Contradiction, place, found);
                }
                _ => self.problem(Kind::Repeated, place, format!("as {before}")),
            },
        }
    }

    fn measure(&mut self) {
        let tokenizer = self.checker.tokenizer;
        let unk = tokenizer.vocab().unk_id();
        let measured: Vec<([usize; 2], TokenCounts)> = std::mem::take(&mut self.waiting)
            .par_iter()
            .map(|(a, b)| {
                let (a, b) = (tokenizer.tokenize(a), tokenizer.tokenize(b));
                let mut tokens = TokenCounts::of_ids(&a, unk);
                tokens += TokenCounts::of_ids(&b, unk);
                ([a.len(), b.len()], tokens)
            })
            .collect();
        for (lengths, tokens) in measured {
            self.lengths.push(lengths);
            self.tokens += tokens;
        }
    }

    fn finish(&mut self, columns: Option<String>, labelled: bool) -> TextFile {
        self.measure();
        // As in a run: a test file with unknown labels counts as one without.
        let labelled = labelled && (self.split != Split::Test || self.of_labels.is_empty());
        let of_labels = std::mem::take(&mut self.of_labels);
        let mut seen = std::mem::take(&mut self.seen);
        if labelled || self.split != Split::Test {
            self.checker.problems.extend(of_labels);
            self.check_whole(&seen);
        }
        if self.rows == 0 {
            let left_out = match self.left_out {
                0 => String::new(),
                count => format!("too few columns in {}", counted(count, "row")),
            };
            self.of_file(Kind::NoRow, left_out);
        }
        if self.tokens.warning().is_some() {
            self.of_file(Kind::ForeignVocabulary, self.tokens.to_string());
        }
        if !labelled {
            seen.labels.clear();
            self.numbers.clear();
        }
        let labels = seen.labels.clone();
        if self.split == Split::Train {
            self.checker.train = Some(seen);
        }
        // [CLS] and a [SEP] behind each text.
        let whole = |&[a, b]: &[usize; 2]| a + b + if b == 0 { 2 } else { 3 };
        let example: Vec<usize> = self.lengths.iter().map(whole).collect();
        let longest = self.checker.max_seq_length;
        let of = |place: usize| Spread::of(self.lengths.iter().map(|both| both[place]).collect());
        TextFile {
            file: self.path.to_owned(),
            split: self.split.name(),
            columns,
            rows: self.rows,
            left_out: self.left_out,
            labelled,
            labels,
            numbers: Numbers::of(&self.numbers),
            text_tokens: of(0),
            second_text_tokens: self.pairs.then(|| of(1)),
            cut: example.iter().filter(|&&length| length > longest).count(),
            example_tokens: Spread::of(example),
            tokens: self.tokens,
        }
    }

    /// Checks what the labels of the whole file lack.
    fn check_whole(&mut self, seen: &Seen) {
        if self.split != Split::Train || self.rows == 0 {
            return;
        }
        let first = self.numbers.first();
        let one_number = first.is_some_and(|first| self.numbers.iter().all(|n| n == first));
        let is_known = |known: &Labels| seen.labels.keys().all(|label| known.gold(label).is_some());
        match (&self.checker.known, seen.labels.len()) {
            (known, 1) if known.as_ref().is_none_or(is_known) => {
                let only = seen.labels.keys().next().cloned().unwrap_or_default();
                self.of_file(Kind::OneLabel, format!("only {only:?}"));
            }
            (None, MOST_LABELS..) => {
                let found = format!(
                    "more than {MOST_LABELS} different labels: check the column, or list them"
                );
                self.of_file(Kind::UnknownLabel, found);
            }
            (None, 0) if one_number => {
                let only = first.copied().unwrap_or_default();
                self.of_file(Kind::OneLabel, format!("only {only}"));
            }
            (Some(Labels::Classes(names)), _) => {
                let lacking = names.iter().filter(|name| !seen.labels.contains_key(*name));
                let lacking: Vec<String> = lacking.map(|name| format!("{name:?}")).collect();
                if !lacking.is_empty() {
                    self.of_file(Kind::NotInTrain, lacking.join(", "));
                }
            }
            _ => {}
        }
    }

    fn of_file(&mut self, kind: Kind, found: String) {
        let problem = Problem::of_file(kind, self.path, found);
        self.checker.problems.push(problem);
    }
}

/// What was found; the place is printed beside it, and the kind of problem says what was expected.
fn told(error: Error) -> String {
    match error {
        Error::Row { found, .. } => found,
        other => other.to_string(),
    }
}
