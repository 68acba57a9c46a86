//! A csv file with one row per question, as pandas and `datasets` write it → paragraphs.
//!
//! Answers are in one column, `{'text': ['An oak'], 'answer_start': [4]}` as Python prints it, or
//! in two, `answers.text` and `answers.answer_start`. If these are blank, as pandas writes `None`,
//! the question has no answer: `datasets` writes an empty list for it.

use std::io::Read;

use super::{
    json_value::Start,
    paragraph::{Answer, Family, Paragraph, Place, Question},
    python_literal::{self, Literal},
};
use crate::data::{csv_file::CsvFile, error::Error};

/// Names of columns, the most common first.
const CONTEXT: [&str; 1] = ["context"];
const QUESTION: [&str; 1] = ["question"];
const ANSWERS: [&str; 1] = ["answers"];
const TEXTS: [&str; 6] = [
    "answers.text",
    "answers.ans_text",
    "answers.answer_text",
    "answer_text",
    "ans_text",
    "answer",
];
const STARTS: [&str; 5] = [
    "answers.answer_start",
    "answers.start_idx",
    "answers.start",
    "answer_start",
    "start_idx",
];

const ADVICE: &str = "a csv file of rows has the columns id, context, question and answers \
     ({'text': […], 'answer_start': […]})";

/// Passes on the rows; the second argument of `emit` says whether a row has no id.
///
/// # Errors
/// If the file cannot be read, lacks a column or has a cell that is not an answer, and those of
/// `emit`.
pub(super) fn read<E: From<Error>>(
    mut csv: CsvFile<impl Read>,
    file: &str,
    emit: &mut dyn FnMut(Paragraph, bool) -> Result<(), E>,
) -> Result<bool, E> {
    let needed = |names: &[&'static str]| {
        csv.column(names).ok_or_else(|| Error::NoColumn {
            file: file.to_owned(),
            expected: "context, question and answers",
            column: names[0],
            found: csv.header(),
            advice: ADVICE,
        })
    };
    let (context, question) = (needed(&CONTEXT)?, needed(&QUESTION)?);
    let [id, answers, texts, starts, impossible] = [
        ["id"].as_slice(),
        &ANSWERS,
        &TEXTS,
        &STARTS,
        &["is_impossible"],
    ]
    .map(|names| csv.column(names));
    let flagged = impossible.is_some();
    while let Some((line, row)) = csv.next_row()? {
        let cell = |column: Option<usize>| column.and_then(|column| row.get(column));
        let id = cell(id).unwrap_or_default().trim();
        let wrong = |column: &str, found: &str| Error::Csv {
            file: file.to_owned(),
            problem: format!(
                "line {line}: column {column}: expected {}, found {:?}",
                match column {
                    "is_impossible" => "True or False",
                    _ => "texts and as many whole numbers",
                },
                found.chars().take(60).collect::<String>()
            ),
        };
        let given = match (cell(answers), cell(texts)) {
            (Some(cell), _) => Some(of_one_cell(cell).ok_or_else(|| wrong("answers", cell))?),
            (None, Some(texts)) => {
                let starts = cell(starts).unwrap_or_default();
                let given = of_two_cells(texts, starts);
                Some(given.ok_or_else(|| wrong("answers.text", texts))?)
            }
            (None, None) => None,
        };
        let flag = match cell(impossible) {
            // Unknown here; the answers decide.
            Some(cell) if cell.trim().is_empty() => None,
            Some(cell) => Some(flag(cell).ok_or_else(|| wrong("is_impossible", cell))?),
            None => None,
        };
        let labelled = given.is_some() || flag.is_some();
        let empty = given.as_ref().is_some_and(Vec::is_empty);
        let question = Question {
            id: id.to_owned(),
            text: row.get(question).unwrap_or_default().to_owned(),
            answers: given.unwrap_or_default(),
            labelled,
            is_impossible: flag.unwrap_or(empty),
            flagged,
            ..Question::default()
        };
        let paragraph = Paragraph {
            family: Family::Squad,
            context: row.get(context).unwrap_or_default().to_owned(),
            questions: vec![question],
            place: Place::Line(line),
        };
        emit(paragraph, id.is_empty())?;
    }
    Ok(flagged)
}

/// Parses the answers of one cell, none if it is blank; `None` if it is something else.
fn of_one_cell(cell: &str) -> Option<Vec<Answer>> {
    if cell.trim().is_empty() {
        return Some(Vec::new());
    }
    match python_literal::parse(cell)? {
        Literal::Nothing => Some(Vec::new()),
        Literal::Map(entries) => {
            let list = |names: [&str; 2]| {
                let entry = entries
                    .iter()
                    .find(|(key, _)| names.contains(&key.as_str()));
                entry.map(|(_, value)| items(value))
            };
            let texts = list(["text", "ans_text"])?;
            let starts = list(["answer_start", "start_idx"]).unwrap_or_default();
            paired(&texts, &starts)
        }
        Literal::List(answers) => {
            let answers = answers.iter().map(|answer| match answer {
                Literal::Map(entries) => {
                    let value = |name| entries.iter().find(|(key, _)| key == name);
                    let text = items(&value("text")?.1);
                    let starts = value("answer_start").map_or(Vec::new(), |(_, v)| items(v));
                    paired(&text, &starts)?.pop()
                }
                _ => None,
            });
            answers.collect()
        }
        Literal::Text(_) | Literal::Number(_) => None,
    }
}

