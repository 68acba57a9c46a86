//! NewsQA: the tokenised csv of its `split_data` → SQuAD 2.0 questions.
//!
//! A row has a story's name and text, a question, and the token ranges that answer it, of which the
//! first is used. Answers are cut out of the text there, including its whitespace. Ids combine the
//! story's name and a checksum of the question, so that every conversion yields the same ones.

use std::{collections::HashMap, io::Read, path::Path};

use super::{
    Error,
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    squad_writer::{Answer, Paragraph, Question},
};
use crate::{
    data::{self, csv_file::CsvFile, source::Source},
    tasks::qa::raw::question_reader::QuestionReader,
};

/// The columns that are read; others are ignored.
const COLUMNS: [&str; 4] = ["story_id", "story_text", "question", "answer_token_ranges"];

/// The range of a question that its story does not answer, as written by Maluuba's
/// `tokenize_dataset.py`.
const NO_ANSWER: &str = "-1:-1";

/// Passes on the questions of a csv file, each as a paragraph of its own.
///
/// # Errors
/// If the file cannot be read, lacks a column or is malformed, and those of `emit`.
pub fn read(
    path: &Path,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let source = Source::open(path)?;
    let file = source.file().to_owned();
    parse(source, &file, dropped, emit)
}

/// Same as [`read`], for an open file.
///
/// # Errors
/// As for [`read`].
pub fn read_from(
    reader: QuestionReader,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = reader.file().to_owned();
    rows(reader.csv()?, &file, dropped, emit)
}

/// Same as [`read`], for the bytes of a file; errors name `file`.
///
/// # Errors
/// As for [`read`].
pub fn parse(
    bytes: impl Read,
    file: &str,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    rows(CsvFile::new(bytes, file, 0)?, file, dropped, emit)
}

fn rows(
    mut csv: CsvFile<impl Read>,
    file: &str,
    dropped: &mut Dropped,
    emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut columns = [0; 4];
    for (place, column) in columns.iter_mut().zip(COLUMNS) {
        *place = csv.column(&[column]).ok_or_else(|| data::Error::NoColumn {
            file: file.to_owned(),
            expected: "story_id, story_text, question and answer_token_ranges",
            column,
            found: csv.header(),
            advice: "give a csv file of NewsQA's split_data",
        })?;
    }
    let mut ids = Ids::default();
    while let Some((line, row)) = csv.next_row()? {
        let [story, context, question, ranges] =
            columns.map(|column| row.get(column).unwrap_or_default());
        let place = format!("line {line}");
        let id = ids.next(story, question);
        // A trailing comma is not followed by another range.
        if ranges
            .split(',')
            .skip(1)
            .any(|range| !place::is_empty(range))
        {
            dropped.answer(Reason::FurtherPlace, &id, &place);
        }
        match answer(context, question, ranges) {
            Ok(answer) => emit(Paragraph {
                context,
                place: &place,
                qas: vec![Question {
                    is_impossible: answer.is_none(),
                    answers: answer.into_iter().collect(),
                    followup: None,
                    id,
                    question: question.to_owned(),
                    yesno: None,
                }],
            })?,
            Err(reason) => dropped.question(reason, &id, &place),
        }
    }
    Ok(())
}

/// Returns the answer of a row, `None` if the story does not answer it, or why the row is left out.
fn answer(context: &str, question: &str, ranges: &str) -> Result<Option<Answer>, Reason> {
    if place::is_empty(context) {
        return Err(Reason::EmptyPassage);
    }
    if place::is_empty(question) {
        return Err(Reason::EmptyQuestion);
    }
    if place::is_empty(ranges) {
        return Err(Reason::NoPlace);
    }
    let first = ranges.split(',').next().unwrap_or_default();
    if first.trim() == NO_ANSWER {
        return Ok(None);
    }
    let range = first
        .split_once(':')
        .and_then(|(start, end)| Some((start.trim().parse().ok()?, end.trim().parse().ok()?)));
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
    Ok(Some(Answer {
        answer_start: CodePoints::new(context).before(first),
        text: text.to_owned(),
    }))
}

/// Gives each row its id.
#[derive(Default)]
struct Ids {
    /// How often an id was given.
    given: HashMap<String, usize>,
}

impl Ids {
    /// Combines the story's name and the checksum of the question; if a story repeats a question,
    /// its number among the repetitions follows, from 2.
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
        let csv =
            "\u{FEFF}story_text,x,answer_token_ranges,story_id,question\r\nAn oak,,1:2,s,?\r\n";
        let mut answers = Vec::new();
        let mut emit = |paragraph: Paragraph<'_>| {
            let question = &paragraph.qas[0];
            answers.push((paragraph.place.to_owned(), question.answers[0].text.clone()));
            Ok(())
        };
        let mut dropped = Dropped::new(1);
        let reader = QuestionReader::of_bytes(csv.into(), "s.csv").unwrap();
        read_from(reader, &mut dropped, &mut emit).unwrap();
        assert_eq!(answers, [("line 2".to_owned(), "oak".to_owned())]);
    }

    #[test]
    fn a_comma_at_the_end_announces_no_further_answer() {
        let csv = "story_id,question,answer_token_ranges,story_text\n\
                   s,a?,\"0:1,\",An oak\ns,b?,\"0:1, \",An oak\ns,c?,\"0:1,1:2\",An oak\n";
        let mut dropped = Dropped::new(3);
        let reader = QuestionReader::of_bytes(csv.into(), "s.csv").unwrap();
        read_from(reader, &mut dropped, &mut |_| Ok(())).unwrap();
        let told = serde_json::to_value(&dropped).unwrap();
        assert_eq!(told["answers"]["further_place"]["count"], 1, "{told}");
    }

    #[test]
    fn answers_are_cut_out_at_their_tokens() {
        let found = |context, ranges| {
            let answer = answer(context, "?", ranges)?;
            Ok(answer.map(|answer| (answer.answer_start, answer.text)))
        };
        let at = |start: usize, text: &str| Ok(Some((start, text.to_owned())));
        assert_eq!(found("a b", "-1:-1"), Ok(None));
        assert_eq!(found("a b", " -1:-1 ,0:1"), Ok(None));
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
