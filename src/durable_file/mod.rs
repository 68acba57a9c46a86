//! Files that appear whole or not at all: written next to their destination, synced to disk,
//! renamed.
//!
//! Anything that is not a regular file, such as a device or a FIFO, is written to directly instead.
//! A symbolic link is kept, and the file it leads to is replaced. The new file inherits the mode
//! and owner of the file it replaces. While it is being written, the new file has no name if the
//! system supports that (Linux), so a killed process leaves nothing behind.

mod inputs;
mod new_file;
mod packed;
mod place;

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

pub use inputs::{ReplacesInput, is_same_file, spare_inputs};
use new_file::NewFile;
pub use packed::{is_packed, pack_by_name};
use place::Place;
pub use place::{folder_of, is_own_stream, is_standard_output};

/// Writes a file through `write`, replacing what is at `path` once the new file is on disk; missing
/// folders are created.
///
/// A crash leaves either the old file or the new one; an error leaves the old one, with nothing
/// beside it.
///
/// # Errors
/// Whatever the system reports; the error names no path but those that `path` leads to.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    match Place::of(path)? {
        Place::Stream(stream) => write_to(stream, write),
        Place::File(path) => replace(&path, write),
    }
}

/// Writes a file as [`write_whole`] does, but never in place of another, not even of one that another
/// process puts there meanwhile. An error leaves nothing at `path` that this call has put there.
///
/// # Errors
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is a file, or whatever the system reports.
pub fn write_new(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    match Place::of(path)? {
        Place::Stream(stream) => write_to(stream, write),
        Place::File(path) => create(&path, write),
    }
}

fn write_to(
    stream: File,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, stream);
    write(&mut out)?;
    out.flush()
}

/// Tests whether a file can be created in `folder`, and leaves none there.
///
/// # Errors
/// If the system refuses.
pub fn try_folder(folder: &Path) -> io::Result<()> {
    NewFile::create(folder).map(drop)
}

/// Replaces `path`, which is not a link, with a new file.
fn replace(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let new = filled(folder, write)?;
    if let Ok(old) = fs::metadata(path) {
        pass_on(&old, new.file())?;
    }
    new.file().sync_all()?;
    let named = new.name(folder)?;
    rename(&named, path)?;
    // The temporary name no longer exists.
    let _ = named.keep();
    sync_folder(folder)
}

/// Puts a new file at `path`, where nothing may be.
fn create(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    let new = filled(folder, write)?;
    new.file().sync_all()?;
    match new.name(folder)?.persist_noclobber(path) {
        Ok(()) => {}
        Err(_) if path.symlink_metadata().is_ok() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Some file systems have neither links nor renames that replace nothing.
        Err(failed) => {
            rename(&failed.path, path)?;
            let _ = failed.path.keep();
        }
    }
    sync_folder(folder).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Makes a file in `folder` that has no name of its own yet, and fills it.
fn filled(
    folder: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> io::Result<NewFile> {
    fs::create_dir_all(folder)?;
    let new = NewFile::create(folder)?;
    let mut out = BufWriter::with_capacity(1 << 16, new.file());
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(new)
}

/// Gives `new` the owner and the mode of the file it replaces.
fn pass_on(old: &Metadata, new: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let made = new.metadata()?;
        if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
            // Only root can give files away; everybody can give them to a group of their own.
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

/// Renames a file or a folder. On Windows a virus scanner that briefly examines a new file prevents
/// renaming it and its folder, so there this retries for a second.
///
/// # Errors
/// If the system refuses.
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

/// Makes new names in `folder` durable. Only Unix can open a folder for that, and not every network
/// file system supports it.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if is_not_done(&error) => Ok(()),
        done => done,
    }
}

/// Returns whether the error says that the file system does not support the request.
fn is_not_done(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
}

#[cfg(test)]
mod tests;
