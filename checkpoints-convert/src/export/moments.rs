//! The optimiser's state in a checkpoint of a run: `optimizer.bpk` and `state.json` beside a record enter;
//! Adam's moments by the reference's names, and the number of steps, leave.

use std::path::Path;

use serde::Deserialize;

use crate::Error;
use crate::names::Parameter;
use crate::plain_file;
use crate::stored_record::StoredRecord;

const FILE: &str = "optimizer.bpk";
const STATE_FILE: &str = "state.json";
/// One of a run of many tasks has some tens of kilobytes.
const MAX_STATE_BYTES: u64 = 16 << 20;

/// Why a folder has no state that Google's code goes on with: it restores the moments of every variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is no checkpoint of a run.
    NoCheckpoint,
    /// Moments of some parameters are in fewer bits.
    OtherFormat,
    /// Some parameters have none.
    NotTrained,
}

impl Absent {
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoCheckpoint => {
                "optimiser state: only a checkpoint-N folder of a run has it (moments in float32); \
                 export that one to train on with Google's code"
            }
            Self::OtherFormat => {
                "optimiser state: Google's code has moments in float32 alone, and those of this run are \
                 not; train with optimizer_moments=f32 to export them"
            }
            Self::NotTrained => {
                "optimiser state: layers that were not trained have no moments, and Google's code needs \
                 those of every variable"
            }
        }
    }
}

/// Moments of both kinds, and the step.
pub(super) struct Moments {
    pub record: StoredRecord,
    /// Steps that are done.
    pub step: i64,
}

#[derive(Deserialize)]
struct State {
    step: i64,
}

impl Moments {
    /// Those of all `parameters` of the record in `folder`, or why there are not all of them.
    ///
    /// # Errors
    /// They are there and cannot be read.
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
        // What a run with optimizer_moments=bf16 or 8bit calls them.
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
