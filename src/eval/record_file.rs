//! `<predictions>.provenance.json`: where the record of a predictions file is, and whether it
//! matches the file's current content.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{error::Error, file_digest::FileDigest, json_file::write_json};

/// What lies beside a predictions file and says where it comes from.
pub trait Record: Serialize + DeserializeOwned {
    /// What is lost if the record belongs to other predictions.
    const HOLDS: &'static str;

    /// Returns the predictions that it describes.
    fn predictions(&self) -> &FileDigest;
}

/// Returns the path of a predictions file's record: `squad_preds.json` and `squad_preds.json.gz`
/// both have `squad_preds.provenance.json`.
pub fn path(predictions: &Path) -> PathBuf {
    let is_packed = predictions
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let plain = match is_packed {
        true => predictions.with_extension(""),
        false => predictions.to_owned(),
    };
    let stem = plain.file_stem().unwrap_or(OsStr::new("predictions"));
    let mut name = stem.to_owned();
    name.push(".provenance.json");
    predictions.with_file_name(name)
}

/// Computes the digest of a predictions file as its record stores it, with only the file name.
///
/// # Errors
/// If the file cannot be read.
pub fn digest(predictions: &Path) -> Result<FileDigest, Error> {
    let mut digest = FileDigest::of(predictions)?;
    digest.file = predictions.file_name().unwrap_or_default().into();
    Ok(digest)
}

/// Writes a record beside its predictions.
///
/// # Errors
/// If the file cannot be written.
pub fn write(record: &impl Record, predictions: &Path) -> Result<(), Error> {
    write_json(&path(predictions), record)
}

/// The record of a predictions file, if it has one that speaks of its content. One that is
/// damaged or belongs to other predictions is passed over, and that is said.
///
/// # Errors
/// If the predictions cannot be read.
pub fn beside<R: Record>(predictions: &Path) -> Result<Option<R>, Error> {
    let path = path(predictions);
    if !path.is_file() {
        return Ok(None);
    }
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let record =
        read.and_then(|text| serde_json::from_slice::<R>(&text).map_err(|error| error.to_string()));
    let record = match record {
        Ok(record) => record,
        Err(error) => {
            log::warn!("{}: passed over: {error}", path.display());
            return Ok(None);
        }
    };
    if !record.predictions().is_of(predictions)? {
        log::warn!(
            "{} belongs to other predictions than {} holds now: its {} is passed over",
            path.display(),
            predictions.display(),
            R::HOLDS
        );
        return Ok(None);
    }
    Ok(Some(record))
}
