//! A tagging file → its sentences.

use std::path::Path;

use super::{
    conll,
    error::Error,
    json_rows,
    options::{Form, ReadOptions},
    scheme::Marks,
    sentence::Sentences,
};
use crate::{
    counted::counted,
    data::{existing_file::existing, line_reader::LineReader, source::Source},
};

/// Reads the sentences of a file, or of its gzip archive if only that exists. There may be none.
///
/// # Errors
/// If the file cannot be read, or a line does not have its form.
///
/// # Examples
///
/// ```
/// use electra::tasks::tagging::{options::ReadOptions, reader::read};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("train.txt");
/// std::fs::write(&file, "Ada NNP B-PER\nLovelace NNP I-PER\nwrote VBD O\n\n")?;
/// let read = read(&file, &ReadOptions::default())?;
/// assert_eq!(read.sentences[0].words, ["Ada", "Lovelace", "wrote"]);
/// let tags: Vec<String> = read.sentences[0].tags().iter().map(|tag| tag.to_string()).collect();
/// assert_eq!(tags, ["B-PER", "E-PER", "O"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(path: &Path, options: &ReadOptions) -> Result<Sentences, Error> {
    let form = options.form.unwrap_or_else(|| form_of(&existing(path)));
    read_source(Source::open(path)?, form, options)
}

/// Reads the sentences of a test file; if its tags are missing, it is read without them.
///
/// # Errors
/// As for [`read`].
pub fn read_test(path: &Path, options: &ReadOptions) -> Result<Sentences, Error> {
    let options = ReadOptions {
        labelled: options.labelled && has_tags(path, options)?,
        ..options.clone()
    };
    read(path, &options)
}

/// Returns whether the first sentence of a file has tags. Also true if the sentence is malformed,
/// which the reader will report.
///
/// # Errors
/// If the file cannot be read.
pub fn has_tags(path: &Path, options: &ReadOptions) -> Result<bool, Error> {
    let form = options.form.unwrap_or_else(|| form_of(&existing(path)));
    let mut lines = LineReader::new(Source::open(path)?);
    while let Some((_, line)) = lines.next_line()? {
        let has_tag = match form {
            Form::Conll => conll::has_tag(line),
            Form::JsonLines => json_rows::has_tags(line, options),
        };
        if let Some(has_tag) = has_tag {
            return Ok(has_tag);
        }
    }
    Ok(true)
}

/// Reads the sentences of a file in memory; errors name `file`, and its extension determines the
/// form if the options do not.
///
/// # Errors
/// As for [`read`].
pub fn read_bytes(bytes: Vec<u8>, file: &str, options: &ReadOptions) -> Result<Sentences, Error> {
    let form = options.form.unwrap_or_else(|| form_of(Path::new(file)));
    read_source(Source::of_bytes(bytes, file)?, form, options)
}

fn read_source(source: Source, form: Form, options: &ReadOptions) -> Result<Sentences, Error> {
    let mut sentences = Sentences {
        taken: None,
        file: source.file().to_owned(),
        labelled: options.labelled,
        sentences: Vec::new(),
        lost: None,
        marks: Marks::default(),
        dropped_lines: 0,
        empty_rows: 0,
        replaced_surrogates: 0,
    };
    let lines = LineReader::new(source);
    match form {
        Form::Conll => conll::read(lines, options, &mut sentences)?,
        Form::JsonLines => json_rows::read(lines, options, &mut sentences)?,
    }
    log::info!(
        "{}: {}, {}{}",
        sentences.file,
        counted(sentences.sentences.len(), "sentence"),
        counted(sentences.words(), "word"),
        sentences.passed_over()
    );
    Ok(sentences)
}

/// Returns the form that a file's name implies.
pub(super) fn form_of(path: &Path) -> Form {
    let packed = path.extension().is_some_and(|ending| ending == "gz");
    let path = if packed {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "json") => Form::JsonLines,
        _ => Form::Conll,
    }
}

#[cfg(test)]
mod tests;
