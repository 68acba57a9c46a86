//! Export: takes a folder with a Burn record, converted or fine-tuned; yields a folder that Hugging Face's
//! `transformers` or Google's TensorFlow code loads. One tensor is in memory at a time. A TensorFlow
//! checkpoint receives every head that Google's code supports, and every pre-training network; a
//! `transformers` model receives one head or one network. `export.json` beside the files lists what was
//! written and what was left out.

mod head;
mod hugging_face;
mod moments;
mod network;
mod source;
mod tensorflow;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::RecordConfig;
use crate::head_shape::HeadShape;
use crate::hugging_face::TOKENIZER_FILE;
use crate::plain_file;
use crate::pretrained::Pretrained;
use crate::record::PRODUCER;
use crate::record_files::VOCABULARY_FILE;
use crate::staging::{self, Staging};
use crate::stored_record::StoredRecord;
use moments::{Absent, Moments};
pub use network::Network;
use source::Source;

/// The report of an export; its presence marks the folder as one that may be overwritten.
const REPORT_FILE: &str = "export.json";
/// The report has one entry per parameter.
const MAX_REPORT_BYTES: u64 = 16 << 20;

/// Whose files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A folder for Hugging Face's transformers: safetensors, with the head of one task
    Hf,
    /// A TensorFlow checkpoint with Google's names, heads included
    Tf,
}

/// The content of `export.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    pub format: Format,
    pub producer: &'static str,
    /// The files that were written, except `export.json`.
    pub files: Vec<String>,
    pub tensors: Vec<ExportedTensor>,
    pub left_out: Vec<LeftOut>,
    /// The pre-training network that was exported to `transformers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// CRC32C of the model card as written, which detects later edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
}

/// A tensor that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportedTensor {
    /// Its name in the files.
    pub name: String,
    pub shape: Vec<u64>,
    /// Its path in the record; if it consists of several parameters, their paths.
    pub parameter: String,
}

/// A parameter of the record that was not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub parameter: String,
    pub reason: &'static str,
}

/// Writes the record in the folder `input` as files of `format` into the folder `out`, which must be new,
/// empty, or an earlier export in this format. Calls `progress` with the bytes done and the total. The files
/// are moved into place together, once all are written.
///
/// # Errors
/// If `input` holds no complete record, or `out` holds something else or cannot be written.
pub fn export(
    format: Format,
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    export_head(format, input, None, out, progress)
}

/// As [`export`], with the head of `task` alone if it is given.
///
/// # Errors
/// As [`export`], and no head of `task`, or one that `format` has no place for.
pub fn export_head(
    format: Format,
    input: &Path,
    task: Option<&str>,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    let asked = Asked {
        task,
        network: None,
    };
    write(format, input, asked, out, progress)
}

/// Like [`export`] to `transformers`, for one network of a pre-trained model.
///
/// # Errors
/// As for [`export`], and if the network does not exist, or `transformers` has no model for it.
pub fn export_network(
    network: Network,
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    let asked = Asked {
        task: None,
        network: Some(network),
    };
    write(Format::Hf, input, asked, out, progress)
}

/// The head or network that was requested, if any.
#[derive(Clone, Copy)]
struct Asked<'a> {
    task: Option<&'a str>,
    network: Option<Network>,
}

fn write(
    format: Format,
    input: &Path,
    asked: Asked,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    let earlier = check_out(format, out)?;
    let record = StoredRecord::open_with_generator(input)?;
    let source = Source::of(&record, input)?;
    match format {
        Format::Hf => to_hugging_face(record, &source, asked, out, &earlier, progress),
        Format::Tf => to_tensorflow(record, &source, asked.task, out, progress),
    }
}

fn to_hugging_face(
    mut record: StoredRecord,
    source: &Source,
    asked: Asked,
    out: &Path,
    earlier: &Earlier,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    let plan = hugging_face::Plan::new(source, Pretrained::of(&record).as_ref(), asked)?;
    // Nothing is written if the record is incomplete.
    for parameter in plan.parameters() {
        record.check(parameter)?;
    }
    let network = plan.subject.network();
    if let (Some(now), Some(then)) = (network, earlier.network)
        && now != then
    {
        return Err(Error::OtherNetwork {
            folder: out.display().to_string(),
            earlier: then.name(),
            network: now.name(),
        });
    }
    plan.subject.warn(&source.display());
    let (mut done, total) = (0, plan.size());
    let mut on_bytes = |count| {
        done += count;
        progress(done, total);
    };
    let left_out: Vec<LeftOut> = {
        let written: BTreeSet<&str> = plan.parameters().map(|p| p.path.as_str()).collect();
        let left = record.left().filter(|path| !written.contains(path));
        left.map(|path| LeftOut {
            parameter: path.into(),
            reason: plan.subject.reason_of(path),
        })
        .collect()
    };
    let writes_card = !earlier.has_edited_card(out);
    if !writes_card {
        let card = out.join(hugging_face::card::FILE);
        log::warn!(
            "{}: was edited since it was written: it is kept unchanged",
            card.display()
        );
    }
    let staging = Staging::create(out)?;
    let card_of = writes_card.then_some(out);
    let (files, tensors) = plan
        .write(&mut record, source, card_of, &staging, &mut on_bytes)
        .map_err(|error| staging.in_place(error))?;
    let card = match writes_card {
        true => Some(checksum(&staging.path(hugging_face::card::FILE))?),
        false => earlier.card.clone(),
    };
    let export = Export {
        format: Format::Hf,
        producer: PRODUCER,
        files,
        tensors,
        left_out,
        network,
        card,
    };
    publish(staging, source, export, &earlier.files)
}

