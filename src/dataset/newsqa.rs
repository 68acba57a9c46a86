//! NewsQA: the tokenised csv of its `split_data` → SQuAD 2.0 questions.
//!
//! A row names a story, its text, a question and the ranges of tokens that answer it, of which
//! the first is taken. Answers are cut out of the text at that place, with the white space that
//! stands there. Ids come from the story's name and a checksum of the question, so that every
//! conversion gives the same ones.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    squad_writer::{Answer, Paragraph, Question},
};
use crate::data;

/// The columns that are read; others are passed over.
const COLUMNS: [&str; 4] = ["story_id", "story_text", "question", "answer_token_ranges"];

/// Hands on the questions of a csv file, each as a paragraph of its own.
///
/// # Errors
/// When the file cannot be read, lacks a column or is malformed, and those of `emit`.
pub fn read(
    path: &Path,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(|source| data::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(file, &path.display().to_string(), dropped, emit)
}

/// As [`read`], of the bytes of a file; `file` is the name that errors give it.
///
/// # Errors
/// As [`read`].
pub fn parse(
    bytes: impl Read,
    file: &str,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |error: csv::Error| csv_error(file, error);
    let mut rows = csv::Reader::from_reader(bytes);
    let columns = columns(rows.headers().map_err(failed)?, file)?;
    let mut ids = Ids::default();
    let mut row = csv::StringRecord::new();
    while rows.read_record(&mut row).map_err(failed)? {
        let line = row.position().map_or(0, csv::Position::line);
        let [story, context, question, ranges] =
            columns.map(|column| row.get(column).unwrap_or_default());
        let place = format!("line {line}");
        let id = ids.next(story, question);
        if ranges.contains(',') {
            dropped.answer(Reason::FurtherPlace, &id, &place);
        }
        match answer(context, question, ranges) {
            Ok(answer) => emit(Paragraph {
                context,
                place: &place,
                qas: vec![Question {
                    answers: vec![answer],
                    followup: None,
                    id,
                    is_impossible: false,
                    question: question.to_owned(),
                    yesno: None,
                }],
            })?,
            Err(reason) => dropped.question(reason, &id, &place),
        }
    }
    Ok(())
}

/// Where each of [`COLUMNS`] stands.
fn columns(header: &csv::StringRecord, file: &str) -> Result<[usize; 4], Error> {
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name == column);
        *place = found.ok_or_else(|| Error::NoColumn {
            file: file.to_owned(),
            column,
            found: header
                .iter()
                .take(8)
                .collect::<Vec<_>>()
                .join(",")
                .chars()
                .take(80)
                .collect(),
        })?;
    }
    Ok(places)
}

fn csv_error(file: &str, error: csv::Error) -> Error {
    let line = |position: &Option<csv::Position>| {
        let line = position.as_ref().map(csv::Position::line);
        line.map_or_else(String::new, |line| format!("line {line}: "))
    };
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => format!("{}expected {expected_len} columns, found {len}", line(pos)),
        csv::ErrorKind::Utf8 { pos, err } => format!(
            "{}expected UTF-8 text, found other bytes in column {}",
            line(pos),
            err.field() + 1
        ),
        _ => error.to_string(),
    };
    Error::Csv {
        file: file.to_owned(),
        problem,
    }
}

/// The answer of a row, or why the row is left out.
fn answer(context: &str, question: &str, ranges: &str) -> Result<Answer, Reason> {
    if place::is_empty(context) {
        return Err(Reason::EmptyPassage);
    }
    if place::is_empty(question) {
        return Err(Reason::EmptyQuestion);
    }
    if place::is_empty(ranges) {
        return Err(Reason::NoPlace);
    }
    let range = ranges.split(',').next().and_then(|first| {
        let (start, end) = first.split_once(':')?;
        Some((start.trim().parse().ok()?, end.trim().parse().ok()?))
    });
    let (start, end): (usize, usize) = range.ok_or(Reason::BadRange)?;
    if start >= end {
        return Err(Reason::BadRange);
    }
    let tokens = place::tokens(context);
    let tokens = tokens.get(start..end).ok_or(Reason::OutsidePassage)?;
    let (Some(&(first, _)), Some(&(_, last))) = (tokens.first(), tokens.last()) else {
        return Err(Reason::BadRange);
    };
    let text = context.get(first..last).ok_or(Reason::OutsidePassage)?;
    Ok(Answer {
        answer_start: CodePoints::new(context).before(first),
        text: text.to_owned(),
    })
}

/// Gives each row its id.
#[derive(Default)]
struct Ids {
    /// How often an id was given.
    given: HashMap<String, usize>,
}

impl Ids {
    /// The story's name and the checksum of the question; a question that a story has again gets
    /// its number among them, from 2.
    fn next(&mut self, story: &str, question: &str) -> String {
        let name = story.rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".story").unwrap_or(name);
        let id = format!("{name}_{:08x}", crc32c::crc32c(question.as_bytes()));
        let times = self.given.entry(id.clone()).or_default();
        *times += 1;
        match *times {
            1 => id,
            times => format!("{id}-{times}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_stories_and_questions_apart_and_stay_the_same() {
        let mut ids = Ids::default();
        // CRC-32C of "123456789" is the check value of its catalogue entry.
        let name = "./cnn/stories/00ab.story";
        assert_eq!(ids.next(name, "123456789"), "00ab_e3069283");
        assert_eq!(ids.next(name, "123456789"), "00ab_e3069283-2");
        assert_eq!(ids.next("00cd", "123456789"), "00cd_e3069283");
        assert_eq!(ids.next("", ""), "_00000000");
    }

    #[test]
    fn columns_are_found_in_any_order_and_behind_a_byte_order_mark() {
        let csv = "\u{FEFF}story_text,x,answer_token_ranges,story_id,question\nAn oak,,1:2,s,?\n";
        let mut answers = Vec::new();
        let mut emit = |paragraph: Paragraph<'_>| {
            let question = &paragraph.qas[0];
            answers.push((paragraph.place.to_owned(), question.answers[0].text.clone()));
            Ok(())
        };
        let mut dropped = Dropped::new(1);
        parse(csv.as_bytes(), "s.csv", &mut dropped, &mut emit).unwrap();
        assert_eq!(answers, [("line 2".to_owned(), "oak".to_owned())]);
    }

    #[test]
    fn answers_are_cut_out_at_their_tokens() {
        let found = |context, ranges| {
            let answer = answer(context, "?", ranges)?;
            Ok((answer.answer_start, answer.text))
        };
        let at = |start: usize, text: &str| Ok((start, text.to_owned()));
        assert_eq!(found("é  old\noak é", "1:3,0:1"), at(3, "old\noak"));
        assert_eq!(found("é old oak é", "3:4"), at(10, "é"));
        assert_eq!(found("a b", "1:3"), Err(Reason::OutsidePassage));
        assert_eq!(found("a b", "7:9"), Err(Reason::OutsidePassage));
        for range in ["1:1", "1:0", "1", "a:b", "-1:1", "1.0:2", ":", ","] {
            assert_eq!(found("a b", range), Err(Reason::BadRange), "{range}");
        }
        assert_eq!(found("a b", " "), Err(Reason::NoPlace));
        assert_eq!(found(" ", "0:1"), Err(Reason::EmptyPassage));
    }
}
