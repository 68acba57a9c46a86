//! A file that is not yet in its place: without a name where the system can do that (Linux), else under
//! a temporary one.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use tempfile::{NamedTempFile, TempPath};

/// How the names of files begin that are not yet in their place.
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
            // Some systems rename no file that is open.
            Self::Named(_, path) => Ok(path),
        }
    }
}

/// Makes something under a name of its own. What the system says against it is said without that name.
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

/// Files without a name, which are gone with the process that opened them.
#[cfg(target_os = "linux")]
pub(super) mod nameless {
    use std::{fs::File, io, os::fd::AsRawFd, path::Path};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    /// `None` on file systems without them.
    pub fn create(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        // The permissions of an ordinary new file; the user's mask is taken off.
        let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
        // It gets its name through the folder of open files.
        path(&file).symlink_metadata().is_ok().then_some(file)
    }

    pub fn link(file: &File, to: &Path) -> io::Result<()> {
        Ok(linkat(CWD, path(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
    }

    fn path(file: &File) -> std::path::PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }
}
