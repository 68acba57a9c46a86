//! Limits the length of tensor names.

use super::error::Error;

/// For a tensor or a storage; ELECTRA's longest has under a hundred.
const MAX_NAME_BYTES: usize = 1024;

/// Checks the length of a name, which is bounded because a name is stored many times.
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
