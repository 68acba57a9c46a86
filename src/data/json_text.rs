//! JSON as Python's `json` module takes it, made ready for a parser that is stricter, and errors
//! with their place.
//!
//! Python keeps half a surrogate pair (`\ud83d` alone, as a cut tweet leaves it) as one code point
//! and reads the words `NaN` and `Infinity`. Both are replaced in place by as many bytes, so that
//! lines and columns stay.

use super::error::Error;

/// Replaces lone surrogates by U+FFFD, which is one code point, too, and which the tokenizer drops
/// as it drops a surrogate; returns how many there were. `NaN` and the infinities become a list
/// with a number, which stands where nobody reads it and is refused everywhere else.
pub(crate) fn mend(json: &mut String) -> usize {
    let words = json.contains("NaN") || json.contains("Infinity");
    let surrogates = json.contains("\\ud") || json.contains("\\uD");
    if !words && !surrogates {
        return 0;
    }
    let mut bytes = std::mem::take(json).into_bytes();
    if words {
        replace_words(&mut bytes);
    }
    let replaced = replace_surrogates(&mut bytes);
    // ASCII took the place of ASCII: nothing is lost.
    *json = String::from_utf8(bytes).unwrap_or_default();
    replaced
}

fn replace_words(json: &mut [u8]) {
    let mut at = 0;
    let mut quoted = false;
    while at < json.len() {
        match json[at] {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b'N' | b'I' | b'-' if !quoted => {
                let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
                let word = words.iter().find(|word| json[at..].starts_with(word));
                if let Some(length) = word.map(|word| word.len()) {
                    let place = &mut json[at..at + length];
                    place.fill(b' ');
                    place[..2].copy_from_slice(b"[0");
                    place[length - 1] = b']';
                    at += length - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn replace_surrogates(json: &mut [u8]) -> usize {
    let mut replaced = 0;
    let mut at = 0;
    while let Some(next) = json[at..].iter().position(|&byte| byte == b'\\') {
        at += next;
        match unit(json, at) {
            Some(0xD800..=0xDBFF) if matches!(unit(json, at + 6), Some(0xDC00..=0xDFFF)) => {
                at += 12;
            }
            Some(0xD800..=0xDFFF) => {
                json[at + 2..at + 6].copy_from_slice(b"fffd");
                replaced += 1;
                at += 6;
            }
            Some(_) => at += 6,
            // The escaped character may be a backslash.
            None => at = json.len().min(at + 2),
        }
    }
    replaced
}

/// The UTF-16 unit of an escape `\uXXXX` at a place.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = json.get(at..at + 6)? else {
        return None;
    };
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// A JSON error with its place in the file and the question id before it.
///
/// `text` is what was parsed, `lines_before` the number of lines of the file before it.
pub(crate) fn json_error(
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

/// The text up to a line (from 1) and a column in bytes.
fn text_before(text: &str, line: usize, column: usize) -> Option<&str> {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    Some(&text[..text.floor_char_boundary(start + column)])
}

/// The last question id in a stretch of JSON: of the key `qid` if the last question has one.
fn last_id(json: &str) -> Option<&str> {
    let id = last_value(json, "id");
    let qid = last_value(json, "qid");
    match (id, qid) {
        // The keys of one question stand close to each other.
        (Some((id_at, _)), Some((qid_at, qid))) if qid_at + 2000 > id_at => Some(qid),
        (Some((_, id)), _) => Some(id),
        (None, qid) => qid.map(|(_, qid)| qid),
    }
}

/// The last text or whole number that `key` has in a stretch of JSON, and where.
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

    fn mended(json: &str) -> (String, usize) {
        let mut text = json.to_owned();
        let replaced = mend(&mut text);
        (text, replaced)
    }

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (json, expected, count) in [
            (r#""\ud83d x""#, r#""\ufffd x""#, 1),
            (r#""\uDE00\uD83D""#, r#""\ufffd\ufffd""#, 2),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#, 0),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#, 1),
            // An escaped backslash before four letters.
            (r#""\\ud83d""#, r#""\\ud83d""#, 0),
            (r#""\\\ud83d""#, r#""\\\ufffd""#, 1),
            (r#""\ud8"#, r#""\ud8"#, 0),
            ("\"\\ud83d\\", "\"\\ufffd\\", 1),
        ] {
            assert_eq!(mended(json), (expected.to_owned(), count));
        }
    }

    #[test]
    fn words_that_are_no_json_become_lists_of_their_length() {
        let (json, _) = mended(r#"{"NaN": NaN, "a\"NaN": [Infinity,-Infinity], "b": -1}"#);
        assert_eq!(
            json,
            r#"{"NaN": [0], "a\"NaN": [[0     ],[0      ]], "b": -1}"#
        );
    }

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
