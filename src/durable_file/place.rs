//! Where writing to a path leads: into a stream (a device, a FIFO, an output of this program) or to
//! a file to be replaced, following symbolic links.

#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// A longer chain of links is treated as a loop.
const LINKS: usize = 40;

/// Returns whether writing to `path` goes to this program's standard output.
pub fn is_standard_output(path: &Path) -> bool {
    matches!(follow(path), Ok(Link::Own(Own::Output)))
}

/// Returns whether writing to `path` goes to a stream that this program was started with, its standard
/// output or error, though that may be a file.
pub fn is_own_stream(path: &Path) -> bool {
    matches!(follow(path), Ok(Link::Own(_)))
}

/// Where writing to a path leads.
pub(super) enum Place {
    /// Written to directly.
    Stream(File),
    /// Replaced as a whole; not a link.
    File(PathBuf),
}

impl Place {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let end = match follow(path)? {
            Link::Own(own) => return own.open().map(Self::Stream),
            Link::End(end) => end,
        };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => open_stream(path).map(Self::Stream),
            _ => Ok(Self::File(end)),
        }
    }
}

/// How long to wait for a reader of a FIFO: as long as a pipeline takes to start.
#[cfg(target_os = "linux")]
const READER_WAIT: Duration = Duration::from_secs(3);

/// Opens a device or a FIFO for writing. Without a reader, opening a FIFO would block for ever.
#[cfg(target_os = "linux")]
fn open_stream(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::{
        fs::{OFlags, fcntl_getfl, fcntl_setfl},
        io::Errno,
    };

    let began = Instant::now();
    loop {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path);
        match opened {
            Ok(stream) => {
                fcntl_setfl(&stream, fcntl_getfl(&stream)? - OFlags::NONBLOCK)?;
                return Ok(stream);
            }
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
                if began.elapsed() >= READER_WAIT {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "no process reads from this pipe (FIFO)",
                    ));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open_stream(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Where a chain of symbolic links ends.
enum Link {
    Own(Own),
    End(PathBuf),
}

/// An output stream that this program was started with.
enum Own {
    Output,
    Error,
}

impl Own {
    /// Recognises the names that systems give these streams.
    fn named(path: &Path) -> Option<Self> {
        match path.to_str()? {
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(Self::Output),
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(Self::Error),
            _ => None,
        }
    }

    /// Opens the same stream at the same position, so that later prints follow what is written.
    #[cfg(unix)]
    fn open(&self) -> io::Result<File> {
        use std::os::fd::AsFd;
        let descriptor = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned(),
            Self::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        descriptor.map(File::from)
    }

    #[cfg(not(unix))]
    fn open(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Follows `path` while it is a symbolic link. The end of the chain need not exist.
fn follow(path: &Path) -> io::Result<Link> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if cfg!(unix)
            && let Some(own) = Own::named(&path)
        {
            return Ok(Link::Own(own));
        }
        match fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            // Missing, or not a link.
            Err(_) => return Ok(Link::End(path)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns the folder of a file: the current one if its path is just a name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
