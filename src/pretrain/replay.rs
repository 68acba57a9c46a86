//! Recorded random choices: reproduces the examples of a reference run in which every draw was logged.
//!
//! One line per example, with its `draws` in order, `["random", u]` or `["randint", n]`. A file `cases.json`
//! beside it gives, under the case's name (`examples.<case>.jsonl`), the settings and the order in which the
//! corpus files were read.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    error::Error,
    example_builder::Draws,
    settings::{Settings, hexadecimal},
};
use crate::{
    counted::counted_with,
    data::{line_reader::LineReader, source::read_text},
};

const ADVICE: &str =
    "a recorded case is a file examples.<case>.jsonl with its cases.json beside it";

#[derive(Debug, Deserialize)]
struct Line {
    draws: Vec<Draw>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
enum Draw {
    Integer(Randint, u64),
    Uniform(Random, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Random {
    #[serde(rename = "random")]
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
enum Randint {
    #[serde(rename = "randint")]
    Name,
}

/// The part of a case in `cases.json` that matters here.
#[derive(Debug, Deserialize)]
struct Case {
    max_seq_length: usize,
    blanks_separate_docs: bool,
    do_lower_case: bool,
    strip_accents: bool,
    files_in_order: Vec<String>,
}

/// Recorded choices, used one after the other.
#[derive(Debug)]
pub struct Recorded {
    file: String,
    draws: Vec<(usize, Draw)>,
    taken: usize,
    problem: Option<String>,
    case: Case,
    sha256: String,
}

impl Recorded {
    /// Reads a recorded case.
    ///
    /// # Errors
    /// If it is malformed, or the order of the files is missing.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let broken = |problem: String| Error::Replay {
            file: file.clone(),
            problem,
            advice: ADVICE,
        };
        let mut lines = LineReader::open(path)?;
        let mut draws = Vec::new();
        let mut sum = Sha256::new();
        while let Some((number, line)) = lines.next_line()? {
            sum.update(line);
            sum.update(b"\n");
            let read: Line = serde_json::from_str(line)
                .map_err(|error| broken(format!("line {number}: expected draws: {error}")))?;
            draws.extend(read.draws.into_iter().map(|draw| (number, draw)));
        }
        let cases = path.with_file_name("cases.json");
        let read: BTreeMap<String, Case> =
            serde_json::from_str(&read_text(&cases)?).map_err(|error| Error::Replay {
                file: cases.display().to_string(),
                problem: format!("expected an object of recorded cases: {error}"),
                advice: ADVICE,
            })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix("examples.").unwrap_or(&name);
        let name = name.strip_suffix(".jsonl").unwrap_or(name);
        let mut read = read;
        let case = read
            .remove(name)
            .ok_or_else(|| broken(format!("cases.json has no case {name:?}")))?;
        Ok(Self {
            file,
            draws,
            taken: 0,
            problem: None,
            case,
            sha256: hexadecimal(&sum.finalize()),
        })
    }

    /// The names of the corpus files in the order in which they were read.
    pub fn files_in_order(&self) -> &[String] {
        &self.case.files_in_order
    }

    /// The checksum of the file of draws.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Refuses settings that differ from the case's.
    ///
    /// # Errors
    /// If one differs.
    pub fn check(&self, settings: &Settings) -> Result<(), Error> {
        let case = &self.case;
        let recorded = Settings {
            max_seq_length: case.max_seq_length,
            blanks_separate_docs: case.blanks_separate_docs,
            do_lower_case: case.do_lower_case,
            do_strip_accents: case.strip_accents && case.do_lower_case,
            ..settings.clone()
        };
        match recorded.difference(settings) {
            Some(differing) => Err(Error::Replay {
                file: self.file.clone(),
                problem: format!("was recorded with {differing}"),
                advice: "give the flags that it was recorded with",
            }),
            None => Ok(()),
        }
    }

    fn check_taken(&self) -> Result<(), Error> {
        let left = self.draws.len() - self.taken;
        let problem = match &self.problem {
            Some(problem) => problem.clone(),
            None if left > 0 => {
                let line = self.draws[self.taken].0;
                let left = counted_with(left, "draw", ["is", "are"]);
                format!("{left} left, the first on line {line}")
            }
            None => return Ok(()),
        };
        Err(Error::Replay {
            file: self.file.clone(),
            problem,
            advice: "replay it on the corpus, with the vocabulary and flags, that it was recorded with",
        })
    }

    fn next(&mut self, expected: &str) -> Option<Draw> {
        let found = self.draws.get(self.taken).copied();
        match found {
            Some((_, draw)) if draw.name() == expected => {
                self.taken += 1;
                return Some(draw);
            }
            Some((line, draw)) => self.problem.get_or_insert(format!(
                "line {line}: expected a draw {expected}, found {}",
                draw.name()
            )),
            None => self.problem.get_or_insert(format!(
                "expected a further draw {expected}, found the end after {}",
                self.draws.len()
            )),
        };
        None
    }
}

impl Draw {
    fn name(self) -> &'static str {
        match self {
            Draw::Uniform(..) => "random",
            Draw::Integer(..) => "randint",
        }
    }
}

impl Draws for &mut Recorded {
    const CARRIES_TARGET: bool = true;

