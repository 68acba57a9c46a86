//! Creates files without replacing any.

use std::{
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use super::error::Error;
use crate::durable_file::{folder_of, is_own_stream, pack_by_name, write_new};

/// Writes the contents of a file.
pub(super) type Fill<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

/// Rejects a path that already exists. Devices, pipes and the program's own output, which are written to
/// directly, are allowed.
pub(super) fn expect_free(path: &Path) -> Result<(), Error> {
    let there = path.symlink_metadata().is_ok();
    match there && !is_stream(path) {
        true => Err(Error::Exists {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Returns whether a path leads to a device, a pipe or the program's own output, into a file or not, which
/// is written to directly.
fn is_stream(path: &Path) -> bool {
    let found = fs::metadata(path);
    is_own_stream(path) || found.is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Returns whether two outputs, neither of which is an existing file, would end up in one place.
pub(super) fn is_same_place(one: &Path, other: &Path) -> bool {
    real_place(one) == real_place(other) || is_same_stream(one, other)
}

/// Resolves the links and dots in a path, of which the last parts need not exist.
fn real_place(path: &Path) -> PathBuf {
    let Some(name) = path.file_name() else {
        return path.to_owned();
    };
    real_folder(folder_of(path)).join(name)
}

/// Same as [`real_place`] for a folder, which is created with the file if it is missing.
fn real_folder(folder: &Path) -> PathBuf {
    if let Ok(real) = folder.canonicalize() {
        return real;
    }
    // A folder that is yet to be created is no link, so that two dots lead to where it will lie.
    match folder.components().next_back() {
        Some(Component::Normal(name)) => real_folder(folder_of(folder)).join(name),
        Some(Component::ParentDir) => {
            let mut real = real_folder(folder_of(folder));
            real.pop();
            real
        }
        _ => folder.to_owned(),
    }
}

/// Returns whether two paths lead to the same device or pipe.
fn is_same_stream(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
        is_stream(one) && matches!((of(one), of(other)), (Ok(a), Ok(b)) if a == b)
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        false
    }
}

/// Writes a file under a temporary name and renames it once it is complete, unless another is there by
/// then. A name that ends in `.gz` makes it a gzip archive.
pub(super) fn write(path: &Path, fill: Fill<'_>) -> Result<(), Error> {
    let written = write_new(path, |out| fill_out(path, fill, out));
    written.map_err(|source| not_written(path, source))
}

/// Why a file is not written; another process may have put one there meanwhile.
fn not_written(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() == io::ErrorKind::AlreadyExists && expect_free(&path).is_err() {
        true => Error::Exists { path },
        false => Error::Write { path, source },
    }
}

/// Writes both files or neither.
pub(super) fn write_both(one: (&Path, Fill<'_>), other: (&Path, Fill<'_>)) -> Result<(), Error> {
    // What a device or a pipe has received cannot be taken back, so it is written last.
    let ((outer, outer_fill), (inner, inner_fill)) = match is_stream(one.0) {
        true => (other, one),
        false => (one, other),
    };
    let mut of_inner = Ok(());
    let mut inner_is_written = false;
    let of_outer = write_new(outer, |out| {
        // The outer file is complete, but has no name yet, when the inner one is written.
        fill_out(outer, outer_fill, out)?;
        let written = write(inner, inner_fill);
        inner_is_written = written.is_ok();
        // Where case does not matter, both names may mean the file that has just been written.
        of_inner = written.and_then(|()| expect_free(outer));
        match of_inner {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::other("the other file is not written")),
        }
    });
    let of_outer = of_outer.map_err(|source| not_written(outer, source));
    let written = of_inner.and(of_outer);
    if written.is_err() && inner_is_written && !is_stream(inner) {
        // It replaced nothing.
        let _ = fs::remove_file(inner);
    }
    written
}

/// Writes everything that a file is to hold, packed if its name says so.
fn fill_out(path: &Path, fill: Fill<'_>, out: &mut (dyn Write + Send)) -> io::Result<()> {
    pack_by_name(path, out, |out| fill(out))?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.json");
        expect_free(&file).unwrap();
        write(&file, &|out| out.write_all(b"{}")).unwrap();
        let message = expect_free(&file).unwrap_err().to_string();
        let expected =
            "train.json: exists, and is not replaced; give another file, or move it away";
        assert!(message.ends_with(expected), "{message}");
        assert!(expect_free(folder.path()).is_err());
        #[cfg(unix)]
        expect_free(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn one_place_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("d")).unwrap();
        for (one, other, same) in [
            ("s", "./s", true),
            ("s", "d/../s", true),
            // Neither folder exists.
            ("new/s", "new/./s", true),
            ("s", "new/../s", true),
            ("new/s", "new/more/../s", true),
            ("new/s", "new/more/s", false),
            ("s", "d/s", false),
            ("s", "t", false),
        ] {
            assert_eq!(
                is_same_place(&path(one), &path(other)),
                same,
                "{one} {other}"
            );
        }
        assert!(is_same_place(Path::new("s"), Path::new("./s")));
        assert!(is_same_place(
            Path::new("s"),
            &std::path::absolute("s").unwrap()
        ));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("d", path("link")).unwrap();
            assert!(is_same_place(&path("d/s"), &path("link/s")));
            assert!(is_same_place(&path("d/new/s"), &path("link/new/s")));
            // Two dots behind a link lead out of the folder that it leads to.
            std::os::unix::fs::symlink("d/e", path("deep")).unwrap();
            fs::create_dir(path("d/e")).unwrap();
            assert!(is_same_place(&path("d/s"), &path("deep/../s")));
            assert!(!is_same_place(&path("s"), &path("deep/../s")));
            std::os::unix::fs::symlink("/dev/null", path("null")).unwrap();
            assert!(is_same_place(Path::new("/dev/null"), &path("null")));
            assert!(!is_same_place(
                Path::new("/dev/null"),
                Path::new("/dev/zero")
            ));
        }
    }

    #[test]
    fn a_name_in_gz_makes_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("train.jsonl.gz");
        write(&file, &|out| out.write_all(b"{}\n")).unwrap();
        assert_eq!(fs::read(&file).unwrap()[..2], [0x1F, 0x8B]);
        assert_eq!(crate::data::source::read_text(&file).unwrap(), "{}\n");
    }

    #[test]
    fn both_files_are_written_or_neither() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let left = || fs::read_dir(folder.path()).unwrap().count();
        let fails: Fill<'_> = &|_| Err(io::Error::other("no more"));
        let works: Fill<'_> = &|out| out.write_all(b"x");
        for (first, second, named) in [(fails, works, "one"), (works, fails, "other")] {
            let message = write_both((&one, first), (&other, second)).unwrap_err();
            let message = message.to_string();
            let expected = format!("{named}: the file cannot be written");
            assert!(message.contains(&expected), "{message}");
            assert_eq!(left(), 0);
        }
        // Another process, or a name in capitals, is there first.
        let late: Fill<'_> = &|out| {
            fs::write(&one, "theirs")?;
            out.write_all(b"x")
        };
        let message = write_both((&one, works), (&other, late)).unwrap_err();
        assert!(message.to_string().contains("one: exists"), "{message}");
        assert_eq!(fs::read_to_string(&one).unwrap(), "theirs");
        assert_eq!(left(), 1);
        fs::remove_file(&one).unwrap();
        // It has the inner file alone so far, or both.
        for has_both in [false, true] {
            let late: Fill<'_> = &|out| {
                fs::write(&other, "theirs too")?;
                if has_both {
                    fs::write(&one, "theirs")?;
                }
                out.write_all(b"x")
            };
            let message = write_both((&one, works), (&other, late)).unwrap_err();
            assert!(message.to_string().contains("other: exists"), "{message}");
            assert_eq!(fs::read_to_string(&other).unwrap(), "theirs too");
            assert_eq!(left(), if has_both { 2 } else { 1 });
            if has_both {
                assert_eq!(fs::read_to_string(&one).unwrap(), "theirs");
                fs::remove_file(&one).unwrap();
            }
            fs::remove_file(&other).unwrap();
        }
        #[cfg(target_os = "linux")]
        for device_first in [true, false] {
            let (device, file) = ((Path::new("/dev/full"), works), (one.as_path(), works));
            let written = match device_first {
                true => write_both(device, file),
                false => write_both(file, device),
            };
            let message = written.unwrap_err().to_string();
            assert!(
                message.starts_with("/dev/full: the file cannot"),
                "{message}"
            );
            assert_eq!(left(), 0);
        }
        write_both((&one, works), (&other, works)).unwrap();
        assert_eq!(left(), 2);
    }
}
