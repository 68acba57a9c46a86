//! Files that appear whole or not at all: written beside their place, brought to the disk, renamed.
//!
//! What is no file, such as a device or a FIFO, is written into instead. A symbolic link keeps
//! standing: the file that it leads to is replaced. A file that is replaced passes its mode and its
//! owner on. While it is written the new file has no name where the system can do that (Linux), so
//! that a process that is killed leaves nothing behind.

mod inputs;
mod new_file;
mod place;

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

pub use inputs::{ReplacesInput, is_same_file, spare_inputs};
use new_file::NewFile;
use place::Place;
pub use place::{folder_of, is_standard_output};

/// Writes a file through `write`, replacing what stands at `path` once the new one is on the disk;
/// missing folders are made.
///
/// A crash leaves the old file or the new one; an error leaves the old one and nothing beside it.
///
/// # Errors
/// Whatever the system says; no name in it but those that `path` leads to.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    match Place::of(path)? {
        Place::Stream(stream) => {
            let mut out = BufWriter::with_capacity(1 << 16, stream);
            write(&mut out)?;
            out.flush()
        }
        Place::File(path) => replace(&path, write),
    }
}

/// Tries whether a file can be made in `folder`, and leaves none there.
///
/// # Errors
/// What the system says against it.
pub fn try_folder(folder: &Path) -> io::Result<()> {
    NewFile::create(folder).map(drop)
}

/// Puts a new file in the place of `path`, which is no link.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let new = NewFile::create(folder)?;
    let mut out = BufWriter::with_capacity(1 << 16, new.file());
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Ok(old) = fs::metadata(path) {
        pass_on(&old, new.file())?;
    }
    new.file().sync_all()?;
    let named = new.name(folder)?;
    rename(&named, path)?;
    // Nothing has that name any more.
    let _ = named.keep();
    sync_folder(folder)
}

/// Gives `new` the owner and the mode of the file that it replaces.
fn pass_on(old: &Metadata, new: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let made = new.metadata()?;
        if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
            // Only root gives files away; everybody may give them to a group of theirs.
            let given = fchown(new, Some(old.uid()), Some(old.gid()));
            let _ = given.or_else(|_| fchown(new, None, Some(old.gid())));
        }
        new.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))
    }
    #[cfg(not(unix))]
    {
        new.set_permissions(old.permissions())
    }
}

/// Renames a file or a folder. On Windows a scanner that looks at a new file for a moment keeps it and
/// its folder from being renamed: there this is tried for a second.
///
/// # Errors
/// What the system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let mut tries = if cfg!(windows) { 50 } else { 1 };
    loop {
        tries -= 1;
        match fs::rename(from, to) {
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Makes new names in `folder` durable; only Unix can open a folder for that, and not every file
/// system of another machine does it.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if is_not_done(&error) => Ok(()),
        done => done,
    }
}

/// What file systems say of a request that they do not know.
fn is_not_done(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

#[cfg(test)]
mod tests;
