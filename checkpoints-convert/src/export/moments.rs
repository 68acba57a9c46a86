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

/// Why it is left out where there is none.
pub(super) const ABSENT: &str = "optimiser state: only a checkpoint-N folder of a run has it (moments in float32); \
                                 export that one to train on with Google's code";

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
    /// Those of the record in `folder`; `None` if it is no checkpoint of a run, or has none in float32.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn of(record: &StoredRecord, folder: &Path) -> Result<Option<Self>, Error> {
        let (moments, state) = (folder.join(FILE), folder.join(STATE_FILE));
        if !moments.exists() {
            return Ok(None);
        }
        let Some(text) = plain_file::read(&state, MAX_STATE_BYTES)? else {
            return Ok(None);
        };
        let state: State = serde_json::from_slice(&text).map_err(|source| Error::State {
            file: state.display().to_string(),
            source,
        })?;
        let record = record.other(moments)?;
        let has_any = record.left().any(|path| path.starts_with("m/"));
        Ok(has_any.then_some(Self {
            record,
            step: state.step,
        }))
    }

    /// The moments of these parameters, as variables of the reference. One that was not trained has none.
    pub fn of_parameters(&self, parameters: &[Parameter]) -> Vec<Parameter> {
        let both = parameters.iter().flat_map(|parameter| {
            ["m", "v"].map(|kind| Parameter {
                path: format!("{kind}/{}", parameter.path),
                variable: format!("{}/adam_{kind}", parameter.variable),
                shape: parameter.shape.clone(),
            })
        });
        both.filter(|moment| self.record.size(&moment.path, 0).is_some())
            .collect()
    }
}
