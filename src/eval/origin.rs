//! Where metrics come from: model, device, settings, command.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{shell::quoted, utc};

/// The origin of a run's metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The model that answered.
    pub checkpoint: PathBuf,
    /// When it answered, in UTC.
    pub date: String,
    /// Version of this program.
    pub version: String,
    pub device: String,
    /// Number format of the matmuls.
    pub precision: String,
    /// The trial's seed; `None` for a model that was opened as is.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Hyper-parameters that differ from their defaults.
    #[serde(default)]
    pub settings: Map<String, Value>,
    pub command: String,
}

impl Origin {
    /// Fills in what is known for any command: its words, the version, the time.
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

/// Returns the command line, quoted for a shell.
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
