//! Quotes words of command lines that users may paste into a shell.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use checkpoints_convert::printable;

/// Quotes a path as a word of a command line that is never taken for a flag.
pub fn quoted_path(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return quoted(PathBuf::from(".").join(path));
    }
    quoted(path)
}

/// Quotes `text` as one shell word.
pub fn quoted(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_%+=:,./-@\\".contains(byte);
    let plain = text.as_encoded_bytes();
    let word = text.to_str().filter(|word| printable(word) == *word);
    if cfg!(windows) {
        // File names on Windows contain no quotation marks.
        return match plain.iter().all(is_plain) && !plain.is_empty() {
            true => text.to_string_lossy().into_owned(),
            false => format!("\"{}\"", text.to_string_lossy()),
        };
    }
    match word {
        Some(word) if plain.iter().all(|b| is_plain(b) && *b != b'\\') && !word.is_empty() => {
            word.to_owned()
        }
        Some(word) => format!("'{}'", word.replace('\'', r"'\''")),
        // Escape control characters and invalid UTF-8 as byte values.
        None => {
            let bytes = plain.iter().map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() || b"_-./ ".contains(byte) => {
                    char::from(*byte).to_string()
                }
                byte => format!("\\{byte:03o}"),
            });
            format!("$'{}'", bytes.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn the_shell_reads_every_word_as_it_was() {
        use std::{os::unix::ffi::OsStrExt, process::Command};

        for bytes in [
            &b"plain/path-1.json"[..],
            b"",
            b"with blank",
            b"it's \"quoted\" $HOME `id` \\ * ? !",
            "müller/東京".as_bytes(),
            b"escape\x1b[31m\nline\ttab' \\",
            "bidi\u{202e}x'".as_bytes(),
            b"no\xff text",
            b"~/home",
        ] {
            let word = quoted(OsStr::from_bytes(bytes));
            assert!(!word.contains('\n') && !word.contains('\x1b'), "{word}");
            assert_eq!(printable(&word), word);
            let mut shell = Command::new("bash");
            let output = shell.arg("-c").arg(format!("printf %s {word}")).output();
            assert_eq!(output.unwrap().stdout, bytes, "{word}");
        }
        assert_eq!(quoted("plain/path-1.json"), "plain/path-1.json");
        assert_eq!(quoted("--set=a/b.json"), "--set=a/b.json");
        assert_eq!(quoted_path(Path::new("-data/model")), "./-data/model");
    }
}