    fn turn_to(&mut self, _: usize, _: Option<u64>) {}

    fn uniform(&mut self) -> f64 {
        match self.next("random") {
            Some(Draw::Uniform(_, value)) => value,
            // Keep the problem: `finish` reports it.
            _ => 0.5,
        }
    }

    fn integer(&mut self, least: usize, most: usize) -> usize {
        match self.next("randint") {
            Some(Draw::Integer(_, value)) => (value as usize).clamp(least, most),
            _ => most,
        }
    }

    fn finish(&self) -> Result<(), Error> {
        self.check_taken()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CASES: &str = r#"{"a": {"max_seq_length": 8, "blanks_separate_docs": true,
        "do_lower_case": true, "strip_accents": true, "files_in_order": ["x"], "seed": 1}}"#;

    fn read(lines: &str, cases: &str) -> Result<Recorded, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cases.json"), cases).unwrap();
        let path = folder.path().join("examples.a.jsonl");
        fs::write(&path, lines).unwrap();
        Recorded::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn draws_come_in_order_and_none_may_be_left_or_missing() {
        let lines =
            "{\"draws\": [[\"random\", 0.25], [\"randint\", 6]]}\n{\"draws\": [[\"random\", 1]]}\n";
        let mut recorded = &mut read(lines, CASES).unwrap();
        assert_eq!(recorded.files_in_order(), ["x"]);
        assert_eq!(recorded.uniform(), 0.25);
        let message = recorded.finish().unwrap_err().to_string();
        assert!(
            message.contains("2 draws are left, the first on line 1"),
            "{message}"
        );
        assert_eq!(recorded.integer(5, 8), 6);
        assert_eq!(recorded.uniform(), 1.0);
        recorded.finish().unwrap();
        recorded.uniform();
        let message = recorded.finish().unwrap_err().to_string();
        assert!(message.contains("found the end after 3"), "{message}");

        let mut recorded = &mut read(lines, CASES).unwrap();
        recorded.integer(5, 8);
        let message = recorded.finish().unwrap_err().to_string();
        assert!(
            message.contains("line 1: expected a draw randint, found random"),
            "{message}"
        );
    }

    #[test]
    fn what_is_no_recorded_case_is_named() {
        for (lines, cases, expected) in [
            (
                "{\"draws\": [[\"dice\", 1]]}",
                CASES,
                "line 1: expected draws",
            ),
            ("{\"draws\": []}", "{}", "no case \"a\""),
            ("{\"draws\": []}", "[]", "cases.json: expected an object"),
        ] {
            let message = read(lines, cases).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
