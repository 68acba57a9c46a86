//! Creates files without replacing any.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::error::Error;
use crate::durable_file::write_whole;

/// Rejects a path that already exists. Devices and pipes, which are written to directly, are
/// allowed.
pub(super) fn expect_free(path: &Path) -> Result<(), Error> {
    let there = path.symlink_metadata().is_ok();
    let stream = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    match there && !stream {
        true => Err(Error::Exists {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Writes a file under a temporary name and renames it once it is complete.
pub(super) fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let written = write_whole(path, |out| fill(out));
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.json");
        expect_free(&file).unwrap();
        write(&file, |out| out.write_all(b"{}")).unwrap();
        let message = expect_free(&file).unwrap_err().to_string();
        let expected =
            "train.json: exists, and is not replaced; give another file, or move it away";
        assert!(message.ends_with(expected), "{message}");
        assert!(expect_free(folder.path()).is_err());
        #[cfg(unix)]
        expect_free(Path::new("/dev/null")).unwrap();
    }
}
