//! Files that appear whole or not at all: written beside their place, brought to the disk, renamed.
//!
//! What is no file, such as a device or a FIFO, is written into instead. A symbolic link keeps
//! standing: the file that it leads to is replaced. A file that is replaced passes its mode and its
//! owner on. While it is written the new file has no name where the system can do that (Linux), so
//! that a process that is killed leaves nothing behind.

#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempPath};

/// How the names of files begin that are not yet in their place.
const PREFIX: &str = ".electra-";

/// More links than this in a row lead nowhere.
const LINKS: usize = 40;

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

/// Whether what is written to `path` comes out of this program's standard output.
pub fn is_standard_output(path: &Path) -> bool {
    matches!(follow(path), Ok(Link::Own(Own::Output)))
}

/// Whether both paths lead to one and the same file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::metadata(one), fs::metadata(other)) else {
        return false;
    };
    if !a.is_file() || !b.is_file() {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }
    #[cfg(not(unix))]
    {
        matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(a), Ok(b)) if a == b)
    }
}

/// An output that a command would write over one of its inputs.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: is an input of this command too, and would be replaced; choose another output",
    path.display()
)]
pub struct ReplacesInput {
    path: PathBuf,
}

/// Refuses an output that is one of the inputs.
///
/// # Errors
/// When it is, by whatever name.
pub fn spare_inputs<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), ReplacesInput> {
    match inputs.into_iter().any(|input| is_same_file(output, input)) {
        true => Err(ReplacesInput {
            path: output.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Where what is written to a path goes.
enum Place {
    /// Written into as it is.
    Stream(File),
    /// Replaced as a whole; no link.
    File(PathBuf),
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
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

/// How long a FIFO may take to find a reader: as long as a pipeline takes to start.
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
                        "nobody reads from this pipe (FIFO)",
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

/// What symbolic links end in.
enum Link {
    Own(Own),
    End(PathBuf),
}

/// An output that this program was started with.
enum Own {
    Output,
    Error,
}

impl Own {
    /// By the names that systems have for them.
    fn named(path: &Path) -> Option<Self> {
        match path.to_str()? {
            "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(Self::Output),
            "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(Self::Error),
            _ => None,
        }
    }

    /// The same stream, with the same place in it: what is printed later follows.
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

/// Follows `path` as long as it is a symbolic link. What it ends in need not exist.
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
            // Missing, or no link.
            Err(_) => return Ok(Link::End(path)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder that a file lies in: the current one if its path has but a name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
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
    named.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A file on its way to its place.
enum NewFile {
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(File, TempPath),
}

impl NewFile {
    fn create(folder: &Path) -> io::Result<Self> {
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

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => file,
            Self::Named(file, _) => file,
        }
    }

    /// Gives the file a name in `folder` from which it can be renamed.
    fn name(self, folder: &Path) -> io::Result<TempPath> {
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
mod nameless {
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

/// Makes new names in `folder` durable; only Unix can open a folder for that.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path, text: &'static str) -> io::Result<()> {
        write_whole(path, |out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.txt");
        let write = |text: &'static str| write_whole(&path, |out| out.write_all(text.as_bytes()));
        write("old and longer\n").unwrap();
        write("new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.txt");
        std::fs::write(&path, "old").unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn missing_folders_are_made_and_errors_name_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/results.txt");
        text(&path, "x").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        let below_a_file = path.join("results.txt");
        let message = text(&below_a_file, "x").unwrap_err().to_string();
        assert!(!message.contains(PREFIX), "{message}");
        let message = text(folder.path(), "x").unwrap_err().to_string();
        assert!(message.contains("directory"), "{message}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn while_it_is_written_a_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        if nameless::create(folder.path()).is_none() {
            return; // A file system without them.
        }
        let path = folder.path().join("results.txt");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        write_whole(&path, |out| {
            out.write_all(b"x")?;
            assert_eq!(names(), 0);
            Ok(())
        })
        .unwrap();
        assert_eq!(names(), 1);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn a_file_keeps_its_mode_and_a_new_one_has_that_of_others() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("results.txt");
            let plain = folder.path().join("plain.txt");
            fs::write(&plain, "").unwrap();
            text(&path, "x").unwrap();
            assert_eq!(mode(&path), mode(&plain));
            for kept in [0o600, 0o664, 0o755] {
                fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
                text(&path, "y").unwrap();
                assert_eq!(mode(&path), kept);
            }
        }

        #[test]
        fn links_stay_and_what_they_lead_to_is_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("elsewhere")).unwrap();
            fs::write(at("elsewhere/old.txt"), "old").unwrap();
            symlink("elsewhere/old.txt", at("first")).unwrap();
            symlink("first", at("second")).unwrap();
            symlink("elsewhere/new.txt", at("dangling")).unwrap();
            symlink("loop", at("loop")).unwrap();
            text(&at("second"), "new").unwrap();
            text(&at("dangling"), "made").unwrap();
            for link in ["first", "second", "dangling"] {
                assert!(at(link).is_symlink(), "{link}");
            }
            let read = |name: &str| fs::read_to_string(at(name)).unwrap();
            assert_eq!(read("elsewhere/old.txt"), "new");
            assert_eq!(read("elsewhere/new.txt"), "made");
            assert!(text(&at("loop"), "x").is_err());
        }

        #[test]
        #[cfg(target_os = "linux")]
        fn a_pipe_that_nobody_reads_is_told_of_in_a_moment() {
            let folder = tempfile::tempdir().unwrap();
            let fifo = folder.path().join("fifo");
            let made = std::process::Command::new("mkfifo").arg(&fifo).status();
            assert!(made.unwrap().success());
            let message = text(&fifo, "x").unwrap_err().to_string();
            assert_eq!(message, "nobody reads from this pipe (FIFO)");
        }

        #[test]
        fn devices_and_pipes_are_written_into() {
            let folder = tempfile::tempdir().unwrap();
            let fifo = folder.path().join("fifo");
            let made = std::process::Command::new("mkfifo").arg(&fifo).status();
            assert!(made.unwrap().success());
            let link = folder.path().join("null");
            symlink("/dev/null", &link).unwrap();
            let reader = std::thread::spawn({
                let fifo = fifo.clone();
                move || fs::read_to_string(fifo).unwrap()
            });
            text(&fifo, "through").unwrap();
            assert_eq!(reader.join().unwrap(), "through");
            text(&link, "away").unwrap();
            let kind = |path: &Path| fs::symlink_metadata(path).unwrap().file_type();
            assert!(!kind(&fifo).is_file() && !kind(&fifo).is_symlink());
            assert!(kind(&link).is_symlink());
            assert!(!kind(Path::new("/dev/null")).is_file());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }

        #[test]
        fn the_program_s_own_outputs_are_known_behind_links() {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join("stdout");
            symlink("/proc/self/fd/1", &link).unwrap();
            assert!(is_standard_output(&link));
            assert!(is_standard_output(Path::new("/dev/stdout")));
            assert!(!is_standard_output(Path::new("/dev/stderr")));
            assert!(!is_standard_output(&folder.path().join("none")));
        }

        #[test]
        fn an_input_is_spared_by_whatever_name() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::write(at("data.json"), "{}").unwrap();
            symlink("data.json", at("link")).unwrap();
            fs::hard_link(at("data.json"), at("hard")).unwrap();
            let input = at("data.json");
            for output in ["data.json", "link", "hard", "./data.json"] {
                let refused = spare_inputs(&at(output), [input.as_path()]).unwrap_err();
                assert!(refused.to_string().contains("would be replaced"));
            }
            assert!(spare_inputs(&at("other"), [input.as_path()]).is_ok());
            let null = Path::new("/dev/null");
            assert!(spare_inputs(null, [null]).is_ok());
        }
    }
}
