//! `origin.json`: identifies a run, in its folder from the first step on, so that a report can show it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::eval::{self, json_file::write_json, origin::Origin};

/// The file's name in the model's folder.
pub const FILE: &str = "origin.json";

/// The provenance of a run's figures, and its number of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOrigin {
    /// Steps of the whole run.
    pub steps: u64,
    /// Of the command that made the last of its steps.
    #[serde(flatten)]
    pub origin: Origin,
}

impl RunOrigin {
    /// Writes it into the model's folder.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, model_dir: &Path) -> Result<(), eval::Error> {
        write_json(&model_dir.join(FILE), self)
    }

    /// The origin of the run in a folder, if recorded.
    pub fn read(model_dir: &Path) -> Option<Self> {
        let bytes = std::fs::read(model_dir.join(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}
