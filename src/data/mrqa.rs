//! MRQA JSON lines: the raw entries, and the examples in them.
//!
//! One passage a line; a line that has the key `header` is skipped. Training takes the first
//! span of the first detected answer; other splits carry no answers into their examples.

use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::error::Error;
use super::example::{Examples, Split};
use super::reader::{self, ReadOptions, json_error, read_text};

const ADVICE: &str = "each line of an MRQA file is one JSON object: {\"context\": …, \"qas\": [{\"qid\": …, \
     \"question\": …, \"detected_answers\": [{\"text\": …, \"char_spans\": [[first, last]]}]}]}; \
     correct the line, fetch the file again if it is cut off, or check the task's name";

/// One line of an MRQA file. The first line of a file may be a header instead.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    pub context: String,
    pub qas: Vec<Question>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub qid: String,
    pub question: String,
    /// All gold answer texts (the scorer's ground truths).
    #[serde(default)]
    pub answers: Vec<String>,
    #[serde(default)]
    pub detected_answers: Vec<DetectedAnswer>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct DetectedAnswer {
    pub text: String,
    /// `[first, last]` code points, inclusive.
    pub char_spans: Vec<[usize; 2]>,
}

/// Reads the examples of an MRQA file.
///
/// # Errors
/// When the file cannot be read or is malformed, or a training question lacks its answer.
pub fn read_mrqa(path: &Path, options: ReadOptions<'_>) -> Result<Examples, Error> {
    parse_mrqa(&read_text(path)?, &path.display().to_string(), options)
}

/// Reads the examples in the text of an MRQA file; `file` is the name that errors give it.
///
/// # Errors
/// As [`read_mrqa`].
pub fn parse_mrqa(text: &str, file: &str, options: ReadOptions<'_>) -> Result<Examples, Error> {
    let paragraphs = parse_mrqa_file(text, file)?
        .into_iter()
        .map(|entry| {
            let questions = entry.qas.into_iter();
            Ok(reader::Paragraph {
                context: entry.context,
                questions: questions
                    .map(|question| taught(question, file, options))
                    .collect::<Result<_, Error>>()?,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(reader::build(paragraphs, file))
}

/// The raw entries of an MRQA file, all answers included, without its header; `file` is the
/// name that errors give it.
///
/// # Errors
/// When a line is not JSON of that shape.
pub fn parse_mrqa_file(text: &str, file: &str) -> Result<Vec<Entry>, Error> {
    let lines: Vec<&str> = text.split('\n').collect();
    let entries: Vec<Result<Option<Entry>, Error>> = lines
        .into_par_iter()
        .enumerate()
        .map(|(number, line)| parse_line(line, number, file))
        .collect();
    // Collected in order, so that the first broken line is the one reported.
    entries.into_iter().filter_map(Result::transpose).collect()
}

/// The entry on a line, `None` of a header or a blank line; `lines_before` and `file` place errors.
///
/// # Errors
/// When the line is not JSON of that shape.
pub(crate) fn parse_line(
    line: &str,
    lines_before: usize,
    file: &str,
) -> Result<Option<Entry>, Error> {
    if line.trim().is_empty() || is_header(line) {
        return Ok(None);
    }
    serde_json::from_str(line)
        .map(Some)
        .map_err(|error| json_error(file, line, lines_before, "qid", &error, ADVICE))
}

/// Whether the line's object has the key `header`. The text is searched before it is parsed,
/// since nearly no line has it.
fn is_header(line: &str) -> bool {
    line.contains("\"header\"")
        && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line)
            .is_ok_and(|object| object.contains_key("header"))
}

/// A question with what its split teaches of it.
fn taught(
    question: Question,
    file: &str,
    options: ReadOptions<'_>,
) -> Result<reader::Question, Error> {
    let answer = if options.split == Split::Train {
        let detected = question.detected_answers.into_iter().next();
        let located = detected.and_then(|answer| {
            let [first, _] = *answer.char_spans.first()?;
            Some((answer.text, first))
        });
        Some(located.ok_or_else(|| Error::Question {
            file: file.to_owned(),
            question: question.qid.clone(),
            expected: "a detected answer with a character span to train on",
            found: "an empty or missing \"detected_answers\" or \"char_spans\"",
            advice: "add it or drop the question: MRQA tasks have no unanswerable ones",
        })?)
    } else {
        None
    };
    Ok(reader::Question {
        qas_id: question.qid,
        question: question.question,
        answer,
        is_impossible: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"header": {"dataset": "NewsQA", "split": "dev"}}"#;
    const ENTRY: &str = r#"{"context": "\ud83c\udf33 An old header oak.", "qas": [{"qid": "m1", "id": "other", "question": "What?", "answers": ["oak"], "detected_answers": [{"text": "oak", "char_spans": [[16, 18], [0, 2]], "token_spans": [[4, 4]]}, {"text": "An", "char_spans": [[2, 3]]}]}]}"#;

    const TRAIN: ReadOptions<'_> = ReadOptions {
        task: "newsqa",
        split: Split::Train,
    };

    #[test]
    fn the_header_is_skipped_and_the_first_span_taken() {
        let text = format!("{HEADER}\n{ENTRY}\r\n\n");
        let all = parse_mrqa(&text, "train.jsonl", TRAIN).unwrap();
        assert_eq!(all.examples.len(), 1);
        let example = &all.examples[0];
        assert_eq!((example.eid, example.qas_id.as_str()), (0, "m1"));
        let answer = example.answer.as_ref().unwrap();
        assert_eq!((answer.start_word, answer.end_word), (4, 4));
        assert!(!example.is_impossible);
        assert_eq!(all, parse_mrqa(ENTRY, "train.jsonl", TRAIN).unwrap());

        let dev = ReadOptions {
            split: Split::Dev,
            ..TRAIN
        };
        assert_eq!(
            parse_mrqa(&text, "dev.jsonl", dev).unwrap().examples[0].answer,
            None
        );
    }

    #[test]
    fn malformed_lines_are_located() {
        let text = format!("{HEADER}\n{ENTRY}\n{}\n{{", ENTRY.replace("\"What?\"", "7"));
        let message = parse_mrqa(&text, "t.jsonl", TRAIN).unwrap_err().to_string();
        for part in [
            "t.jsonl",
            "line 3",
            "question id m1",
            "expected a string",
            "integer `7`",
        ] {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }

    #[test]
    fn training_needs_a_span() {
        for broken in [
            ENTRY.replace("[[16, 18], [0, 2]]", "[]"),
            ENTRY.replace("detected_answers", "others"),
        ] {
            let message = parse_mrqa(&broken, "t.jsonl", TRAIN)
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("m1") && message.contains("detected_answers"),
                "{message}"
            );
        }
    }
}
