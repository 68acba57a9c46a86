//! Checks a data file: its contents, its length in tokens, and its problems.
//!
//! SQuAD files are checked directly; other data sets go through their converters, whose reasons for
//! leaving something out become the problems here.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Error,
    convert::empty,
    counts::Counts,
    dropped::{Dropped, Reason},
    mrqa, newsqa,
    problem::{Kind, Problem},
    quac,
    squad::Look,
    squad_writer::Paragraph,
    token_lengths::{Ruler, TokenLengths, WindowOptions},
};
use crate::{
    data::existing_file::existing,
    tasks::{
        check_vocab::CheckVocab,
        problem::Severity,
        qa::raw::{paragraph::Family, question_reader::QuestionReader, summary::Form},
    },
};

/// How a file is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// The vocabulary or the folder of its model; by default that of the released models.
    pub vocab: Option<PathBuf>,
    pub windows: WindowOptions,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub file: PathBuf,
    /// Name for users: `SQuAD 2.0`.
    pub format: &'static str,
    /// Number of SQuAD articles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub articles: Option<usize>,
    #[serde(flatten)]
    pub counts: Counts,
    /// Questions that the data set's converter leaves out; they are not included in the counts.
    pub left_out: usize,
    /// The vocabulary that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<String>,
    pub vocabulary_size: usize,
    #[serde(flatten)]
    pub options: WindowOptions,
    #[serde(flatten)]
    pub lengths: TokenLengths,
    pub errors: usize,
    pub warnings: usize,
    /// Errors first, then by kind, then in file order.
    pub problems: Vec<Problem>,
}

/// Checks a file of any format.
///
/// # Errors
/// If the file or the vocabulary cannot be read or is malformed, or if the file has no question.
/// Problems of single questions are not errors here but are listed in [`Check::problems`].
pub fn check(path: &Path, options: &CheckOptions) -> Result<Check, Error> {
    // The archive, if that is what is read.
    let path = &existing(path);
    let windows = options.windows;
    let CheckVocab { tokenizer, told } = CheckVocab::open(options.vocab.as_deref())?;
    let vocabulary_size = tokenizer.vocab().len();
    let mut contents = Contents::new(Ruler::new(&tokenizer, windows));
    let format = contents.read(path)?;
    let Contents {
        ruler,
        articles,
        counts,
        left_out,
        mut problems,
    } = contents;
    let (lengths, found) = ruler.finish();
    problems.extend(found);
    if lengths.tokens.warning().is_some() {
        let problem = Problem::new(Kind::ForeignVocabulary, "all questions", "the whole file");
        problems.push(problem.with_found(lengths.tokens.to_string()));
    }
    // A stable sort, so problems of a kind stay in file order.
    problems.sort_by_key(|problem| (problem.severity, problem.kind));
    let errors = problems.iter().filter(|p| p.severity == Severity::Error);
    let errors = errors.count();
    Ok(Check {
        file: path.to_owned(),
        format,
        articles,
        counts,
        left_out,
        vocabulary: told,
        vocabulary_size,
        options: windows,
        lengths,
        errors,
        warnings: problems.len() - errors,
        problems,
    })
}

/// What is collected while a file is read.
struct Contents<'a> {
    ruler: Ruler<'a>,
    articles: Option<usize>,
    counts: Counts,
    left_out: usize,
    problems: Vec<Problem>,
}

impl<'a> Contents<'a> {
    fn new(ruler: Ruler<'a>) -> Self {
        Self {
            ruler,
            articles: None,
            counts: Counts::default(),
            left_out: 0,
            problems: Vec::new(),
        }
    }

    /// Reads a file and returns the name of its format.
    fn read(&mut self, path: &Path) -> Result<&'static str, Error> {
        let reader = QuestionReader::open(path)?;
        let mut dropped = Dropped::new(usize::MAX);
        if reader.is_newsqa() {
            newsqa::read_from(reader, &mut dropped, &mut |paragraph| self.take(paragraph))?;
            return self.converted(path, &dropped).map(|()| "NewsQA");
        }
        let file = reader.file().to_owned();
        let mut look = Look::default();
        let mut mrqa = mrqa::Converter::default();
        let mut quac = quac::Converter::new(0);
        let summary = reader.paragraphs(None, &mut |paragraph| {
            let mut take = |converted: Paragraph<'_>| self.take(converted);
            if paragraph.family == Family::Mrqa {
                return mrqa.convert(&paragraph, &mut dropped, &mut take);
            }
            if paragraph.questions.iter().any(|q| q.is_quac()) {
                return quac.convert(&paragraph, &file, &mut dropped, &mut take);
            }
            let place = paragraph.place.to_string();
            let (placed, problems) = look.at(&paragraph, &place);
            self.problems.extend(problems);
            self.take(placed)
        })?;
        if summary.quac {
            return self.converted(path, &dropped).map(|()| "QuAC");
        }
        if summary.family == Family::Mrqa {
            return self.converted(path, &dropped).map(|()| "MRQA");
        }
        if self.counts.questions == 0 {
            return Err(empty(path, &Dropped::new(0)));
        }
        if !look.labelled {
            // A test file has no answers at all.
            let lacking = Kind::AnswerableWithoutAnswers;
            self.problems.retain(|problem| problem.kind != lacking);
        }
        if summary.form == Form::Document {
            self.articles = Some(summary.articles);
        }
        // Includes answers that are not where the file says.
        self.counts.answers = look.answers;
        Ok(look.name(&summary))
    }

    fn take(&mut self, paragraph: Paragraph<'_>) -> Result<(), Error> {
        self.counts.add(&paragraph);
        self.ruler.take(paragraph);
        Ok(())
    }

    /// Collects the problems of a file that went through its converter.
    fn converted(&mut self, path: &Path, dropped: &Dropped) -> Result<(), Error> {
        self.left_out = dropped.question_count();
        if self.counts.questions + self.left_out == 0 {
            return Err(empty(path, dropped));
        }
        // A question whose answer is misplaced is counted under both.
        let mut told = BTreeSet::new();
        let questions = dropped.questions.iter();
        let answers = dropped.answers.iter();
        let answers = answers.filter(|(reason, _)| **reason != Reason::NoPlace);
        for (&reason, tally) in questions.chain(answers) {
            for example in &tally.examples {
                if let Some(kind) = Kind::of(reason)
                    && told.insert((kind, &example.id, &example.place))
                {
                    let problem = Problem::new(kind, &example.id, &example.place);
                    self.problems.push(problem);
                }
            }
        }
        Ok(())
    }
}
