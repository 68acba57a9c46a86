//! How long the name of a tensor may be.

use super::error::Error;

/// Of a tensor or a storage; the longest of ELECTRA's has under a hundred.
const MAX_NAME_BYTES: usize = 1024;

/// A name is kept many times over, so that its length is bounded.
pub(super) fn check_name(file: &str, name: &str) -> Result<(), Error> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::NameLength {
            file: file.into(),
            start: name.chars().take(40).collect(),
            length: name.len(),
            limit: MAX_NAME_BYTES,
        });
    }
    Ok(())
}
