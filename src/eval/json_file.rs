//! Values → JSON files, written whole or not at all.
//!
//! The layout is that of Python's `json.dump`: `", "` and `": "` as separators, and every character
//! outside ASCII escaped, so that programs that guess the encoding can read it, and files of both
//! systems can be compared line by line.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::error::Error;
use crate::durable_file::write_whole;

/// Writes `value` as JSON to `path`, replacing any existing file; missing folders are created.
///
/// # Errors
/// If the folder or the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write_file(path, |out| {
        let mut serializer = serde_json::Serializer::with_formatter(out, PythonFormatter);
        value.serialize(&mut serializer).map_err(io::Error::from)
    })
}

/// Returns the text that [`write_json`] writes.
pub fn json_text(value: &serde_json::Value) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, PythonFormatter);
    // Writing to memory cannot fail, and every value can be serialised.
    let _ = value.serialize(&mut serializer);
    text
}

/// Writes `text` to `path`, replacing any existing file; missing folders are created.
///
/// # Errors
/// As for [`write_json`].
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_file(path, |out| out.write_all(text.as_bytes()))
}

/// Writes a file through `write`.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    write_whole(path, write).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(|c: char| !c.is_ascii() || c == '\u{7F}') {
            let (plain, tail) = rest.split_at(place);
            out.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            if let Some(c) = tail.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
            rest = tail.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_as_python_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/preds.json");
        let value = serde_json::json!({
            "a": "1641–1679 \"x\"\n\u{7F}\u{1}", "b": [1, 2.5, {}], "𝒜": {"c": null, "d": true},
        });
        write_json(&path, &value).unwrap();
        // Printed by Python 3.11's json.dumps for the same value.
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"a": "1641\u20131679 \"x\"\n\u007f\u0001", "b": [1, 2.5, {}], "\ud835\udc9c": {"c": null, "d": true}}"#
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let path = folder.path().join("file/preds.json");
        let message = write_text(&path, "").unwrap_err().to_string();
        assert!(message.contains("preds.json"), "{message}");
    }
}
