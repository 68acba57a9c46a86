//! The way out: a folder with a Burn record, converted or fine-tuned, enters; a folder that
//! Hugging Face's `transformers` or Google's TensorFlow code loads leaves. One tensor is in memory
//! at a time. TensorFlow gets every head; `transformers` has but one that is the same, that of tagging.
//! `export.json` beside the files says what was written and what was left out.

mod hugging_face;
mod tagging;
mod tensorflow;

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::RecordConfig;
use crate::head_shape::HeadShape;
use crate::names::{self, Parameter};
use crate::plain_file;
use crate::record::PRODUCER;
use crate::record_files::VOCABULARY_FILE;
use crate::staging::{self, Staging};
use crate::stored_record::StoredRecord;
use tagging::TaggingHead;

/// Says what an export wrote, and that the folder is one's own to write into again.
const REPORT_FILE: &str = "export.json";
/// A vocabulary of 30,522 words has 232 kB.
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;
/// A row for each of a model's parameters.
const MAX_REPORT_BYTES: u64 = 16 << 20;

/// Whose files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A folder for Hugging Face's transformers: safetensors, with the head of a tagging task
    Hf,
    /// A TensorFlow checkpoint with Google's names, heads included
    Tf,
}

/// The content of `export.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    pub format: Format,
    pub producer: &'static str,
    /// The files that were written, `export.json` aside.
    pub files: Vec<String>,
    pub tensors: Vec<ExportedTensor>,
    pub left_out: Vec<LeftOut>,
}

/// A tensor that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedTensor {
    /// Its name in the files.
    pub name: String,
    pub shape: Vec<u64>,
    /// Its path in the record.
    pub parameter: String,
}

/// A parameter of the record that was not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub parameter: String,
    pub reason: &'static str,
}

/// Writes the record in the folder `input` as files of `format` into the folder `out`, which must
/// be new, empty, or an earlier export in this format. `progress` hears bytes done and bytes in
/// all. The files get their places together, once all are written.
///
/// # Errors
/// `input` holds no whole record, or `out` holds something else or cannot be written.
pub fn export(
    format: Format,
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    check_out(format, out)?;
    let mut record = StoredRecord::open(input)?;
    let vocabulary = read_vocabulary(input)?;
    let head = TaggingHead::of(&record.config);
    let parameters = match format {
        Format::Hf => hugging_face::parameters(&record.config, head.as_ref()),
        Format::Tf => names::parameters(&record.config),
    };
    // Nothing is written of a record that is not whole.
    for parameter in &parameters {
        record.check(parameter)?;
    }
    if format == Format::Tf {
        warn_of_lost_labels_and_ranges(input, &record.config);
    }
    let total = parameters.iter().map(byte_length).sum();
    let mut done = 0;
    let mut on_bytes = |count| {
        done += count;
        progress(done, total);
    };

    let staging = Staging::create(out)?;
    let (mut files, tensors) = match format {
        Format::Hf => hugging_face::write(
            &mut record,
            head.as_ref(),
            &parameters,
            &staging,
            &mut on_bytes,
        ),
        Format::Tf => tensorflow::write(&mut record, &parameters, &staging, &mut on_bytes),
    }
    .map_err(|error| staging.in_place(error))?;
    staging.write(VOCABULARY_FILE, &vocabulary)?;
    files.insert(0, VOCABULARY_FILE.into());
    let left_out = record.left().map(|path| LeftOut {
        parameter: path.into(),
        reason: tagging::reason(&record.config, path),
    });
    let export = Export {
        format,
        producer: PRODUCER,
        left_out: left_out.collect(),
        tensors,
        files,
    };
    staging.write(REPORT_FILE, &staging::json(&export))?;
    let published: Vec<&str> = [REPORT_FILE]
        .into_iter()
        .chain(export.files.iter().map(String::as_str))
        .collect();
    staging.publish(&published)?;
    Ok(export)
}

/// Says which heads have labels or a range, since a TensorFlow checkpoint has no place for them.
fn warn_of_lost_labels_and_ranges(input: &Path, config: &RecordConfig) {
    for (task, head) in &config.heads {
        let HeadShape::Dense(dense) = head else {
            continue;
        };
        let lost = match (&dense.labels, dense.range) {
            (Some(_), _) => format!("the labels of head {task:?} are not written"),
            (None, Some([min, max])) => {
                format!("the range of head {task:?}, {min} to {max}, is not written")
            }
            (None, None) => continue,
        };
        log::warn!(
            "{}: {lost}, for which a TensorFlow checkpoint has no place; once it is converted back, copy \
             {task:?} of \"heads\" from this config.json to its own",
            input.join("config.json").display()
        );
    }
}

/// Refuses a folder that holds anything but an earlier export in the same format.
fn check_out(format: Format, out: &Path) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Earlier {
        format: Format,
    }
    let failed = |source| Error::Write {
        file: out.display().to_string(),
        source,
    };
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let is_empty = entries
        .iter()
        .all(|entry| staging::is_left_over(&entry.path()));
    let earlier = || {
        let text = plain_file::read(&out.join(REPORT_FILE), MAX_REPORT_BYTES).ok()??;
        serde_json::from_slice::<Earlier>(&text).ok()
    };
    if is_empty || earlier().is_some_and(|earlier| earlier.format == format) {
        return Ok(());
    }
    Err(Error::NotEmpty {
        file: out.display().to_string(),
    })
}

fn read_vocabulary(input: &Path) -> Result<Vec<u8>, Error> {
    let path = input.join(VOCABULARY_FILE);
    plain_file::read(&path, MAX_VOCABULARY_BYTES)?.ok_or_else(|| Error::Vocabulary {
        file: path.display().to_string(),
    })
}

/// Bytes of a parameter's values; it was checked to be in the record, so they are few enough.
fn byte_length(parameter: &Parameter) -> u64 {
    4 * parameter.shape.iter().product::<u64>()
}
