//! A file not yet in its place: nameless if the system supports that (Linux), otherwise under a
//! temporary name.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use tempfile::{NamedTempFile, TempPath};

/// Prefix of temporary file names.
pub(super) const PREFIX: &str = ".electra-";

/// A file on its way to its place.
pub(super) enum NewFile {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(File, TempPath),
}

impl NewFile {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless::create(folder) {
            return Ok(Self::Nameless(file));
        }
        let named = temporary_in(folder, |path| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).open(path)
        })?;
        let (file, path) = named.into_parts();
        Ok(Self::Named(file, path))
    }

    pub(super) fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => file,
            Self::Named(file, _) => file,
        }
    }

    /// Gives the file a name in `folder` from which it can be renamed.
    pub(super) fn name(self, folder: &Path) -> io::Result<TempPath> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => {
                let named = temporary_in(folder, |path| nameless::link(&file, path))?;
                Ok(named.into_temp_path())
            }
            // Some systems cannot rename an open file.
            Self::Named(_, path) => Ok(path),
        }
    }
}

/// Creates something under a unique temporary name; the name is left out of any error.
fn temporary_in<R>(
    folder: &Path,
    make: impl Fn(&Path) -> io::Result<R>,
) -> io::Result<NamedTempFile<R>> {
    let mut said = None;
    let made = tempfile::Builder::new()
        .prefix(PREFIX)
        .make_in(folder, |path| {
            make(path).inspect_err(|error| said = error.raw_os_error())
        });
    made.map_err(|error| said.map_or(error, io::Error::from_raw_os_error))
}

/// Nameless files, which vanish with the process that opened them.
#[cfg(target_os = "linux")]
pub(super) mod nameless {
    use std::{fs::File, io, os::fd::AsRawFd, path::Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    /// Creates a nameless file; `None` on file systems that do not support it.
    pub fn create(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        // The permissions of an ordinary new file, to which the user's umask applies.
        let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
        // The file gets its name later through the folder of open file descriptors.
        path(&file).symlink_metadata().is_ok().then_some(file)
    }

    pub fn link(file: &File, to: &Path) -> io::Result<()> {
        Ok(linkat(CWD, path(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn path(file: &File) -> std::path::PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }
}
