//! Explains what is wrong with a zip archive and what to do about it, given the library's error.

use std::io::{self, Read};

use zip::result::ZipError;

const DAMAGED: &str = "it is cut off or damaged: download or copy it again";

/// Explains `error` to the owner of the archive.
pub(crate) fn words(error: &ZipError) -> String {
    match error {
        ZipError::InvalidArchive(what) => format!("{DAMAGED} ({what})"),
        ZipError::Io(error) if is_damage(error.kind()) => format!("{DAMAGED} ({error})"),
        ZipError::Io(error) => error.to_string(),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            "it is encrypted: unpack it with its password and give the folder".into()
        }
        ZipError::CompressionMethodNotSupported(method) => format!(
            "it is packed by method {method}, only deflate is read: unpack it and give the folder"
        ),
        other => format!("{other}; unpack it and give the folder"),
    }
}

fn is_damage(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(kind, InvalidData | InvalidInput | UnexpectedEof)
}

/// A reader of a member that translates errors.
pub(crate) struct Reader<R>(pub R);

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            kind if is_damage(kind) => {
                let what =
                    format!("the archive is damaged here ({error}): download or copy it again");
                io::Error::new(io::ErrorKind::InvalidData, what)
            }
            _ => error,
        })
    }
}
