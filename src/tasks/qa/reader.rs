//! A task's file → its examples.
//!
//! Splits each passage into words, locates the training answers by their code-point offsets, and
//! numbers the examples. As in the reference, a training question whose answer cannot be located is
//! left out and counted; training only uses the first answer, and reads `is_impossible` only for
//! the task `squad`; other splits have no answers in their examples.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;

use super::{
    error::Error,
    example::{Answer, Example, Examples, Passage, Skipped},
    raw::{
        paragraph::{Family, Question},
        question_set::QuestionSet,
    },
    scorers::metric::Metric,
};
use crate::{
    counted::{counted, counted_with},
    data::split::Split,
    tasks::registry::{self, Kind, Questions},
};

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions<'a> {
    /// The task's name. Only `squad` has unanswerable questions.
    pub task: &'a str,
    pub split: Split,
}

/// Reads the examples of `task` from `path`.
///
/// # Errors
/// If the task is unknown, the file cannot be read or is malformed, or a training question lacks
/// its answer.
///
/// # Examples
///
/// ```
/// use electra::{data::split::Split, tasks::qa::reader::read_task};
///
/// let squad = r#"{"version": "v2.0", "data": [{"title": "Ada", "paragraphs": [{
///     "context": "Ada wrote it in 1843.",
///     "qas": [{
///         "id": "1",
///         "question": "Who wrote it?",
///         "is_impossible": false,
///         "answers": [{"text": "Ada", "answer_start": 0}]
///     }]
/// }]}]}"#;
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("train.json");
/// std::fs::write(&file, squad)?;
/// let read = read_task(&file, "squad", Split::Train)?;
/// assert_eq!(read.passages[0].words, ["Ada", "wrote", "it", "in", "1843."]);
/// assert_eq!(read.examples[0].answer.as_ref().unwrap().text, "Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_task(path: &Path, task: &str, split: Split) -> Result<Examples, Error> {
    let questions = QuestionSet::read(path, Some(family_of(task)?))?;
    questions.examples(ReadOptions { task, split })
}

/// Returns the family of a task's files.
///
/// # Errors
/// If the task is unknown or is not question answering.
pub fn family_of(task: &str) -> Result<Family, Error> {
    match registry::expect(task)?.kind {
        Kind::Questions(Questions::Squad2 | Questions::Squad1) => Ok(Family::Squad),
        Kind::Questions(Questions::Mrqa) => Ok(Family::Mrqa),
        Kind::Classification | Kind::Regression | Kind::Tagging => Err(Error::NoQuestionTask {
            task: task.to_owned(),
        }),
    }
}

impl QuestionSet {
    /// Returns the examples of the file for a task.
    ///
    /// # Errors
    /// If a training question lacks its answer, or if the file is QuAC's own, unless only its
    /// questions are needed, as for a test file.
    pub fn examples(&self, options: ReadOptions<'_>) -> Result<Examples, Error> {
        if options.split != Split::Test {
            self.check_answers()?;
        }
        let built: Vec<Result<_, Error>> = self
            .paragraphs
            .par_iter()
            .map(|paragraph| {
                let passage = Passage::new(paragraph.context.as_str());
                let mut begun = None;
                let questions = paragraph
                    .questions
                    .iter()
                    .map(|question| {
                        let taught = taught(question, &self.file, options, paragraph.family)?;
                        let answer = taught.map(|(text, offset)| {
                            let begun = begun.get_or_insert_with(|| passage.words_begun());
                            locate(&passage, begun, text.to_owned(), offset)
                        });
                        Ok((question, answer.transpose()))
                    })
                    .collect::<Result<Vec<_>, Error>>()?;
                Ok((passage, questions))
            })
            .collect();

        let mut all = Examples::default();
        // In order, so that the first question in error is the one reported.
        for part in built {
            let (passage, questions) = part?;
            // Converted data sets repeat the context for every question.
            if all.passages.last() != Some(&passage) {
                all.passages.push(passage);
            }
            for (question, answer) in questions {
                let qas_id = question.id.clone();
                match answer {
                    Ok(answer) => all.examples.push(Example {
                        eid: all.examples.len(),
                        qas_id,
                        passage: all.passages.len() - 1,
                        question: question.text.clone(),
                        answer,
                        is_impossible: is_impossible(question, options),
                    }),
                    Err(reason) => {
                        log::debug!("{}: question {qas_id} is left out: {reason}", self.file);
                        all.skipped.push(Skipped { qas_id, reason });
                    }
                }
            }
        }
        log::info!(
            "{}: {} on {}, {} left out",
            self.file,
            counted(all.examples.len(), "example"),
            counted(all.passages.len(), "passage"),
            counted(all.skipped.len(), "question")
        );
        let repeated = repeated_ids(&all);
        if let Some(first) = repeated.first() {
            log::warn!(
                "{}: {} the id of an earlier one (the first is {first}); predictions are kept by id, \
                 so that the last answer would replace the others",
                self.file,
                counted_with(repeated.len(), "question", ["has", "have"])
            );
        }
        Ok(all)
    }
}