fn to_tensorflow(
    mut record: StoredRecord,
    source: &Source,
    task: Option<&str>,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Export, Error> {
    head::check(&source.config, task, &source.display())?;
    let pretrained = Pretrained::of(&record);
    let mut parameters = tensorflow::parameters(&source.config, task);
    if let Some(pretrained) = &pretrained {
        parameters.extend(pretrained.parameters(&source.config.model));
    }
    for parameter in &parameters {
        record.check(parameter)?;
    }
    let mut moments = Moments::of(&record, &source.folder, &parameters)?;
    warn_of_heads(source);
    warn_of_lost_labels_and_ranges(&source.folder, &source.config, task);
    let staging = Staging::create(out)?;
    let (files, tensors) = tensorflow::write(
        &mut record,
        &parameters,
        moments.as_mut().ok(),
        &staging,
        progress,
    )
    .map_err(|error| staging.in_place(error))?;
    let left_out = record.left().map(|path| LeftOut {
        parameter: path.into(),
        reason: tensorflow::reason(&source.config, path),
    });
    // A fine-tuned model that is not a checkpoint is not expected to have the optimiser's state.
    let absent = moments.err();
    let absent = absent.filter(|why| pretrained.is_some() || *why != Absent::NoCheckpoint);
    let absent = absent.map(|why| LeftOut {
        parameter: "adam_m, adam_v, global_step".into(),
        reason: why.reason(),
    });
    let export = Export {
        format: Format::Tf,
        producer: PRODUCER,
        left_out: left_out.chain(absent).collect(),
        files,
        tensors,
        network: None,
        card: None,
    };
    publish(staging, source, export, &[])
}

/// Writes the vocabulary and the report, and moves all files into place. Removes those `earlier` files that
/// this export does not replace: they would describe another model.
fn publish(
    staging: Staging,
    source: &Source,
    mut export: Export,
    earlier: &[String],
) -> Result<Export, Error> {
    staging.write(VOCABULARY_FILE, &source.vocabulary)?;
    export.files.insert(0, VOCABULARY_FILE.into());
    staging.write(REPORT_FILE, &staging::json(&export))?;
    let published: Vec<&str> = [REPORT_FILE]
        .into_iter()
        .chain(export.files.iter().map(String::as_str))
        .collect();
    let is_stale =
        |name: &&str| earlier.iter().any(|file| file == name) && !published.contains(name);
    let stale: Vec<&str> = [TOKENIZER_FILE].into_iter().filter(is_stale).collect();
    staging.publish_without(&published, &stale)?;
    Ok(export)
}

/// CRC32C of a file, in the format of `export.json`.
fn checksum(path: &Path) -> Result<String, Error> {
    let bytes = plain_file::read(path, MAX_REPORT_BYTES)?.unwrap_or_default();
    Ok(format!("{:08x}", crc32c::crc32c(&bytes)))
}

/// Reports the number of attention heads if it does not follow the reference's rule.
fn warn_of_heads(source: &Source) {
    let model = &source.config.model;
    if model.num_attention_heads != (model.hidden_size / 64).max(1) {
        log::warn!(
            "{}: no variable says that num_attention_heads is {}: give it to Google's code in \
             model_hparam_overrides, and to convert back put it with hidden_size into a config.json beside \
             the checkpoint",
            source.display(),
            model.num_attention_heads
        );
    }
}

/// Warns of heads with labels or a range, which a TensorFlow checkpoint cannot store, and of heads that
/// Google's code does not have.
fn warn_of_lost_labels_and_ranges(input: &Path, config: &RecordConfig, asked: Option<&str>) {
    for (task, head) in &config.heads {
        let HeadShape::Dense(dense) = head else {
            continue;
        };
        if asked.is_some_and(|asked| asked != task) {
            continue;
        }
        if dense.hidden_layer {
            log::warn!(
                "{}: head {task:?} is left out: Google's code has none with a hidden layer",
                input.join("config.json").display()
            );
            continue;
        }
        let lost = match (&dense.labels, dense.range) {
            (Some(_), _) => format!("the labels of head {task:?} are not written"),
            (None, Some([min, max])) => {
                format!("the range of head {task:?}, {min} to {max}, is not written")
            }
            (None, None) => continue,
        };
        log::warn!(
            "{}: {lost}, because a TensorFlow checkpoint cannot store that; after converting it back, \
             copy {task:?} of \"heads\" from this config.json to its own",
            input.join("config.json").display()
        );
    }
}

/// The content of `export.json` from an earlier export to the same folder.
#[derive(Deserialize)]
struct Earlier {
    format: Format,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    network: Option<Network>,
    #[serde(default)]
    card: Option<String>,
}

impl Earlier {
    /// Whether the model card in `out` was edited since it was written.
    fn has_edited_card(&self, out: &Path) -> bool {
        let card = out.join(hugging_face::card::FILE);
        let is_there = fs::symlink_metadata(&card).is_ok();
        is_there && checksum(&card).ok() != self.card
    }
}

/// Refuses a folder that holds anything but an earlier export in the same format.
fn check_out(format: Format, out: &Path) -> Result<Earlier, Error> {
    let nothing = Earlier {
        format,
        files: Vec::new(),
        network: None,
        card: None,
    };
    let failed = |source| Error::Write {
        file: out.display().to_string(),
        source,
    };
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(nothing),
        Err(error) => return Err(failed(error)),
    };
    let is_empty = entries
        .iter()
        .all(|entry| staging::is_left_over(&entry.path()));
    if is_empty {
        return Ok(nothing);
    }
    let earlier = || {
        let text = plain_file::read(&out.join(REPORT_FILE), MAX_REPORT_BYTES).ok()??;
        serde_json::from_slice::<Earlier>(&text).ok()
    };
    earlier()
        .filter(|earlier| earlier.format == format)
        .ok_or_else(|| Error::NotEmpty {
            file: out.display().to_string(),
        })
}
