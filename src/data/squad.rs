//! SQuAD 1.1 and 2.0 JSON: the raw file, and the examples in it.
//!
//! Training takes the first answer only, and reads `is_impossible` for the task `squad` only;
//! other splits carry no answers into their examples.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::error::Error;
use super::example::{Examples, Split};
use super::reader::{self, ReadOptions, json_error, read_text};

const ADVICE: &str = "a SQuAD file is one JSON object: {\"data\": [{\"paragraphs\": [{\"context\": …, \
     \"qas\": [{\"id\": …, \"question\": …, \"answers\": [{\"text\": …, \"answer_start\": …}]}]}]}]}; \
     correct the file, fetch it again if it is cut off, or check the task's name";

/// A SQuAD file. Unknown keys are ignored, as the official scorer does.
#[derive(Debug, Clone, Deserialize)]
pub struct SquadFile {
    #[serde(default)]
    pub version: Option<serde_json::Value>,
    pub data: Vec<Article>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Article {
    #[serde(default)]
    pub title: Option<String>,
    pub paragraphs: Vec<Paragraph>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Paragraph {
    pub context: String,
    pub qas: Vec<Question>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub id: String,
    pub question: String,
    #[serde(default)]
    pub answers: Vec<RawAnswer>,
    #[serde(default)]
    pub is_impossible: bool,
    /// QuAC: whether the teacher wants the student to go on asking, `y`, `m` (maybe) or `n`.
    #[serde(default)]
    pub followup: Option<String>,
    /// QuAC: whether the answer says yes, `y`, no, `n`, or neither, `x`.
    #[serde(default)]
    pub yesno: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RawAnswer {
    pub text: String,
    /// Offset in code points; [`NO_START`] where the file gives none or a negative one. Only
    /// training needs it.
    #[serde(default = "no_start", deserialize_with = "start_or_none")]
    pub answer_start: usize,
}

/// The offset of an answer that has no place in its passage.
pub const NO_START: usize = usize::MAX;

fn no_start() -> usize {
    NO_START
}

fn start_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let start = Option::<i64>::deserialize(deserializer)?;
    Ok(start
        .and_then(|start| usize::try_from(start).ok())
        .unwrap_or(NO_START))
}

/// Reads the examples of a SQuAD file.
///
/// # Errors
/// When the file cannot be read or is malformed, or a training question lacks its answer.
pub fn read_squad(path: &Path, options: ReadOptions<'_>) -> Result<Examples, Error> {
    parse_squad(&read_text(path)?, &path.display().to_string(), options)
}

/// Reads the examples in the text of a SQuAD file; `file` is the name that errors give it.
///
/// # Errors
/// As [`read_squad`].
pub fn parse_squad(text: &str, file: &str, options: ReadOptions<'_>) -> Result<Examples, Error> {
    let paragraphs = parse_squad_file(text, file)?
        .data
        .into_iter()
        .flat_map(|article| article.paragraphs)
        .map(|paragraph| {
            let questions = paragraph.qas.into_iter();
            Ok(reader::Paragraph {
                context: paragraph.context,
                questions: questions
                    .map(|question| taught(question, file, options))
                    .collect::<Result<_, Error>>()?,
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(reader::build(paragraphs, file))
}

/// The raw contents of a SQuAD file, all answers included; `file` is the name that errors give
/// it.
///
/// # Errors
/// When the text is not JSON of that shape.
pub fn parse_squad_file(text: &str, file: &str) -> Result<SquadFile, Error> {
    serde_json::from_str(text).map_err(|error| json_error(file, text, 0, "id", &error, ADVICE))
}

/// A question with what its split teaches of it.
fn taught(
    question: Question,
    file: &str,
    options: ReadOptions<'_>,
) -> Result<reader::Question, Error> {
    let training = options.split == Split::Train;
    let is_impossible = training && options.task == "squad" && question.is_impossible;
    let answer = if training && !is_impossible {
        let lacking = |expected, found, advice| Error::Question {
            file: file.to_owned(),
            question: question.id.clone(),
            expected,
            found,
            advice,
        };
        let answer = question.answers.into_iter().next().ok_or_else(|| {
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
        if answer.answer_start == NO_START {
            return Err(lacking(
                "an \"answer_start\" of 0 or more in its first answer",
                "none",
                "training needs the answer's offset in the passage, in code points",
            ));
        }
        Some((answer.text, answer.answer_start))
    } else {
        None
    };
    Ok(reader::Question {
        qas_id: question.id,
        question: question.question,
        answer,
        is_impossible,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::example::Answer;

    const SQUAD: ReadOptions<'_> = ReadOptions {
        task: "squad",
        split: Split::Train,
    };

    fn file(qas: &str) -> String {
        format!(
            r#"{{"version": "v2.0", "data": [{{"title": "Oaks", "paragraphs": [{{"context": "An old oak. \ud83c\udf33 An elm.",
"qas": [{qas}]}}]}}]}}"#
        )
    }

    const ANSWERED: &str = r#"{"id": "q1", "question": "What?", "answers": [{"text": "elm", "answer_start": 17}, {"text": "oak", "answer_start": 7}], "is_impossible": false}"#;
    const IMPOSSIBLE: &str = r#"{"id": "q2", "question": "Who?", "plausible_answers": [{"text": "oak", "answer_start": 7}], "answers": [], "is_impossible": true}"#;
    const LOST: &str = r#"{"id": "q3", "question": "Where?", "answers": [{"text": "elm", "answer_start": 7}], "is_impossible": false}"#;

    #[test]
    fn training_takes_the_first_answer_and_leaves_out_lost_ones() {
        let text = file(&[LOST, ANSWERED, IMPOSSIBLE].join(","));
        let all = parse_squad(&text, "train.json", SQUAD).unwrap();
        assert_eq!(all.passages.len(), 1);
        assert_eq!(
            all.passages[0].words,
            ["An", "old", "oak.", "🌳", "An", "elm."]
        );
        assert_eq!(all.skipped.len(), 1);
        assert_eq!(all.skipped[0].qas_id, "q3");
        let [answered, impossible] = all.examples.as_slice() else {
            panic!("{:?}", all.examples)
        };
        assert_eq!((answered.eid, answered.qas_id.as_str()), (0, "q1"));
        assert_eq!(
            answered.answer,
            Some(Answer {
                text: "elm".to_owned(),
                start_word: 5,
                end_word: 5
            })
        );
        assert_eq!((impossible.eid, impossible.is_impossible), (1, true));
        assert_eq!(impossible.answer, None);
    }

    #[test]
    fn other_splits_carry_no_answers() {
        let text = file(&[LOST, ANSWERED, IMPOSSIBLE].join(","));
        for split in [Split::Dev, Split::Test] {
            let all = parse_squad(
                &text,
                "dev.json",
                ReadOptions {
                    task: "squad",
                    split,
                },
            )
            .unwrap();
            assert_eq!(all.examples.len(), 3);
            assert!(all.skipped.is_empty());
            assert!(
                all.examples
                    .iter()
                    .all(|example| example.answer.is_none() && !example.is_impossible)
            );
        }
    }

    #[test]
    fn only_squad_reads_is_impossible() {
        let v1 = ReadOptions {
            task: "squadv1",
            split: Split::Train,
        };
        let marked = ANSWERED.replace("false", "true");
        let all = parse_squad(&file(&marked), "train.json", v1).unwrap();
        assert!(!all.examples[0].is_impossible && all.examples[0].answer.is_some());
        let all = parse_squad(&file(&marked), "train.json", SQUAD).unwrap();
        assert!(all.examples[0].is_impossible && all.examples[0].answer.is_none());

        let message = parse_squad(&file(IMPOSSIBLE), "train.json", v1)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("train.json")
                && message.contains("q2")
                && message.contains("task squad"),
            "{message}"
        );
    }