/// Parses answers from a cell with texts and one with positions; a text that is not a list is a
/// single answer.
fn of_two_cells(texts: &str, starts: &str) -> Option<Vec<Answer>> {
    let texts = match texts.trim() {
        "" => Vec::new(),
        list if list.starts_with('[') => items(&python_literal::parse(list)?),
        text => vec![Literal::Text(text.to_owned())],
    };
    let starts = match starts.trim() {
        "" => Vec::new(),
        starts => items(&python_literal::parse(starts)?),
    };
    paired(&texts, &starts)
}

fn items(value: &Literal) -> Vec<Literal> {
    match value {
        Literal::List(items) => items.clone(),
        Literal::Nothing => Vec::new(),
        one => vec![one.clone()],
    }
}

fn paired(texts: &[Literal], starts: &[Literal]) -> Option<Vec<Answer>> {
    if !starts.is_empty() && starts.len() != texts.len() {
        return None;
    }
    let texts = texts.iter().enumerate();
    let answers = texts.map(|(place, text)| {
        let text = match text {
            Literal::Text(text) | Literal::Number(text) => text.clone(),
            _ => return None,
        };
        let start = match starts.get(place) {
            None | Some(Literal::Nothing) => None,
            Some(Literal::Number(start) | Literal::Text(start)) => Start::parse(start)?.0,
            Some(_) => return None,
        };
        Some(Answer { text, start })
    });
    answers.collect()
}

fn flag(cell: &str) -> Option<bool> {
    match cell.trim() {
        "True" | "true" | "TRUE" | "1" | "1.0" => Some(true),
        "False" | "false" | "FALSE" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(Question, bool)>, String> {
        let csv = CsvFile::new(text.as_bytes(), "rows.csv", 0).unwrap();
        let mut all = Vec::new();
        let read = read::<Error>(csv, "rows.csv", &mut |mut paragraph, nameless| {
            assert_eq!(paragraph.context, "An old oak.");
            all.push((paragraph.questions.remove(0), nameless));
            Ok(())
        });
        read.map(|_| all).map_err(|error| error.to_string())
    }

    fn answers(question: &Question) -> Vec<(&str, Option<usize>)> {
        let answers = question.answers.iter();
        answers
            .map(|answer| (answer.text.as_str(), answer.start))
            .collect()
    }

    #[test]
    fn answers_stand_in_one_column_or_in_two() {
        for text in [
            "id,title,context,question,answers\na,T,An old oak.,What?,\"{'text': array(['oak'], dtype=object), 'answer_start': array([7], dtype=int32)}\"\n",
            "id,context,question,answers\na,An old oak.,What?,\"[{\"\"text\"\": \"\"oak\"\", \"\"answer_start\"\": 7}]\"\n",
            "context,id,question,answers.text,answers.answer_start\nAn old oak.,a,What?,['oak'],[7]\n",
            "context,id,question,answer_text,answer_start\nAn old oak.,a,What?,oak,7.0\n",
        ] {
            let found = rows(text).unwrap();
            let [(question, false)] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert_eq!((question.id.as_str(), question.is_impossible), ("a", false));
            assert_eq!(answers(question), [("oak", Some(7))]);
        }
    }

    #[test]
    fn rows_without_answers_are_impossible_or_unlabelled() {
        let text =
            "question,context,answers\nWho?,An old oak.,\"{'text': [], 'answer_start': []}\"\n";
        let found = rows(text).unwrap();
        assert!(found[0].0.is_impossible && found[0].0.labelled && found[0].1);
        let found = rows("question,context\nWho?,An old oak.\n").unwrap();
        assert!(!found[0].0.is_impossible && !found[0].0.labelled);
        let text =
            "question,context,is_impossible,answer_text,answer_start\nWho?,An old oak.,1,,\n";
        assert!(rows(text).unwrap()[0].0.is_impossible);
    }

    #[test]
    fn blank_cells_are_no_answers_in_one_column_as_in_two() {
        for text in [
            "question,context,answers\nWho?,An old oak.,\n",
            "question,context,answers\nWho?,An old oak.,None\n",
            "question,context,answer_text,answer_start\nWho?,An old oak.,,\n",
            "question,context,is_impossible,answers\nWho?,An old oak., ,\n",
        ] {
            let question = rows(text).unwrap().remove(0).0;
            assert_eq!(answers(&question), [], "{text}");
            assert!(question.is_impossible && question.labelled, "{text}");
        }
        // The file's own flag takes precedence.
        let text = "question,context,is_impossible,answers\nWho?,An old oak.,False,\n";
        assert!(!rows(text).unwrap()[0].0.is_impossible);
    }

    #[test]
    fn cells_that_cannot_be_read_are_named() {
        for (text, expected) in [
            ("id,question\na,Who?\n", "no context in \"id,question\""),
            (
                "question,context,answers\nWho?,An old oak.,oak\n",
                "line 2: column answers",
            ),
            (
                "question,context,answers\nWho?,An old oak.,\"{'text': ['a'], 'answer_start': [1, 2]}\"\n",
                "line 2: column answers",
            ),
            (
                "question,context,is_impossible\nWho?,An old oak.,perhaps\n",
                "True or False",
            ),
        ] {
            let message = rows(text).unwrap_err();
            assert!(
                message.contains("rows.csv") && message.contains(expected),
                "{message}"
            );
        }
    }
}
