//! Reads the input of `electra ask` from flags, files, standard input or a prompt: a passage and
//! questions, or texts.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Stdin, Write},
    path::Path,
    vec::IntoIter,
};

use anyhow::{Context, bail, ensure};

use crate::{
    tasks::asked::{Asked, Form},
    terminal,
};

/// Stands for standard input.
const STDIN: &str = "-";

/// Most bytes of a passage, a text or a question: a book has one or two million.
const LONGEST: u64 = 16 << 20;

/// Reads the passage; also returns whether it came from standard input.
pub(super) fn passage(text: Option<&str>, file: Option<&Path>) -> anyhow::Result<(String, bool)> {
    let path = match (text, file) {
        (Some(text), _) if text != STDIN => return Ok((text.to_owned(), false)),
        (Some(_), _) => Path::new(STDIN),
        (None, Some(path)) => path,
        (None, None) => bail!("no passage; give --passage TEXT or --passage-file FILE"),
    };
    Ok((whole(path, "passage")?, path == Path::new(STDIN)))
}

/// Reads a whole file, or standard input; `what` names it in messages.
pub(super) fn whole(path: &Path, what: &str) -> anyhow::Result<String> {
    let (name, bytes) = match path == Path::new(STDIN) {
        true => ("standard input".to_owned(), read(io::stdin().lock())),
        false => {
            let opened = std::fs::File::open(path).and_then(read);
            (path.display().to_string(), opened)
        }
    };
    let bytes =
        bytes.with_context(|| format!("{name}: the {what} cannot be read; check the path"))?;
    let text = in_utf8(&name, &bytes)?;
    ensure!(
        !text.trim().is_empty(),
        "{name}: expected a {what}, found no text"
    );
    Ok(text.to_owned())
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

/// Strips the byte-order mark that Windows editors put at the start of a text.
fn in_utf8<'a>(name: &str, bytes: &'a [u8]) -> anyhow::Result<&'a str> {
    let text = std::str::from_utf8(bytes);
    let text = text.with_context(|| format!("{name}: expected UTF-8 text; save it as UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What each line of the input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noun {
    Question,
    Text,
}

impl Noun {
    /// Returns its name in messages and flags.
    fn name(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Text => "text",
        }
    }
}

/// The source of the questions or texts.
pub(super) enum Inputs {
    /// How many were given, and the remaining ones.
    Given(usize, IntoIter<String>),
    /// One per line of standard input, and how many have been read.
    Lines(Noun, BufReader<Stdin>, usize),
    /// Typed at a terminal.
    Prompt(Noun, BufReader<Stdin>),
}

impl Inputs {
    /// Chooses the source; `is_stdin_taken` states that the passage came from standard input, and
    /// `prompt` is shown to a person at a terminal.
    ///
    /// # Errors
    /// If standard input is needed twice.
    pub(super) fn new(
        noun: Noun,
        given: Vec<String>,
        is_stdin_taken: bool,
        prompt: &str,
    ) -> anyhow::Result<Self> {
        let wants_stdin = given.is_empty() || given.iter().any(|text| text == STDIN);
        if !wants_stdin {
            return Ok(Self::Given(given.len(), given.into_iter()));
        }
        let name = noun.name();
        ensure!(
            given.len() <= 1,
            "--{name} - reads all {name}s from standard input; leave the others out"
        );
        ensure!(
            !is_stdin_taken,
            "the passage comes from standard input; give the question with --question"
        );
        let lines = BufReader::new(io::stdin());
        if given.is_empty() && io::stdin().is_terminal() {
            terminal::say(prompt);
            return Ok(Self::Prompt(noun, lines));
        }
        Ok(Self::Lines(noun, lines, 0))
    }

