//! Which checkpoint a run goes on from.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    checkpoint::{self, Error, state::State},
    run_identity::differing_keys,
};

/// The newest checkpoint that is whole and lies on the way to the last of `steps` steps; others are
/// set aside, which `note` hears.
///
/// # Errors
/// If a checkpoint cannot be moved aside.
pub fn newest(
    model_dir: &Path,
    steps: u64,
    hparams: &Value,
    note: &mut dyn FnMut(String),
) -> Result<Option<(PathBuf, State)>, Error> {
    while let Some((folder, state)) = checkpoint::newest(model_dir, note)? {
        // Other hyper-parameters are no damage: they are told when it is opened.
        let same = differing_keys(&state.hparams, hparams).is_empty();
        if !same || (state.step <= steps && state.steps == steps) {
            return Ok(Some((folder, state)));
        }
        let damage = format!(
            "state.json is damaged: it says step {} of {}, and the run has {steps}",
            state.step, state.steps
        );
        checkpoint::set_aside(&folder, &damage, note)?;
    }
    Ok(None)
}
