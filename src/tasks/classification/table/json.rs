//! JSON Lines or a JSON list → rows. The first character tells which, since `datasets` and pandas
//! write JSON Lines to files of either name.

use std::{fmt, path::Path};

use serde::{
    Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::row::{Choose, Row};
use crate::{
    data::{json_text::mend, line_reader::LineReader},
    tasks::classification::error::{Error, Place},
};

type Object = Map<String, Value>;

const ADVICE: &str = "a row is an object like {\"text\": \"…\", \"label\": \"…\"}, one on each line or all in one list";

/// # Errors
/// If the file cannot be read or is not JSON of these forms, and those of `choose` and `take`.
pub(super) fn read(
    path: &Path,
    choose: &mut Choose<'_>,
    take: &mut dyn FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut lines = LineReader::open(path)?;
    let file = lines.file().to_owned();
    let mut keys: Option<Vec<String>> = None;
    let mut hand_on = |place: Place, mut object: Object| {
        let keys = match &mut keys {
            Some(keys) => keys,
            None => {
                let names: Vec<String> = object.keys().cloned().collect();
                let chosen = choose(&names)?;
                let chosen = chosen
                    .into_iter()
                    .filter_map(|column| names.get(column).cloned());
                keys.insert(chosen.collect())
            }
        };
        let cells = keys
            .iter()
            .map(|key| object.remove(key).unwrap_or_default());
        take(Row {
            place,
            cells: cells.collect(),
        })
    };
    if lines.skip_blanks()? == Some(b'[') {
        let lines_before = lines.lines_before();
        let mut text = lines.rest()?;
        mend(&mut text);
        return read_list(&text, &file, lines_before, &mut hand_on);
    }
    while let Some((line, text)) = lines.next_line()? {
        if text.trim().is_empty() {
            continue;
        }
        let mut text = text.to_owned();
        mend(&mut text);
        let object: Object =
            serde_json::from_str(&text).map_err(|error| broken(&file, line - 1, &error))?;
        hand_on(Place::Line(line), object)?;
    }
    Ok(())
}

fn read_list(
    text: &str,
    file: &str,
    lines_before: usize,
    hand_on: &mut dyn FnMut(Place, Object) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut list = List {
        rows: 0,
        hand_on,
        failed: None,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer
        .deserialize_seq(&mut list)
        .and_then(|()| deserializer.end());
    match (list.failed, read) {
        (Some(failed), _) => Err(failed),
        (None, Err(error)) => Err(broken(file, lines_before, &error)),
        (None, Ok(())) => Ok(()),
    }
}

/// A list that is passed on object by object.
struct List<'a> {
    rows: usize,
    hand_on: &'a mut dyn FnMut(Place, Object) -> Result<(), Error>,
    failed: Option<Error>,
}

impl<'de> Visitor<'de> for &mut List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(object) = items.next_element()? {
            self.rows += 1;
            if let Err(error) = (self.hand_on)(Place::Row(self.rows), object) {
                self.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

fn broken(file: &str, lines_before: usize, error: &serde_json::Error) -> Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&place).unwrap_or(&message);
    Error::Row {
        file: file.to_owned(),
        place: Place::Line(lines_before + error.line().max(1)),
        expected: "a row as a JSON object".to_owned(),
        found: format!("at column {}: {message}", error.column()),
        advice: ADVICE.into(),
    }
}
