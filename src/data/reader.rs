//! Reading a task's file: which format it has, and what all formats share.
//!
//! A reader brings each paragraph to one shape; this module splits it into words, locates the
//! training answers by their code-point offsets, and numbers the examples. As in the reference,
//! a training question whose answer cannot be located is left out and counted.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;

use super::error::Error;
use super::example::{Answer, Example, Examples, Passage, Skipped, Split};
use super::{mrqa, squad};

/// Tasks whose files are SQuAD JSON.
const SQUAD_TASKS: [&str; 2] = ["squad", "squadv1"];
/// Tasks whose files are MRQA JSON lines.
const MRQA_TASKS: [&str; 4] = ["newsqa", "naturalqs", "triviaqa", "searchqa"];

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
/// When the task is unknown, the file cannot be read or is malformed, or a training question
/// lacks its answer.
pub fn read_task(path: &Path, task: &str, split: Split) -> Result<Examples, Error> {
    let options = ReadOptions { task, split };
    if SQUAD_TASKS.contains(&task) {
        squad::read_squad(path, options)
    } else if MRQA_TASKS.contains(&task) {
        mrqa::read_mrqa(path, options)
    } else {
        Err(Error::UnknownTask {
            task: task.to_owned(),
            known: [SQUAD_TASKS.as_slice(), &MRQA_TASKS].concat().join(", "),
        })
    }
}

/// Whether the task's files are MRQA JSON lines (`.jsonl`) rather than SQuAD JSON (`.json`).
pub fn is_mrqa_task(task: &str) -> bool {
    MRQA_TASKS.contains(&task)
}

/// A paragraph, whatever its file's format.
pub(super) struct Paragraph {
    pub context: String,
    pub questions: Vec<Question>,
}

pub(super) struct Question {
    pub qas_id: String,
    pub question: String,
    /// The first answer's text and its offset in code points; `None` when none is taught.
    pub answer: Option<(String, usize)>,
    pub is_impossible: bool,
}

/// Splits passages, locates answers and numbers the examples. `file` names the source in logs.
pub(super) fn build(paragraphs: Vec<Paragraph>, file: &str) -> Examples {
    let built: Vec<_> = paragraphs
        .into_par_iter()
        .map(|paragraph| {
            let passage = Passage::new(paragraph.context);
            let mut begun = None;
            let questions: Vec<_> = paragraph
                .questions
                .into_iter()
                .map(|question| {
                    let answer = question.answer.map(|(text, offset)| {
                        let begun = begun.get_or_insert_with(|| passage.words_begun());
                        locate(&passage, begun, text, offset)
                    });
                    (
                        question.qas_id,
                        question.question,
                        answer.transpose(),
                        question.is_impossible,
                    )
                })
                .collect();
            (passage, questions)
        })
        .collect();

    let mut all = Examples::default();
    for (passage, questions) in built {
        // Converted data sets repeat the context for every question.
        if all.passages.last() != Some(&passage) {
            all.passages.push(passage);
        }
        for (qas_id, question, answer, is_impossible) in questions {
            match answer {
                Ok(answer) => all.examples.push(Example {
                    eid: all.examples.len(),
                    qas_id,
                    passage: all.passages.len() - 1,
                    question,
                    answer,
                    is_impossible,
                }),
                Err(reason) => {
                    log::debug!("{file}: question {qas_id} is left out: {reason}");
                    all.skipped.push(Skipped { qas_id, reason });
                }
            }
        }
    }
    log::info!(
        "{file}: {} examples on {} passages, {} questions left out",
        all.examples.len(),
        all.passages.len(),
        all.skipped.len()
    );
    let repeated = repeated_ids(&all);
    if let Some(first) = repeated.first() {
        log::warn!(
            "{file}: {} questions have the id of an earlier one (the first is {first}); \
             predictions are kept by id, so that the last answer would replace the others",
            repeated.len()
        );
    }
    all
}

