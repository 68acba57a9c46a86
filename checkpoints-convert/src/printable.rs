//! Escapes text that may come from an untrusted file before it reaches a terminal: characters that
//! a terminal interprets instead of showing (escape sequences, line ends, changes of the writing
//! direction) become the usual programming-language escapes. Called once, where a line is printed.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes a line of text for a terminal: writes `\u{1b}`, `\n` or `\u{202e}` for characters that
/// the terminal would interpret. Text that is already escaped is unchanged.
///
/// ```
/// assert_eq!(checkpoints_convert::printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
/// ```
pub fn printable(line: &str) -> Cow<'_, str> {
    replaced(line, is_obeyed, |c, shown| shown.extend(c.escape_default()))
}

/// Escapes JSON text for a terminal: writes the same characters as JSON's own escapes, so that a
/// program parses the same value. Line ends between values stay.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    // Outside strings, the only one of these characters that JSON allows is the line end, and
    // inside strings line ends are already escaped.
    let is_raw = |c| c != '\n' && is_obeyed(c);
    replaced(text, is_raw, |c, shown| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

/// Returns whether a terminal interprets the character: control characters; marks, embeddings,
/// overrides and isolates of the writing direction; other line ends; and zero-width characters, so
/// that two names that look equal are equal.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

fn replaced(
    text: &str,
    is_replaced: impl Fn(char) -> bool,
    replace: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_replaced) else {
        return Cow::Borrowed(text);
    };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for c in text[first..].chars() {
        match is_replaced(c) {
            true => replace(c, &mut shown),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        for (text, expected) in [
            (
                "plain, müller, 東京, 👩‍👩‍👧, עברית",
                "plain, müller, 東京, 👩‍👩‍👧, עברית",
            ),
            ("a\x1b]0;title\x07b", r"a\u{1b}]0;title\u{7}b"),
            ("two\nlines\r\tand", r"two\nlines\r\tand"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            (
                "safe\u{202e}txt.exe\u{2069}",
                r"safe\u{202e}txt.exe\u{2069}",
            ),
            (
                "x\u{2028}y\u{feff}z\u{e0041}",
                r"x\u{2028}y\u{feff}z\u{e0041}",
            ),
        ] {
            assert_eq!(printable(text), expected);
            // Escaping is idempotent.
            assert_eq!(printable(&printable(text)), expected);
        }
        assert_eq!(
            printable(&format!("{:?}", "a\x1b\u{202e}")),
            r#""a\u{1b}\u{202e}""#
        );
    }

    #[test]
    fn json_says_the_same_to_a_program() {
        let value = serde_json::json!({"na\u{202e}me": ["\u{7f}\u{9b}", "\n", "é", "\u{e0041}"]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = printable_json(&text);
        assert!(shown.lines().count() > 3, "{shown}");
        assert!(!shown.chars().any(|c| c != '\n' && is_obeyed(c)), "{shown}");
        assert!(
            shown.contains(r"na\u202eme") && shown.contains(r"\udb40\udc41"),
            "{shown}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
