//! Checks the vocabulary of a checkpoint on its way into the record: picks the lines of `vocab.txt`
//! that are tokens, given the number of embeddings, and warns about problems. Also checks whether a
//! record's vocabulary still has the tokens that the record was made with.

use crate::plain_file;

/// Strips trailing blank lines for which the embeddings have no rows: an editor added them, and no
/// text maps to them.
pub(crate) fn tokens(vocabulary: &[u8], rows: usize) -> &[u8] {
    let mut tokens = vocabulary;
    let mut lines = count(tokens);
    while lines > rows {
        let body = tokens.strip_suffix(b"\n").unwrap_or(tokens);
        let start = body
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        if !body[start..].trim_ascii().is_empty() {
            return tokens;
        }
        tokens = &tokens[..start];
        lines -= 1;
    }
    tokens
}

/// Counts the lines of a vocabulary; the last may lack its line end.
fn count(vocabulary: &[u8]) -> usize {
    let ends = vocabulary.iter().filter(|&&byte| byte == b'\n').count();
    ends + usize::from(vocabulary.last().is_some_and(|&byte| byte != b'\n'))
}

/// Returns the lines of a vocabulary, trimmed and without trailing blank lines; `None` if it is not
/// UTF-8.
fn lines(vocabulary: &[u8]) -> Option<Vec<&str>> {
    let text = str::from_utf8(plain_file::without_mark(vocabulary)).ok()?;
    Some(text.trim_end().split('\n').map(str::trim).collect())
}

/// Returns whether it can tokenize text for a model with this many embeddings.
pub(crate) fn is_usable(vocabulary: &[u8], rows: usize) -> bool {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    lines(vocabulary).is_some_and(|lines| {
        lines.len() <= rows && special.iter().all(|token| lines.contains(token))
    })
}

/// Returns whether it has the tokens of the vocabulary that `is_it` recognises, and differs only as
/// an editor's changes do: blank lines at the end, line ends, a byte-order mark.
pub(crate) fn is_edited(vocabulary: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    let Some(lines) = lines(vocabulary) else {
        return false;
    };
    let as_it_is = plain_file::without_mark(vocabulary).trim_ascii_end();
    let bodies = [
        lines.join("\n").into_bytes(),
        lines.join("\r\n").into_bytes(),
        as_it_is.to_vec(),
    ];
    bodies.iter().any(|body| {
        [&b"\n"[..], b"", b"\r\n"]
            .iter()
            .any(|&end| is_it(&[body.as_slice(), end].concat()))
    })
}

/// Warns if there are more or fewer tokens than the embeddings have rows.
pub(crate) fn size_warning(tokens: &[u8], rows: usize) -> Option<String> {
    let lines = count(tokens);
    (lines != rows)
        .then(|| format!("vocab.txt has {lines} lines, but the word embeddings have {rows} rows"))
}

/// Warns if the words have capitals that lower-cased text never matches, and no file states whether
/// text is lower-cased.
pub(crate) fn case_warning(tokens: &[u8], said: Option<bool>) -> Option<String> {
    if said.is_some() {
        return None;
    }
    let text = String::from_utf8_lossy(tokens);
    let mut words = 0usize;
    let mut capitals = 0usize;
    for word in text
        .lines()
        .map(str::trim)
        .filter(|word| !word.starts_with('['))
    {
        words += 1;
        capitals += usize::from(word.chars().any(char::is_uppercase));
    }
    (capitals > words / 20).then(|| {
        format!(
            "no file says whether text is lower-cased, and {capitals} of {words} words of vocab.txt \
             have capitals, which lower-cased text never reaches: if this is a cased model, put \
             tokenizer_config.json with {{\"do_lower_case\": false}} beside the checkpoint and \
             convert again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_at_the_end_are_no_tokens() {
        for (vocabulary, rows, expected) in [
            ("a\nb\n", 2, "a\nb\n"),
            ("a\nb", 2, "a\nb"),
            ("a\nb\n\n", 2, "a\nb\n"),
            ("a\nb\n \r\n\n", 2, "a\nb\n"),
            // If it has a row in the embeddings, a blank line is a token.
            ("a\nb\n\n", 3, "a\nb\n\n"),
            ("a\nb\nc\n", 2, "a\nb\nc\n"),
            ("a\n\nb\n\n\n", 3, "a\n\nb\n"),
            ("\n\n", 0, ""),
        ] {
            let found = tokens(vocabulary.as_bytes(), rows);
            assert_eq!(
                str::from_utf8(found),
                Ok(expected),
                "{vocabulary:?}, {rows}"
            );
        }
        assert_eq!(size_warning(b"a\nb", 2), None);
        let warning = size_warning(b"a\nb\nc\n", 2).unwrap();
        assert!(warning.contains("3 lines") && warning.contains("2 rows"));
        assert!(size_warning(b"", 2).unwrap().contains("0 lines"));
        // Three million blank lines take linear time.
        let many = [&b"a\n"[..], &b"\n".repeat(3_000_000)].concat();
        assert_eq!(tokens(&many, 1), b"a\n");
    }

    #[test]
    fn what_an_editor_leaves_makes_no_other_vocabulary() {
        let written = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n";
        let is_it = |bytes: &[u8]| bytes == written.as_bytes();
        let windows = written.replace('\n', "\r\n");
        for same in [
            written.trim_end(),
            &format!("{written}\n \n"),
            &windows,
            &format!("\u{feff}{windows}"),
        ] {
            assert!(is_edited(same.as_bytes(), is_it), "{same:?}");
            assert!(is_usable(same.as_bytes(), 6), "{same:?}");
        }
        let is_of_windows = |bytes: &[u8]| bytes == windows.as_bytes();
        assert!(is_edited(written.as_bytes(), is_of_windows));
        for other in [
            written.replace("a\nb", "b\na"),
            written.replace("a\n", ""),
            written.replace("a\n", "\na\n"),
            String::new(),
        ] {
            assert!(!is_edited(other.as_bytes(), is_it), "{other:?}");
        }
        assert!(!is_usable(written.as_bytes(), 5));
        assert!(!is_usable(
            written.replace("[UNK]", "unknown").as_bytes(),
            6
        ));
        assert!(!is_usable(b"[PAD]\n\xff\n", 6));
    }

    #[test]
    fn capitals_that_no_text_reaches_are_said_once() {
        let cased = "[PAD]\n[UNK]\nDer\nHund\n##e\nbellt\n".as_bytes();
        let warning = case_warning(cased, None).unwrap();
        assert!(warning.contains("2 of 4 words"), "{warning}");
        assert_eq!(case_warning(cased, Some(true)), None);
        assert_eq!(case_warning(b"[PAD]\n[CLS]\nthe\ndog\n", None), None);
    }
}
