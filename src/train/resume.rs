//! Finds the checkpoint that a run resumes from, and loads the model.

use std::path::{Path, PathBuf};

use burn::module::Module;
use serde_json::Value;

use super::{
    adam::Adam,
    checkpoint::{self, Error, state::State},
    loss_scale::LossScale,
    run_identity::differing_keys,
};
use crate::{
    model::parameters::{self, StoredParameters},
    progress::Progress,
};

/// The state from which a run continues.
pub struct Start<M> {
    pub model: M,
    /// Completed steps.
    pub step: u64,
    /// From the checkpoint.
    pub loss_scale: Option<LossScale>,
}

/// Loads the newest checkpoint's model, and its moments into `adam`; without a checkpoint, calls `build`
/// without a stored record.
///
/// # Errors
/// If a checkpoint belongs to another run or cannot be read, or the model cannot be built.
pub fn start<M: Module, E: From<Error> + From<parameters::Error>>(
    model_dir: &Path,
    steps: u64,
    hparams: &Value,
    tasks: &[String],
    adam: &mut Adam,
    build: impl FnOnce(Option<&mut StoredParameters>) -> Result<M, E>,
    progress: &Progress,
) -> Result<Start<M>, E> {
    let mut note = |line: String| progress.note(&line);
    let Some((folder, state)) = newest(model_dir, steps, hparams, &mut note)? else {
        return Ok(Start {
            model: build(None)?,
            step: 0,
            loss_scale: None,
        });
    };
    let (mut weights, mut moments) = checkpoint::open(&folder, &state, hparams)?;
    let model = build(Some(&mut weights))?;
    adam.load(&model, tasks, &mut moments)?;
    progress.note(&format!("resuming from {}", folder.display()));
    Ok(Start {
        model,
        step: state.step,
        loss_scale: state.loss_scale,
    })
}

/// Returns the newest checkpoint that is intact and belongs to a run of `steps` steps; others are
/// set aside and reported to `note`.
///
/// # Errors
/// If a checkpoint cannot be moved aside.
fn newest(
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
