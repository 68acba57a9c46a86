//! Where figures come from: model, device, settings, command.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{shell::quoted, utc};

/// Where a run's figures come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The model that answered.
    pub checkpoint: PathBuf,
    /// When it answered, in UTC.
    pub date: String,
    /// Of this program.
    pub version: String,
    pub device: String,
    /// Number format of the matrix products.
    pub precision: String,
    /// The trial's; none of a model that was opened as it is.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Hyper-parameters that differ from their defaults.
    #[serde(default)]
    pub settings: Map<String, Value>,
    pub command: String,
}

impl Origin {
    /// What is known of any command: its words, the version, the time.
    pub fn of_command(checkpoint: &Path) -> Self {
        Origin {
            checkpoint: checkpoint.to_owned(),
            date: utc::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command(),
            ..Origin::default()
        }
    }
}

/// The command line, quoted for a shell.
pub fn command() -> String {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let mut command = quoted(program);
    for word in words {
        command.push(' ');
        command.push_str(&quoted(&word));
    }
    command
}
