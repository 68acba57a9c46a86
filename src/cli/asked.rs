//! What `electra ask` is asked: a passage and questions, from flags, files, standard input or a
//! prompt.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Stdin, Write},
    path::Path,
    vec::IntoIter,
};

use anyhow::{Context, bail, ensure};

use crate::terminal;

/// Stands for standard input.
const STDIN: &str = "-";

/// Bytes of a passage or a question, at most: a book has one or two million.
const LONGEST: u64 = 16 << 20;

/// The passage, and whether standard input gave it.
pub(super) fn passage(text: Option<&str>, file: Option<&Path>) -> anyhow::Result<(String, bool)> {
    let (name, bytes) = match (text, file) {
        (Some(text), _) if text != STDIN => return Ok((text.to_owned(), false)),
        (Some(_), _) => ("standard input".to_owned(), read(io::stdin().lock())),
        (None, Some(path)) if path == Path::new(STDIN) => {
            ("standard input".to_owned(), read(io::stdin().lock()))
        }
        (None, Some(path)) => {
            let opened = std::fs::File::open(path).and_then(read);
            (path.display().to_string(), opened)
        }
        (None, None) => bail!("no passage; give --passage TEXT or --passage-file FILE"),
    };
    let bytes =
        bytes.with_context(|| format!("{name}: the passage cannot be read; check the path"))?;
    let passage = in_utf8(&name, &bytes)?;
    ensure!(
        !passage.trim().is_empty(),
        "{name}: expected a passage, found no text"
    );
    let from_stdin = file.is_none_or(|path| path == Path::new(STDIN));
    Ok((passage.to_owned(), from_stdin))
}

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        let limit = format!("longer than {} MiB", LONGEST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, limit));
    }
    Ok(bytes)
}

/// The text without the mark that editors of Windows put before it.
fn in_utf8<'a>(name: &str, bytes: &'a [u8]) -> anyhow::Result<&'a str> {
    let text = std::str::from_utf8(bytes);
    let text = text.with_context(|| format!("{name}: expected UTF-8 text; save it as UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Where the questions come from.
pub(super) enum Questions {
    /// How many were given, and those that are left.
    Given(usize, IntoIter<String>),
    /// A line each, and how many have come.
    Lines(BufReader<Stdin>, usize),
    /// Typed at a terminal.
    Prompt(BufReader<Stdin>),
}

impl Questions {
    /// `is_stdin_taken` says that the passage came from standard input.
    ///
    /// # Errors
    /// When standard input is wanted twice.
    pub(super) fn new(given: Vec<String>, is_stdin_taken: bool) -> anyhow::Result<Self> {
        let wants_stdin = given.is_empty() || given.iter().any(|question| question == STDIN);
        if !wants_stdin {
            return Ok(Questions::Given(given.len(), given.into_iter()));
        }
        ensure!(
            given.len() <= 1,
            "--question - stands for all questions; leave the others out"
        );
        ensure!(
            !is_stdin_taken,
            "the passage comes from standard input; give the question with --question"
        );
        let lines = BufReader::new(io::stdin());
        if given.is_empty() && io::stdin().is_terminal() {
            terminal::say("Ask about the passage; an empty line or Ctrl-D ends.");
            return Ok(Questions::Prompt(lines));
        }
        Ok(Questions::Lines(lines, 0))
    }

    /// The next question; none at the end.
    ///
    /// # Errors
    /// When standard input cannot be read, is no text, or holds no question at all.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Questions::Given(_, left) => Ok(left.next()),
            Questions::Prompt(lines) => {
                // Best effort, as all that is said there.
                let _ = io::stderr().write_all(b"? ");
                let question = line(lines)?.filter(|question| !question.is_empty());
                if question.is_none() {
                    terminal::say("");
                }
                Ok(question)
            }
            Questions::Lines(lines, count) => loop {
                match line(lines)? {
                    Some(question) if question.is_empty() => {}
                    Some(question) => {
                        *count += 1;
                        return Ok(Some(question));
                    }
                    None => {
                        ensure!(
                            *count > 0,
                            "no question; give --question TEXT, or questions on standard input, a \
                             line each"
                        );
                        return Ok(None);
                    }
                }
            },
        }
    }

    /// Whether a person types them at a prompt.
    pub(super) fn are_typed(&self) -> bool {
        matches!(self, Questions::Prompt(_))
    }

    /// Whether the answers need their questions beside them.
    pub(super) fn are_several(&self) -> bool {
        match self {
            Questions::Given(count, _) => *count > 1,
            Questions::Lines(..) => true,
            Questions::Prompt(_) => false,
        }
    }
}

/// The next line without its end and blanks around it; none at the end of the input.
fn line(lines: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut bytes = Vec::new();
    lines.take(LONGEST).read_until(b'\n', &mut bytes)?;
    ensure!(
        (bytes.len() as u64) < LONGEST,
        "standard input: a question is longer than {} MiB",
        LONGEST >> 20
    );
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(in_utf8("standard input", &bytes)?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_questions_until_the_input_ends() {
        let mut input = "\u{feff}Who? \r\n\nWhat?".as_bytes();
        let mut next = || line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some("Who?"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("What?"));
        assert_eq!(next(), None);
        let message = line(&mut &b"\xff?\n"[..]).unwrap_err().to_string();
        assert!(message.contains("UTF-8"), "{message}");
    }

    #[test]
    fn a_passage_comes_from_a_flag_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.txt");
        std::fs::write(&path, "\u{feff}Ada wrote it.\n").unwrap();
        assert_eq!(
            passage(Some("An oak."), None).unwrap(),
            ("An oak.".into(), false)
        );
        assert_eq!(
            passage(None, Some(&path)).unwrap(),
            ("Ada wrote it.\n".into(), false)
        );
        std::fs::write(&path, " \n").unwrap();
        let message = passage(None, Some(&path)).unwrap_err().to_string();
        assert!(message.contains("p.txt: expected a passage"), "{message}");
        let missing = folder.path().join("none.txt");
        let message = passage(None, Some(&missing)).unwrap_err().to_string();
        assert!(message.contains("none.txt"), "{message}");
    }

    #[test]
    fn standard_input_is_read_once() {
        let asked = |given: &[&str], taken| {
            let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
            Questions::new(given, taken)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(asked(&["Who?", "What?"], true), Ok(()));
        assert!(asked(&["-"], true).unwrap_err().contains("--question"));
        assert!(asked(&[], true).unwrap_err().contains("--question"));
        assert!(asked(&["-", "Who?"], false).unwrap_err().contains("leave"));
    }
}
