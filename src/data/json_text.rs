//! JSON as Python's `json` module accepts it, adapted for a stricter parser.
//!
//! Python keeps half of a surrogate pair (`\ud83d` alone, as left by a truncated tweet) as one code
//! point, and accepts the words `NaN` and `Infinity`. Both are replaced in place by equally many
//! bytes, so that lines and columns do not change.

/// Replaces lone surrogates by U+FFFD, which is also one code point and which the tokenizer drops
/// like a surrogate, and returns how many there were. `NaN` and the infinities become a list with a
/// number: harmless in fields that nobody reads, and rejected everywhere else.
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
    // ASCII replaced ASCII, so this cannot fail.
    *json = String::from_utf8(bytes).unwrap_or_default();
    replaced
}

/// Says how many halves [`mend`] has replaced, with `more` about them.
pub(crate) fn halves_read(count: usize, more: &str) -> String {
    match count {
        1 => format!("1 half of a surrogate pair{more} is read as U+FFFD"),
        _ => format!("{count} halves of surrogate pairs{more} are read as U+FFFD"),
    }
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

/// Returns the UTF-16 unit of an escape `\uXXXX` at this position.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = json.get(at..at + 6)? else {
        return None;
    };
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
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
}
