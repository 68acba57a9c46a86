//! Locks the folder of a run for this process.

use std::path::Path;

use checkpoints_convert::RECORD_FILE;

use super::error::{Error, io_of};
use crate::{
    pretrain::step_log,
    train::{run_folder, run_lock::RunLock},
};

/// Locks the model's folder; `restart` first moves an earlier one aside and tells `note` where it is.
///
/// # Errors
/// If another process holds it, it contains a foreign model, or it cannot be created.
pub fn take(
    model_dir: &Path,
    restart: bool,
    note: &mut dyn FnMut(String),
) -> Result<RunLock, Error> {
    if let Some(parent) = model_dir.parent() {
        std::fs::create_dir_all(parent).map_err(io_of(parent, "creating"))?;
    }
    let mut lock = RunLock::take(model_dir)?;
    if restart && model_dir.is_dir() {
        lock.leave();
        run_folder::move_aside(model_dir, note)?;
    }
    lock.enter()?;
    let began = model_dir.join(step_log::FILE).is_file();
    // The log of a run of fine-tuning, or a model that no run has trained here.
    let log = Some(model_dir.join(run_folder::TRAIN_LOG)).filter(|log| log.is_file());
    let foreign = log.or_else(|| run_folder::foreign_model(model_dir));
    if let Some(file) = foreign.filter(|_| !began) {
        let file = file.file_name().unwrap_or_default();
        return Err(Error::ForeignModel {
            model_dir: model_dir.into(),
            file: file.to_string_lossy().into_owned(),
        });
    }
    Ok(lock)
}

/// Refuses a folder with a model that a run without a checkpoint would replace.
///
/// # Errors
/// If it has one.
pub fn check_unfinished(model_dir: &Path) -> Result<(), Error> {
    match model_dir.join(RECORD_FILE).is_file() {
        true => Err(Error::OnlyModel {
            model_dir: model_dir.into(),
        }),
        false => Ok(()),
    }
}
