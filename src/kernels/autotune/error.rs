//! Why autotuning stopped early.

use crate::device;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("stopped while kernels were being tried")]
    Stopped,
    #[error("{0}")]
    Device(String),
}

impl Error {
    /// Converts the error into that of the device with this name.
    pub fn on(self, name: &str) -> device::Error {
        match self {
            Self::Stopped => device::Error::Stopped,
            Self::Device(reason) => device::Error::Products {
                name: name.to_owned(),
                reason,
            },
        }
    }
}

impl From<String> for Error {
    fn from(reason: String) -> Self {
        Self::Device(reason)
    }
}
