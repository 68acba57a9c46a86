//! The conversion as a whole: a checkpoint enters, a folder with `model.bpk`, `config.json`,
//! `vocab.txt` and `conversion.json` leaves.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::calibration::{Calibration, calibrated};
use crate::checkpoint::Checkpoint;
use crate::content::{self, Content, Weight};
use crate::hugging_face;
use crate::kept;
use crate::pack;
use crate::plan::{Plan, Use};
use crate::record;
use crate::record_files::{CONFIG_FILE, GENERATOR_FILE, RECORD_FILE, REPORT_FILE, VOCABULARY_FILE};
use crate::report::{self, Report};
use crate::staging::{Staging, json};
use crate::vocabulary;

/// Converts the checkpoint at `input` to a Burn record in the folder `out`: TensorFlow's as a zip
/// archive, a folder or a prefix, or the folder of a Hugging Face model. `progress` hears the
/// bytes read and the bytes to read.
///
/// The files of `out` are replaced together at the end; where the conversion fails they stay
/// as they were. A no-answer threshold that was stored in `config.json` for the same weights stays.
///
/// # Errors
/// The input is no whole ELECTRA checkpoint, a checksum differs, `out` cannot be written, or holds
/// files that no conversion made: a Hugging Face or a fine-tuned model, another vocabulary.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// let (zip, out) = (Path::new("electra_small.zip"), Path::new("electra_small"));
/// let report = checkpoints_convert::convert(zip, out, &mut |_, _| {})?;
/// println!("{} of {} variables used", report.totals.used, report.variables.len());
/// # Ok::<(), checkpoints_convert::Error>(())
/// ```
pub fn convert(
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Error> {
    Conversion::open(input)?.write(out, progress)
}

/// A checkpoint that was opened and can be converted. No values have been read.
pub struct Conversion {
    input: PathBuf,
    checkpoint: Checkpoint,
    plan: Plan,
    vocabulary: Option<Vec<u8>>,
}

impl Conversion {
    /// Opens the checkpoint at `input`.
    ///
    /// # Errors
    /// The input is no whole ELECTRA checkpoint.
    pub fn open(input: &Path) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open(input)?;
        let plan = Plan::new(&checkpoint)?;
        let vocabulary = checkpoint.vocabulary(plan.config.model.vocab_size)?;
        Ok(Self {
            input: input.into(),
            checkpoint,
            plan,
            vocabulary,
        })
    }

    /// The files that [`weights`](Self::weights) reads in full: none where the checkpoint knows a
    /// checksum of every variable, as TensorFlow's do.
    pub fn files_without_checksums(&self) -> Vec<PathBuf> {
        match self.knows_checksums() {
            true => Vec::new(),
            false => self.checkpoint.weight_files(),
        }
    }

    fn knows_checksums(&self) -> bool {
        let variables = &self.checkpoint.index.variables;
        let mut uses = self.plan.uses.iter().zip(variables);
        uses.all(|(used, variable)| matches!(used, Use::Ignored(_)) || variable.crc32c.is_some())
    }

    /// Digest of the weights: of their checksums, which are taken of the bytes where the
    /// checkpoint has none. `progress` hears bytes done and bytes in all.
    ///
    /// # Errors
    /// The weights must be read, and cannot be.
    pub fn weights(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<String, Error> {
        let mut facts = vec![None; self.plan.uses.len()];
        if !self.knows_checksums() {
            let uses = &self.plan.uses;
            let wanted = |number: usize| matches!(uses[number], Use::Parameter(_));
            self.checkpoint.check(
                &wanted,
                &mut |number, found| facts[number] = Some(found),
                progress,
            )?;
        }
        let variables = report::variables(&self.checkpoint, Some(&self.plan), &facts);
        Ok(weights(&variables))
    }

    /// What a record of this checkpoint, whose weights have the digest `weights`, is made of.
    pub fn content(&self, weights: String) -> Content {
        let vocabulary = self.vocabulary.as_deref().map(content::vocabulary);
        Content::new(weights, &self.plan.config, vocabulary, self.plan.threshold)
    }

    /// Converts into the folder `out`, as [`convert`] does.
    ///
    /// # Errors
    /// As [`convert`].
    pub fn write(
        &mut self,
        out: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Report, Error> {
        let vocabulary = self.vocabulary.as_deref();
        let occupied = |(file, why): (PathBuf, &'static str)| Error::Occupied {
            file: file.display().to_string(),
            why,
        };
        if hugging_face::has_config(out) {
            let why = "belongs to a Hugging Face model";
            return Err(occupied((out.join(CONFIG_FILE), why)));
        }
        if let Some(foreign) = kept::foreign(out, vocabulary) {
            return Err(occupied(foreign));
        }
        let vocabulary_warning = vocabulary_warning(vocabulary, &self.plan, out);

        let calibration = Calibration::of(out);

        let staging = Staging::create(out)?;
        let record = staging.path(RECORD_FILE);
        let facts = record::write(&mut self.checkpoint, &self.plan, &record, progress)
            .map_err(|error| staging.in_place(error))?;
        let variables = report::variables(&self.checkpoint, Some(&self.plan), &facts);
        let weights = weights(&variables);
        let report = Report::new(
            &self.checkpoint,
            &self.plan,
            self.content(weights.clone()),
            identity(&record)?,
            variables,
            vocabulary_warning,
        );
        for warning in &report.warnings[self.checkpoint.warnings().len()..] {
            log::warn!("{}: {warning}", self.input.display());
        }

        let mut files = Vec::new();
        if let Some(vocabulary) = &self.vocabulary {
            staging.write(VOCABULARY_FILE, vocabulary)?;
            files.push(VOCABULARY_FILE);
        }
        let config = calibrated(&report.config, calibration, self.plan.threshold, &weights);
        staging.write(CONFIG_FILE, &json(&config))?;
        staging.write(REPORT_FILE, &json(&report))?;
        // The record comes last: where there is one, the other files are there too.
        files.extend([CONFIG_FILE, REPORT_FILE, RECORD_FILE]);
        // The generator of what was converted before belongs to other weights.
        staging.publish_without(&files, &[GENERATOR_FILE])?;
        Ok(report)
    }
}

fn weights(variables: &[report::VariableReport]) -> String {
    let used = variables.iter().filter(|row| row.parameter.is_some());
    content::weights(used.map(|row| Weight {
        name: &row.name,
        shape: &row.shape,
        dtype: &row.dtype,
        crc32c: row.crc32c.as_deref().unwrap_or_default(),
    }))
}

/// The identity of the weights in a record that was just written.
fn identity(record: &Path) -> Result<Option<String>, Error> {
    let pack = pack::open(record).map_err(|source| Error::ReadRecord {
        file: record.display().to_string(),
        source,
    })?;
    Ok(pack.identity())
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
