//! The conversion as a whole: a checkpoint enters, a folder with `model.bpk`, `config.json`,
//! `vocab.txt` and `conversion.json` leaves.

use std::path::Path;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::hugging_face;
use crate::plan::Plan;
use crate::record;
use crate::report::Report;
use crate::staging::{Staging, json};
use crate::vocabulary;

/// Names of the files of a converted record.
pub const RECORD_FILE: &str = "model.bpk";
pub const CONFIG_FILE: &str = "config.json";
pub const VOCABULARY_FILE: &str = "vocab.txt";
pub const REPORT_FILE: &str = "conversion.json";

/// Converts the checkpoint at `input` to a Burn record in the folder `out`: TensorFlow's as a zip
/// archive, a folder or a prefix, or the folder of a Hugging Face model. `progress` hears the
/// bytes read and the bytes to read.
///
/// The files of `out` are replaced together at the end; where the conversion fails they stay
/// as they were.
///
/// # Errors
/// The input is no whole ELECTRA checkpoint, a checksum differs, `out` cannot be written, or holds
/// a Hugging Face model, whose `config.json` would be lost.
pub fn convert(
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Error> {
    if hugging_face::has_config(out) {
        return Err(Error::Occupied {
            file: out.join(CONFIG_FILE).display().to_string(),
        });
    }
    let mut checkpoint = Checkpoint::open(input)?;
    let plan = Plan::new(&checkpoint)?;
    let vocabulary = checkpoint.vocabulary(plan.config.model.vocab_size)?;
    let vocabulary_warning = vocabulary_warning(vocabulary.as_deref(), &plan, out);

    let staging = Staging::create(out)?;
    let facts = record::write(&mut checkpoint, &plan, &staging.path(RECORD_FILE), progress)?;
    let report = Report::new(&checkpoint, &plan, &facts, vocabulary_warning);
    for warning in &report.warnings[checkpoint.warnings().len()..] {
        log::warn!("{}: {warning}", input.display());
    }

    let mut files = Vec::new();
    if let Some(vocabulary) = vocabulary {
        staging.write(VOCABULARY_FILE, &vocabulary)?;
        files.push(VOCABULARY_FILE);
    }
    staging.write(CONFIG_FILE, &json(&report.config))?;
    staging.write(REPORT_FILE, &json(&report))?;
    // The record comes last: where there is one, the other files are there too.
    files.extend([CONFIG_FILE, REPORT_FILE, RECORD_FILE]);
    staging.publish(&files)?;
    Ok(report)
}

fn vocabulary_warning(vocabulary: Option<&[u8]>, plan: &Plan, out: &Path) -> Option<String> {
    let expected = plan.config.model.vocab_size;
    let Some(vocabulary) = vocabulary else {
        let there = if out.join(VOCABULARY_FILE).exists() {
            format!("the one in {} stays", out.display())
        } else {
            format!("put the vocabulary of this model into {}", out.display())
        };
        return Some(format!("no vocab.txt beside the checkpoint; {there}"));
    };
    vocabulary::size_warning(vocabulary, expected)
}