fn is_impossible(question: &Question, options: ReadOptions<'_>) -> bool {
    options.split == Split::Train
        && Metric::of_task(options.task) == Metric::Squad2
        && question.is_impossible
}

/// Returns the text and position of the answer on which a question is trained, if any.
pub(super) fn taught<'a>(
    question: &'a Question,
    file: &str,
    options: ReadOptions<'_>,
    family: Family,
) -> Result<Option<(&'a str, usize)>, Error> {
    if options.split != Split::Train || is_impossible(question, options) {
        return Ok(None);
    }
    let lacking = |expected, found, advice| Error::Question {
        file: file.to_owned(),
        question: question.id.clone(),
        expected,
        found,
        advice,
    };
    if family == Family::Mrqa {
        let detected = question.detected.first();
        let located = detected.and_then(|answer| {
            let [first, _] = *answer.char_spans.first()?;
            Some((answer.text.as_str(), first))
        });
        return match located {
            Some(answer) => Ok(Some(answer)),
            None => Err(lacking(
                "a detected answer with a character span to train on",
                "an empty or missing \"detected_answers\" or \"char_spans\"",
                "add it or drop the question: MRQA tasks have no unanswerable ones",
            )),
        };
    }
    let answer = question.answers.first().ok_or_else(|| {
        if question.is_impossible {
            lacking(
                "an answer",
                "an unanswerable question",
                "only the task squad trains on those: use it instead of squadv1",
            )
        } else {
            lacking(
                "an answer to train on",
                "an empty or missing \"answers\"",
                "add the answer, or mark the question \"is_impossible\": true for the task squad",
            )
        }
    })?;
    match answer.start {
        Some(start) => Ok(Some((&answer.text, start))),
        None => Err(lacking(
            "an \"answer_start\" of 0 or more in its first answer",
            "none",
            "training needs the answer's offset in the passage, in code points",
        )),
    }
}

/// Returns the words that contain an answer, or why the reference leaves its question out.
///
/// A blank answer is left out too: the reference would train on an empty or arbitrary span.
pub(crate) fn locate(
    passage: &Passage,
    begun: &[usize],
    text: String,
    offset: usize,
) -> Result<Answer, String> {
    let length = text.chars().count();
    let answer = text
        .split(crate::text::normalizer::is_blank)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    if answer.is_empty() {
        return Err("the answer is blank".to_owned());
    }
    let end = offset.checked_add(length - 1);
    let (Some(&first), Some(&last)) = (begun.get(offset), end.and_then(|end| begun.get(end)))
    else {
        return Err(format!(
            "the answer {text:?} at code point {offset} runs past the passage, which has {}",
            begun.len()
        ));
    };
    // An answer that begins before the first word counts from the passage's last word: the
    // reference accepts Python's index −1 there, although that word seldom contains the answer.
    let start_word = first
        .checked_sub(1)
        .unwrap_or(passage.words.len().saturating_sub(1));
    let words = passage.words.get(start_word..last).unwrap_or_default();
    let found = words.join(" ").to_lowercase();
    if !found.contains(&answer) {
        return Err(format!(
            "the answer {answer:?} is not in the words {found:?} at code point {offset}"
        ));
    }
    Ok(Answer {
        text,
        start_word,
        end_word: last - 1,
    })
}

