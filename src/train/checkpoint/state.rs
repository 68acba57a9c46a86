//! `state.json` of a checkpoint: the progress of the run, and the checksums of the records beside
//! it and of itself.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    durable_file::write_whole,
    train::{checksum::Checksum, loss_scale::LossScale},
};

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Number of finished steps.
    pub step: u64,
    /// Total steps of the run.
    pub steps: u64,
    /// Hyper-parameters that decide the run's results.
    pub hparams: Value,
    /// `None` if the loss is not scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// The records beside the state; filled in when it is saved.
    #[serde(default)]
    pub files: BTreeMap<String, Checksum>,
}

pub(in crate::train) const RECORDS: [&str; 2] = ["model.bpk", "optimizer.bpk"];
pub(in crate::train) const STATE: &str = "state.json";

/// The key of `state.json`'s own checksum, which covers all other keys serialized on one line.
/// Version 0.1 wrote none.
const OWN_SUM: &str = "crc32c";

impl State {
    /// Writes the state, with its own checksum.
    pub(super) fn write(&self, file: &Path) -> std::io::Result<()> {
        write_whole(file, |out| {
            let mut state = serde_json::to_value(self)?;
            state[OWN_SUM] = own_sum(&state).into();
            Ok(serde_json::to_writer_pretty(out, &state)?)
        })
    }
}

fn own_sum(state: &Value) -> u32 {
    crc32c::crc32c(state.to_string().as_bytes())
}

/// Reads `state.json`, and compares it with its checksum and with the step in the folder's name.
fn read_state(folder: &Path) -> Result<State, String> {
    let text = fs::read(folder.join(STATE)).map_err(|e| format!("{STATE}: {e}"))?;
    let damaged = |e: serde_json::Error| format!("{STATE} is damaged: {e}");
    let mut value: Value = serde_json::from_slice(&text).map_err(damaged)?;
    let sum = value
        .as_object_mut()
        .and_then(|map| map.shift_remove(OWN_SUM));
    if sum.is_some_and(|sum| sum != own_sum(&value)) {
        return Err(format!("{STATE} is damaged: its checksum differs"));
    }
    let state: State = serde_json::from_value(value).map_err(damaged)?;
    // A checkpoint that is being saved or removed has another name.
    let named = folder.file_stem().and_then(|name| name.to_str());
    let step = named.and_then(|name| name.strip_prefix("checkpoint-"));
    if step != Some(state.step.to_string().as_str()) {
        return Err(format!(
            "{STATE} is damaged: it says step {}, its folder's name does not",
            state.step
        ));
    }
    if state.step > state.steps {
        return Err(format!(
            "{STATE} is damaged: it says step {} of {}",
            state.step, state.steps
        ));
    }
    Ok(state)
}

/// Returns a checkpoint's state, after comparing it and its records with their checksums.
pub(in crate::train) fn whole(folder: &Path) -> Result<State, String> {
    let state = read_state(folder)?;
    for name in RECORDS {
        let expected = state
            .files
            .get(name)
            .ok_or_else(|| format!("state.json does not know {name}"))?;
        let found = Checksum::of(&folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
        if found.bytes != expected.bytes {
            return Err(format!(
                "{name} has {} bytes instead of {}",
                found.bytes, expected.bytes
            ));
        }
        if found != *expected {
            return Err(format!("{name} is damaged: its checksum differs"));
        }
    }
    Ok(state)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    /// Writes a checkpoint with empty records, and a state modified by `change`.
    pub fn checkpoint(folder: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
        let path = folder.join("checkpoint-20");
        fs::create_dir_all(&path).unwrap();
        let mut state = State {
            step: 20,
            steps: 32,
            hparams: json!({"learning_rate": 1e-4, "seed": 1}),
            loss_scale: None,
            files: BTreeMap::new(),
        };
        for name in RECORDS {
            fs::write(path.join(name), "").unwrap();
            let sum = Checksum::of(&path.join(name)).unwrap();
            state.files.insert(name.into(), sum);
        }
        let mut state = serde_json::to_value(state).unwrap();
        state[OWN_SUM] = own_sum(&state).into();
        change(&mut state);
        fs::write(path.join(STATE), state.to_string()).unwrap();
        path
    }

    #[test]
    fn a_state_is_trusted_as_far_as_it_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint(folder.path(), |_| {});
        assert_eq!(whole(&path).unwrap().step, 20);

        // Version 0.1 wrote no checksum of the state, but the step must match the folder's name.
        let old = |state: &mut Value| {
            state.as_object_mut().unwrap().remove(OWN_SUM);
        };
        assert_eq!(whole(&checkpoint(folder.path(), old)).unwrap().step, 20);
        for (change, expected) in [
            (
                Box::new(|state: &mut Value| state["step"] = 21.into())
                    as Box<dyn FnOnce(&mut Value)>,
                "checksum differs",
            ),
            (
                Box::new(|state| state["hparams"]["learning_rate"] = 2e-4.into()),
                "checksum differs",
            ),
            (
                Box::new(|state| state[OWN_SUM] = 7.into()),
                "checksum differs",
            ),
            (
                Box::new(move |state| {
                    old(state);
                    state["step"] = 21.into();
                }),
                "says step 21",
            ),
            (
                Box::new(move |state| {
                    old(state);
                    state["steps"] = 19.into();
                }),
                "step 20 of 19",
            ),
            (Box::new(|state| *state = json!([])), "damaged"),
        ] {
            let damage = whole(&checkpoint(folder.path(), change)).unwrap_err();
            assert!(damage.contains(expected), "{damage}");
        }
    }
}
