//! The optimiser's state in a run's checkpoint. Takes `optimizer.bpk` and `state.json` beside a record;
//! yields Adam's moments under the reference's names, and the number of steps.

use std::path::Path;

use serde::Deserialize;

use crate::Error;
use crate::names::Parameter;
use crate::plain_file;
use crate::stored_record::StoredRecord;

const FILE: &str = "optimizer.bpk";
const STATE_FILE: &str = "state.json";
/// A run of many tasks has some tens of kilobytes.
const MAX_STATE_BYTES: u64 = 16 << 20;

/// Why a folder has no state from which Google's code can continue: it restores the moments of every
/// variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The folder is not a checkpoint of a run.
    NoCheckpoint,
    /// The moments of some parameters are stored in fewer bits.
    OtherFormat,
    /// Some parameters have no moments.
    NotTrained,
}

impl Absent {
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoCheckpoint => {
                "optimiser state: only a checkpoint-N folder of a run has it (moments in float32); export \
                 that one to continue training with Google's code"
            }
            Self::OtherFormat => {
                "optimiser state: Google's code has moments in float32 only, and this run's are in fewer \
                 bits; train with optimizer_moments=f32 to export them"
            }
            Self::NotTrained => {
                "optimiser state: layers that were not trained have no moments, and Google's code needs \
                 those of every variable"
            }
        }
    }
}

/// Both moments of all parameters, and the step.
pub(super) struct Moments {
    pub record: StoredRecord,
    /// Completed steps.
    pub step: i64,
}

#[derive(Deserialize)]
struct State {
    step: i64,
}

impl Moments {
    /// The moments of all `parameters` of the record in `folder`, or why some are missing.
    ///
    /// # Errors
    /// If they exist but cannot be read.
    pub fn of(
        record: &StoredRecord,
        folder: &Path,
        parameters: &[Parameter],
    ) -> Result<Result<Self, Absent>, Error> {
        let (moments, state) = (folder.join(FILE), folder.join(STATE_FILE));
        if !moments.exists() {
            return Ok(Err(Absent::NoCheckpoint));
        }
        let Some(text) = plain_file::read(&state, MAX_STATE_BYTES)? else {
            return Ok(Err(Absent::NoCheckpoint));
        };
        let state: State = serde_json::from_slice(&text).map_err(|source| Error::State {
            file: state.display().to_string(),
            source,
        })?;
        let record = record.other(moments)?;
        let has = |kind: &str, parameter: &Parameter| {
            let path = format!("{kind}/{}", parameter.path);
            record.size(&path, 0).is_some()
        };
        let without = parameters
            .iter()
            .filter(|it| !(has("m", it) && has("v", it)));
        let without: Vec<&Parameter> = without.collect();
        // The names used in a run with optimizer_moments=bf16 or 8bit.
        if without.iter().any(|it| has("mv", it) || has("blocks", it)) {
            return Ok(Err(Absent::OtherFormat));
        }
        if !without.is_empty() {
            return Ok(Err(Absent::NotTrained));
        }
        Ok(Ok(Self {
            record,
            step: state.step,
        }))
    }

    /// The moments of these parameters, as variables of the reference.
    pub fn of_parameters(parameters: &[Parameter]) -> Vec<Parameter> {
        let both = parameters.iter().flat_map(|parameter| {
            ["m", "v"].map(|kind| Parameter {
                path: format!("{kind}/{}", parameter.path),
                variable: format!("{}/adam_{kind}", parameter.variable),
                shape: parameter.shape.clone(),
            })
        });
        both.collect()
    }
}