/// The words that hold an answer, or why the reference leaves its question out.
///
/// A blank answer is left out too: the reference would teach an empty or arbitrary span there.
pub(crate) fn locate(
    passage: &Passage,
    begun: &[usize],
    text: String,
    offset: usize,
) -> Result<Answer, String> {
    let length = text.chars().count();
    let answer = text
        .split(super::normalizer::is_blank)
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
    // An answer that begins before the first word counts from the passage's last word: Python's
    // index −1, which the reference lets pass and which seldom holds the answer.
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

/// The ids that an earlier example has already.
fn repeated_ids(all: &Examples) -> Vec<&str> {
    let mut seen = HashSet::with_capacity(all.examples.len());
    let ids = all.examples.iter().map(|example| example.qas_id.as_str());
    ids.filter(|&id| !seen.insert(id)).collect()
}

/// A file's text, without a byte-order mark.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let not_text = |found: String, advice| Error::NotText {
        file: path.display().to_string(),
        found,
        advice,
    };
    if bytes.starts_with(&[0x1F, 0x8B]) {
        return Err(not_text(
            "a gzip archive".to_owned(),
            "unpack it with gunzip first",
        ));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            + 1;
        not_text(
            format!("other bytes on line {line} (byte {valid} of the file)"),
            "save the file as UTF-8, or fetch it again if a download broke off",
        )
    })?;
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    Ok(text)
}

/// A JSON error with its place in the file and the question id before it.
///
/// `text` is what was parsed, `lines_before` the number of lines of the file before it, `key`
/// the key that holds question ids.
pub(crate) fn json_error(
    file: &str,
    text: &str,
    lines_before: usize,
    key: &str,
    error: &serde_json::Error,
    advice: &'static str,
) -> Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let near = text_before(text, error.line(), error.column())
        .and_then(|before| last_string(before, key))
        .map(|id| format!(", after question id {id}"))
        .unwrap_or_default();
    Error::Json {
        file: file.to_owned(),
        line: lines_before + error.line().max(1),
        column: error.column(),
        near,
        problem: message.strip_suffix(&place).unwrap_or(&message).to_owned(),
        advice,
    }
}

/// The text up to a line (from 1) and a column in bytes.
fn text_before(text: &str, line: usize, column: usize) -> Option<&str> {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    Some(&text[..text.floor_char_boundary(start + column)])
}

/// The last string value that `key` has in a stretch of JSON.
fn last_string<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let quoted = format!("\"{key}\"");
    json.rmatch_indices(&quoted).find_map(|(at, _)| {
        let value = json[at + quoted.len()..].trim_start().strip_prefix(':')?;
        let value = value.trim_start().strip_prefix('"')?;
        value.split_once('"').map(|(id, _)| id)
    })
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
        // Case and runs of whitespace do not count.
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
    fn the_last_id_before_an_error_is_found() {
        assert_eq!(
            last_string(r#"{"id": "a", "x": 1}, {"id" :"b", "id_"#, "id"),
            Some("b")
        );
        assert_eq!(last_string(r#"{"id": 3}"#, "id"), None);
        assert_eq!(text_before("ab\ncdé", 2, 3), Some("ab\ncd"));
        assert_eq!(text_before("ab", 9, 9), Some("ab"));
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
        assert!(is_mrqa_task("newsqa") && !is_mrqa_task("squad"));
    }

    #[test]
    fn files_that_are_no_text_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        std::fs::write(&path, b"\xEF\xBB\xBF{}").unwrap();
        assert_eq!(read_text(&path).unwrap(), "{}");
        std::fs::write(&path, [0x1F, 0x8B, 8, 0]).unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("gunzip"));
        std::fs::write(&path, b"{\n\xE9}").unwrap();
        let message = read_text(&path).unwrap_err().to_string();
        assert!(
            message.contains("train.json") && message.contains("line 2"),
            "{message}"
        );
    }
}
