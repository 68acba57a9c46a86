//! A JSON error in a data file, with its position, the preceding question, and what the file should
//! look like.

use super::{facts::Facts, paragraph::Family};
use crate::tasks::qa::error::Error;

const SQUAD_ADVICE: &str = "a SQuAD file is one JSON object: {\"data\": [{\"paragraphs\": [{\"context\": …, \
     \"qas\": [{\"id\": …, \"question\": …, \"answers\": [{\"text\": …, \"answer_start\": …}]}]}]}]}, or \
     rows {\"id\": …, \"context\": …, \"question\": …, \"answers\": …}; correct the file, fetch it again \
     if it is cut off, or check the task's name";

const MRQA_ADVICE: &str = "each line of an MRQA file is one JSON object: {\"context\": …, \"qas\": [{\"qid\": …, \
     \"question\": …, \"detected_answers\": [{\"text\": …, \"char_spans\": [[first, last]]}]}]}; \
     correct the line, fetch the file again if it is cut off, or check the task's name";

const QUAC_ADVICE: &str = "a QuAC file is one JSON object: {\"data\": [{\"paragraphs\": [{\"context\": …, \
     \"qas\": [{\"id\": …, \"question\": …, \"answers\": […], \"orig_answer\": {\"text\": …, \
     \"answer_start\": …}}]}]}]}; fetch train_v0.2.json or val_v0.2.json again";

/// Describes what a file of the requested family, or else of the one seen so far, should look like.
pub(super) fn advice(wanted: Option<Family>, facts: &Facts) -> &'static str {
    match wanted.or(facts.family) {
        Some(Family::Mrqa) => MRQA_ADVICE,
        _ if facts.quac => QUAC_ADVICE,
        _ => SQUAD_ADVICE,
    }
}

/// Creates a JSON error with its position in the file and the preceding question id.
///
/// `text` is what was parsed, `lines_before` the number of lines that precede it in the file.
pub(super) fn json_error(
    file: &str,
    text: &str,
    lines_before: usize,
    error: &serde_json::Error,
    advice: &'static str,
) -> Error {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let near = text_before(text, error.line(), error.column())
        .and_then(last_id)
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

/// Returns the text up to a line (from 1) and a column in bytes.
fn text_before(text: &str, line: usize, column: usize) -> Option<&str> {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    Some(&text[..text.floor_char_boundary(start + column)])
}

/// Returns the last question id in a piece of JSON; from the key `qid` if the last question has
/// one.
fn last_id(json: &str) -> Option<&str> {
    let id = last_value(json, "id");
    let qid = last_value(json, "qid");
    match (id, qid) {
        // The keys of one question are close to each other.
        (Some((id_at, _)), Some((qid_at, qid))) if qid_at + 2000 > id_at => Some(qid),
        (Some((_, id)), _) => Some(id),
        (None, qid) => qid.map(|(_, qid)| qid),
    }
}

/// Returns the last text or integer under `key` in a piece of JSON, and its position.
fn last_value<'a>(json: &'a str, key: &str) -> Option<(usize, &'a str)> {
    let quoted = format!("\"{key}\"");
    json.rmatch_indices(&quoted).find_map(|(at, _)| {
        let value = json[at + quoted.len()..].trim_start().strip_prefix(':')?;
        let value = value.trim_start();
        if let Some(text) = value.strip_prefix('"') {
            return text.split_once('"').map(|(id, _)| (at, id));
        }
        let digits = value.find(|c: char| !c.is_ascii_digit() && c != '-');
        let number = &value[..digits.unwrap_or(value.len())];
        (!number.is_empty()).then_some((at, number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_before_an_error_is_found() {
        assert_eq!(
            last_id(r#"{"id": "a", "x": 1}, {"id" :"b", "id_"#),
            Some("b")
        );
        assert_eq!(last_id(r#"{"id": 3}"#), Some("3"));
        assert_eq!(last_id(r#"{"qid": "m", "id": "o"}"#), Some("m"));
        assert_eq!(last_id(r#"{"id": {}"#), None);
        assert_eq!(text_before("ab\ncdé", 2, 3), Some("ab\ncd"));
        assert_eq!(text_before("ab", 9, 9), Some("ab"));
    }
}
