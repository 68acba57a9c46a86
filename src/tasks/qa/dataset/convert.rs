//! Converts a source file to SQuAD 2.0 JSON, whole or not at all, and reports what became of the
//! questions.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Error,
    counts::Counts,
    dropped::Dropped,
    mrqa, newsqa, quac, squad,
    squad_writer::{Paragraph, SquadWriter},
};
use crate::{
    data::existing_file::existing,
    durable_file::{is_same_file, pack_by_name, write_whole},
    tasks::qa::raw::{paragraph::Family, question_reader::QuestionReader},
};

/// Examples of each reason in a conversion's report.
const EXAMPLES: usize = 5;

/// The data set of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// With this many turns of the dialogue before each question.
    Quac {
        history: usize,
    },
    NewsQa,
    Mrqa,
    /// SQuAD's form: a document, or rows as written by `datasets`.
    Squad,
}

impl Source {
    /// Passes each paragraph of a file to `emit`, and counts what is left out.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, and those of `emit`.
    pub fn read(
        self,
        path: &Path,
        dropped: &mut Dropped,
        emit: &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self {
            Source::Quac { history } => quac::read(path, history, dropped, emit),
            Source::NewsQa => newsqa::read(path, dropped, emit),
            Source::Squad => squad::read(path, dropped, emit),
            Source::Mrqa => {
                let mut converter = mrqa::Converter::default();
                QuestionReader::open(path)?.paragraphs(Some(Family::Mrqa), &mut |passage| {
                    converter.convert(&passage, dropped, emit)
                })?;
                Ok(())
            }
        }
    }
}

/// The result of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversion {
    pub input: PathBuf,
    pub output: PathBuf,
    #[serde(flatten)]
    pub written: Counts,
    pub dropped: Dropped,
}

/// Converts a file. Anything at `output` is replaced once the new file is complete; a name that ends in
/// `.gz` makes it a gzip archive.
///
/// # Errors
/// If the input cannot be read, is malformed or has no question that can be kept, or if the output
/// is the input or cannot be written. `output` is then left unchanged.
pub fn convert(source: Source, input: &Path, output: &Path) -> Result<Conversion, Error> {
    // An input whose file is missing is read from its archive.
    if is_same_file(&existing(input), output) {
        return Err(Error::SamePath {
            path: output.to_owned(),
        });
    }
    let mut outcome = None;
    let written = write_whole(output, |out| {
        pack_by_name(output, out, |out| {
            let result = write(source, input, output, out);
            let whole = result.is_ok();
            outcome = Some(result);
            if whole {
                Ok(())
            } else {
                Err(io::Error::other("not whole"))
            }
        })
    });
    match (outcome, written) {
        (Some(Err(error)), _) => Err(error),
        (Some(Ok(conversion)), Ok(())) => Ok(conversion),
        (_, written) => Err(Error::Write {
            path: output.to_owned(),
            source: written.err().unwrap_or(io::ErrorKind::Other.into()),
        }),
    }
}

fn write(
    source: Source,
    input: &Path,
    output: &Path,
    out: &mut dyn io::Write,
) -> Result<Conversion, Error> {
    let failed = |source| Error::Write {
        path: output.to_owned(),
        source,
    };
    let mut writer = SquadWriter::new(out).map_err(failed)?;
    let mut dropped = Dropped::new(EXAMPLES);
    let mut written = Counts::default();
    source.read(input, &mut dropped, &mut |paragraph| {
        written.add(&paragraph);
        writer.paragraph(&paragraph).map_err(failed)
    })?;
    if written.questions == 0 {
        return Err(empty(input, &dropped));
    }
    writer.finish().map_err(failed)?;
    Ok(Conversion {
        input: input.to_owned(),
        output: output.to_owned(),
        written,
        dropped,
    })
}

/// Creates the error for a file without a question that can be kept.
pub(super) fn empty(input: &Path, dropped: &Dropped) -> Error {
    let reasons = dropped.question_reasons();
    Error::Empty {
        file: input.display().to_string(),
        dropped: if reasons.is_empty() {
            reasons
        } else {
            format!(" (left out: {reasons})")
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::read_text;

    #[test]
    fn a_name_in_gz_makes_an_archive_of_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let answers = serde_json::json!({"text": ["Ada"], "answer_start": [0]});
        let row = serde_json::json!({
            "id": "1", "context": "Ada wrote it.", "question": "Who?", "answers": answers,
        });
        std::fs::write(path("rows.jsonl"), format!("{row}\n")).unwrap();
        let made = |name: &str| {
            let made = convert(Source::Squad, &path("rows.jsonl"), &path(name)).unwrap();
            assert_eq!(made.written.questions, 1);
            std::fs::read(path(name)).unwrap()
        };
        let plain = String::from_utf8(made("dev.json")).unwrap();
        let packed = made("dev.json.gz");
        assert!(plain.contains("Ada wrote it."), "{plain}");
        assert_eq!(packed[..2], [0x1F, 0x8B]);
        assert_eq!(read_text(&path("dev.json.gz")).unwrap(), plain);
        // What is wrong with the input is told as ever.
        std::fs::write(path("rows.jsonl"), "{}\n").unwrap();
        let plain = convert(Source::Squad, &path("rows.jsonl"), &path("a.json")).unwrap_err();
        let packed = convert(Source::Squad, &path("rows.jsonl"), &path("a.json.gz")).unwrap_err();
        assert_eq!(packed.to_string(), plain.to_string());
        assert!(!path("a.json.gz").exists());
    }
}
