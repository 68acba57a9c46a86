//! Why autotuning stopped early.

use crate::device;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("stopped while kernels were being tried")]
    Stopped,
    #[error("{0}")]
    Device(String),
    #[error("no kernel variant computes {0} correctly")]
    AllWrong(String),
}

impl Error {
    /// Converts the error into that of the device with this name.
    pub fn on(self, name: &str) -> device::Error {
        match self {
            Self::Stopped => device::Error::Stopped,
            Self::Device(_) | Self::AllWrong(_) => device::Error::Products {
                name: name.to_owned(),
                reason: self.to_string(),
            },
        }
    }
}

impl From<String> for Error {
    fn from(reason: String) -> Self {
        Self::Device(reason)
    }
}