    #[test]
    fn equal_contexts_in_a_row_are_one_passage() {
        let paragraph = |id: &str| {
            format!(
                r#"{{"context": "An oak.", "qas": [{{"id": "{id}", "question": "?", "answers": []}}]}}"#
            )
        };
        let text = format!(
            r#"{{"data": [{{"paragraphs": [{}, {}]}}]}}"#,
            paragraph("a"),
            paragraph("b")
        );
        let dev = ReadOptions {
            task: "squad",
            split: Split::Dev,
        };
        let all = parse_squad(&text, "dev.json", dev).unwrap();
        assert_eq!(all.passages.len(), 1);
        assert_eq!(all.examples[1].passage, 0);
        assert_eq!(all.examples[1].qas_id, "b");
    }

    #[test]
    fn malformed_files_are_located() {
        let error = |text: &str| {
            parse_squad(text, "some.json", SQUAD)
                .unwrap_err()
                .to_string()
        };

        let typed = error(&file(
            &[ANSWERED, r#"{"id": "q9", "question": 3}"#].join(","),
        ));
        for part in [
            "some.json",
            "line 2",
            "after question id q9",
            "expected a string",
            "integer `3`",
        ] {
            assert!(typed.contains(part), "{part:?} is not in {typed}");
        }
        let lacking = error(&file(r#"{"id": "q9"}"#));
        assert!(
            lacking.contains("missing field `question`") && lacking.contains("q9"),
            "{lacking}"
        );

        let cut = error(&file(ANSWERED)[..200]);
        assert!(cut.contains("EOF") && cut.contains("q1"), "{cut}");
        assert!(error("").contains("line 1"));
        assert!(error("[]").contains("SQuAD file is one JSON object"));
        assert!(error("{}").contains("missing field `data`"));
        // JSON lines under a SQuAD task.
        assert!(error("{\"data\": []}\n{\"data\": []}").contains("check the task's name"));
    }

    #[test]
    fn a_place_is_needed_for_training_only() {
        for start in ["", r#", "answer_start": -1"#, r#", "answer_start": null"#] {
            let text = file(&format!(
                r#"{{"id": "q1", "question": "?", "answers": [{{"text": "oak"{start}}}]}}"#
            ));
            let message = parse_squad(&text, "t.json", SQUAD).unwrap_err().to_string();
            assert!(
                message.contains("q1") && message.contains("answer_start"),
                "{message}"
            );
            let dev = ReadOptions {
                task: "squad",
                split: Split::Dev,
            };
            assert_eq!(parse_squad(&text, "t.json", dev).unwrap().examples.len(), 1);
        }
        let huge = file(
            r#"{"id": "q1", "question": "?", "answers": [{"text": "oak", "answer_start": 9000000000000000000}]}"#,
        );
        assert_eq!(
            parse_squad(&huge, "t.json", SQUAD).unwrap().skipped.len(),
            1
        );
        let none = file(r#"{"id": "q1", "question": "?", "answers": []}"#);
        let message = parse_squad(&none, "t.json", SQUAD).unwrap_err().to_string();
        assert!(
            message.contains("q1") && message.contains("answers"),
            "{message}"
        );
    }
}
