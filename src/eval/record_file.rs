//! `<predictions>.provenance.json`: where the record of a predictions file is, and whether it
//! matches the file's current content.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    error::Error,
    file_digest::FileDigest,
    json_file::{json_text, write_json},
};

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

/// Gives a copy of predictions the record of what it is a copy of; `copies` are the files that were
/// copied, each with its copy, which the new record names instead. A record that is not there or cannot be
/// read has no copy.
///
/// # Errors
/// If the record cannot be written.
pub fn copy(
    predictions: &Path,
    copied_to: &Path,
    copies: &[(PathBuf, PathBuf)],
) -> Result<(), Error> {
    let Ok(text) = std::fs::read(path(predictions)) else {
        return Ok(());
    };
    let Ok(Value::Object(mut record)) = serde_json::from_slice(&text) else {
        return Ok(());
    };
    for part in record.values_mut() {
        let Some(file) = part.get_mut("file") else {
            continue;
        };
        let name = file.as_str().map(Path::new);
        let renamed = copies.iter().find_map(|(from, to)| {
            // Beside the predictions its name alone, elsewhere its path.
            if name == from.file_name().map(Path::new) {
                return to.file_name().map(Path::new);
            }
            (name == Some(from.as_path())).then_some(to.as_path())
        });
        if let Some(renamed) = renamed {
            *file = renamed.to_string_lossy().into_owned().into();
        }
    }
    let (to, record) = (path(copied_to), Value::Object(record));
    match std::fs::read(&to) {
        Ok(there) if there == json_text(&record) => Ok(()),
        _ => write_json(&to, &record),
    }
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
            log::warn!("{}: ignored: {error}", path.display());
            return Ok(None);
        }
    };
    if !record.predictions().is_of(predictions)? {
        log::warn!(
            "{} belongs to other predictions than those now in {}: its {} is ignored",
            path.display(),
            predictions.display(),
            R::HOLDS
        );
        return Ok(None);
    }
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn the_record_of_a_copy_names_what_was_copied_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let copies = [
            (at("preds_2.json"), at("preds.json")),
            (at("odds/na_2.json"), at("odds/na.json")),
        ];
        let record = |predictions: &str, null_odds: &Path| {
            json!({
                "data": {"file": "dev.json", "sha256": "a"},
                "predictions": {"file": predictions, "sha256": "b"},
                "null_odds": {"file": null_odds, "sha256": "c"},
                "settings": {"file": 1},
                "threshold": -2.75,
            })
        };
        let own = record("preds_2.json", &copies[1].0);
        fs::write(at("preds_2.provenance.json"), own.to_string()).unwrap();
        let copy = || copy(&copies[0].0, &copies[0].1, &copies).unwrap();
        let there = || fs::read(at("preds.provenance.json")).unwrap();
        copy();
        let expected = record("preds.json", &copies[1].1);
        assert_eq!(there(), json_text(&expected));
        // What cannot be read says nothing of the copy.
        fs::write(at("preds_2.provenance.json"), "{").unwrap();
        copy();
        assert_eq!(there(), json_text(&expected));
    }
}
