//! Files that are packed with gzip if their names say so.

use std::{
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

/// Returns whether the file of this name is a gzip archive: it ends in `.gz`.
pub fn is_packed(path: &Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
}

/// Writes what the file at `path` is to hold to `out`, packed if [`is_packed`] says so.
///
/// # Errors
/// Those of `fill` and of `out`.
pub fn pack_by_name(
    path: &Path,
    out: &mut (dyn Write + Send),
    fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    if !is_packed(path) {
        return fill(out);
    }
    let mut packer = GzEncoder::new(out, Compression::default());
    fill(&mut packer)?;
    packer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_gz_makes_an_archive() {
        let written = |name: &str| {
            let mut bytes = Vec::new();
            pack_by_name(Path::new(name), &mut bytes, |out| out.write_all(b"{}\n")).unwrap();
            bytes
        };
        assert_eq!(written("dev.json"), b"{}\n");
        assert_eq!(written("gz"), b"{}\n");
        for name in ["dev.json.gz", "DEV.JSON.GZ"] {
            let packed = written(name);
            let mut text = String::new();
            let mut reader = flate2::read::GzDecoder::new(packed.as_slice());
            io::Read::read_to_string(&mut reader, &mut text).unwrap();
            assert_eq!(text, "{}\n", "{name}");
        }
    }

    #[test]
    fn an_error_is_that_of_the_content() {
        let failed = pack_by_name(Path::new("a.gz"), &mut Vec::new(), |_| {
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
    }
}