/// Returns the ids that an earlier example already has.
fn repeated_ids(all: &Examples) -> Vec<&str> {
    let mut seen = HashSet::with_capacity(all.examples.len());
    let ids = all.examples.iter().map(|example| example.qas_id.as_str());
    ids.filter(|&id| !seen.insert(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(text: &str, answer: &str, offset: usize) -> Result<(usize, usize), String> {
        let passage = Passage::new(text);
        locate(&passage, &passage.words_begun(), answer.to_owned(), offset)
            .map(|answer| (answer.start_word, answer.end_word))
    }

    #[test]
    fn answers_are_located_by_code_points() {
        let text = "𝒜 😀 café in Paris, France.";
        assert_eq!(located(text, "café", 4), Ok((2, 2)));
        assert_eq!(located(text, "Paris, France", 12), Ok((4, 5)));
        // Inside a word: its words are taken whole.
        assert_eq!(located(text, "ranc", 20), Ok((5, 5)));
        // Case and runs of whitespace do not matter.
        assert_eq!(located("in  old  Paris", "Old\tPARIS", 4), Ok((1, 2)));
    }

    #[test]
    fn what_cannot_be_located_is_left_out() {
        let past = located("an oak", "oak tree", 3).unwrap_err();
        assert!(past.contains("runs past"), "{past}");
        assert!(
            located("an oak", "oak", 7)
                .unwrap_err()
                .contains("runs past")
        );
        assert!(
            located("an oak", "oak", usize::MAX)
                .unwrap_err()
                .contains("runs past")
        );
        assert!(located("", "oak", 0).unwrap_err().contains("runs past"));
        let wrong = located("an old oak", "oak", 3).unwrap_err();
        assert!(
            wrong.contains("\"oak\"") && wrong.contains("\"old\""),
            "{wrong}"
        );
        assert!(located("an oak", "", 3).unwrap_err().contains("blank"));
        assert!(
            located("an  oak", " \u{A0}", 2)
                .unwrap_err()
                .contains("blank")
        );
        // A no-break space is whitespace in the answer but not between words.
        assert!(located("5\u{A0}km long", "5\u{A0}km", 0).is_err());
        assert_eq!(located("5\u{202F}km long", "5\u{202F}km", 0), Ok((0, 1)));
    }

    #[test]
    fn an_answer_before_the_first_word_is_sought_in_the_last_one() {
        assert_eq!(located(" oak", " oak", 0), Ok((0, 0)));
        assert_eq!(located(" oak\toak", " oak\toak", 0).ok(), None);
        for (text, answer) in [(" old oak", " old oak"), (" old oak", " old")] {
            let reason = located(text, answer, 0).unwrap_err();
            assert!(reason.contains("not in"), "{reason}");
        }
    }

    #[test]
    fn repeated_ids_are_found() {
        let mut all = Examples::of_one("Who?", "An oak.");
        assert!(repeated_ids(&all).is_empty());
        all.examples.push(all.examples[0].clone());
        assert_eq!(repeated_ids(&all), ["question"]);
    }

    #[test]
    fn tasks_are_known_by_name() {
        let message = read_task(Path::new("x.json"), "squid", Split::Dev)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("\"squid\"") && message.contains("searchqa"),
            "{message}"
        );
        let extension = |task: &str| registry::find(task).unwrap().kind.extension();
        assert_eq!((extension("newsqa"), extension("squad")), ("jsonl", "json"));
    }
}
