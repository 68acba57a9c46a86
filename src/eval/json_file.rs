//! Values → JSON files, whole or not at all.
//!
//! The text is laid out as Python's `json.dump` does it: `", "` and `": "` between the parts,
//! and every character outside ASCII escaped, so that programs which guess at encodings read it
//! too, and so that the files of both systems can be compared line by line. A file is written
//! beside its place, brought to the disk, then renamed: a crash leaves the old one or the new.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::error::Error;

/// Writes `value` as JSON to `path`, replacing what stands there; missing folders are made.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write_whole(path, |out| {
        let mut serializer = serde_json::Serializer::with_formatter(out, PythonFormatter);
        value.serialize(&mut serializer).map_err(io::Error::from)
    })
}

/// Writes `text` to `path`, replacing what stands there; missing folders are made.
///
/// # Errors
/// As [`write_json`].
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let attempt = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let mut out = io::BufWriter::new(beside(folder)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The new name is on the disk once the folder is; Windows cannot open folders.
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    attempt().map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// A temporary file in `folder` with the permissions of an ordinary new file.
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".results-");
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    builder.tempfile_in(folder)
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
        // Printed by Python 3.11's json.dumps of the same value.
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"a": "1641\u20131679 \"x\"\n\u007f\u0001", "b": [1, 2.5, {}], "\ud835\udc9c": {"c": null, "d": true}}"#
        );
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.txt");
        write_text(&path, "old and longer\n").unwrap();
        write_text(&path, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
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