    /// Returns the next question or text; `None` at the end.
    ///
    /// # Errors
    /// If standard input cannot be read, is not text, or has no lines at all.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Given(_, left) => Ok(left.next()),
            Self::Prompt(noun, lines) => {
                // Best effort, like all messages.
                let _ = io::stderr().write_all(b"? ");
                let question = line(lines, *noun)?.filter(|question| !question.is_empty());
                if question.is_none() {
                    terminal::say("");
                }
                Ok(question)
            }
            Self::Lines(noun, lines, count) => loop {
                match line(lines, *noun)? {
                    Some(question) if question.is_empty() => {}
                    Some(question) => {
                        *count += 1;
                        return Ok(Some(question));
                    }
                    None => {
                        let name = noun.name();
                        ensure!(
                            *count > 0,
                            "no {name}; give --{name} TEXT, or {name}s on standard input, one per line"
                        );
                        return Ok(None);
                    }
                }
            },
        }
    }

    /// Returns whether a person types them at a prompt.
    pub(super) fn are_typed(&self) -> bool {
        matches!(self, Self::Prompt(..))
    }

    /// Returns whether replies must be shown together with what was asked.
    pub(super) fn are_several(&self) -> bool {
        match self {
            Self::Given(count, _) => *count > 1,
            Self::Lines(..) => true,
            Self::Prompt(..) => false,
        }
    }
}

/// Parses a line for a task of this form; a pair has its two texts separated by a tab.
///
/// # Errors
/// If a pair is expected but there is only one text.
pub(super) fn of_line(line: &str, form: Form) -> anyhow::Result<Asked> {
    let texts: Vec<&str> = line.split('\t').map(str::trim).collect();
    match (form, texts.as_slice()) {
        (Form::Pair | Form::TextOrPair, [a, b]) => Ok(Asked::text(a, Some(b))),
        (Form::Pair, [_]) => bail!(
            "expected two texts, found one; give --text A --text-b B, or on standard input both in a \
             line with a tab between"
        ),
        (Form::Pair | Form::TextOrPair, [_, _, _, ..]) => bail!(
            "expected two texts with one tab between, found {}; take tabs out of the texts",
            texts.len()
        ),
        _ => Ok(Asked::text(line, None)),
    }
}

/// Reads the next line, trimmed; returns `None` at the end of the input.
fn line(lines: &mut impl BufRead, noun: Noun) -> anyhow::Result<Option<String>> {
    let mut bytes = Vec::new();
    lines.take(LONGEST).read_until(b'\n', &mut bytes)?;
    ensure!(
        (bytes.len() as u64) < LONGEST,
        "standard input: a {} is longer than {} MiB",
        noun.name(),
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
        let mut next = || line(&mut input, Noun::Question).unwrap();
        assert_eq!(next().as_deref(), Some("Who?"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("What?"));
        assert_eq!(next(), None);
        let message = line(&mut &b"\xff?\n"[..], Noun::Text).unwrap_err();
        assert!(message.to_string().contains("UTF-8"), "{message}");
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
            Inputs::new(Noun::Question, given, taken, "")
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(asked(&["Who?", "What?"], true), Ok(()));
        assert!(asked(&["-"], true).unwrap_err().contains("--question"));
        assert!(asked(&[], true).unwrap_err().contains("--question"));
        assert!(asked(&["-", "Who?"], false).unwrap_err().contains("leave"));
    }

    #[test]
    fn a_tab_parts_two_texts_where_a_pair_is_taken() {
        let of = |line, form| of_line(line, form).map_err(|error| error.to_string());
        let pair = Asked::text("a b", Some("c"));
        assert_eq!(of("a b \t c", Form::Pair), Ok(pair.clone()));
        assert_eq!(of("a b\tc", Form::TextOrPair), Ok(pair));
        assert_eq!(of("a b", Form::TextOrPair), Ok(Asked::text("a b", None)));
        assert_eq!(of("a\tb", Form::Text), Ok(Asked::text("a\tb", None)));
        assert!(of("a b", Form::Pair).unwrap_err().contains("--text-b"));
        for form in [Form::Pair, Form::TextOrPair] {
            assert!(of("a\tb\tc", form).unwrap_err().contains("found 3"));
        }
    }
}
