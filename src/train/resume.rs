//! Which checkpoint a run goes on from.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    checkpoint::{self, Error, state::State},
    run_identity::differing_keys,
};

/// Returns the newest checkpoint that is intact and belongs to a run of `steps` steps; others are
/// set aside and reported to `note`.
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
        // Different hyper-parameters are not damage: they are reported when the checkpoint is
        // opened.
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
