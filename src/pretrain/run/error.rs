//! What ends a run of pre-training.

use std::path::{Path, PathBuf};

use crate::{
    eval,
    model::parameters,
    pretrain::{model_files, probe},
    train::{
        checkpoint, disk_space, run_folder, run_lock, saver, step_failure::StepFailure, watch,
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] crate::pretrain::Error),
    #[error(transparent)]
    Model(#[from] model_files::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    DiskSpace(#[from] disk_space::Error),
    #[error(transparent)]
    Saver(#[from] saver::Error),
    #[error(transparent)]
    Watch(#[from] watch::Error),
    #[error(transparent)]
    Lock(#[from] run_lock::Error),
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
    #[error(transparent)]
    Results(#[from] eval::Error),
    #[error(transparent)]
    Probe(#[from] probe::Error),
    #[error("{path}: {action} failed: {source}; check the path and its permissions")]
    Io {
        path: PathBuf,
        action: &'static str,
        source: std::io::Error,
    },
    #[error(
        "{model_dir} holds {file}, which no pre-training has made; choose another --model-name or \
         model_dir, or give --restart to have the folder moved aside"
    )]
    ForeignModel { model_dir: PathBuf, file: String },
    #[error(
        "{model_dir}: expected a model that was pre-trained, to evaluate it, found no checkpoint; train \
         first, with do_train=true"
    )]
    Untrained { model_dir: PathBuf },
    #[error(
        "step {step}: expected a token that can be masked, found special tokens alone in all {examples} \
         examples of the batch; look at them with electra data examples, and make them anew of text"
    )]
    NothingToMask { step: u64, examples: usize },
    #[error(
        "{path}: expected the steps that hours was turned into, {problem}; move the file away to have the \
         rate measured again, or give --restart to train anew"
    )]
    Schedule { path: PathBuf, problem: String },
    #[error(
        "{path}: the run was begun with hours = {begun}, found {now}; give the same again, or --restart \
         to train anew"
    )]
    OtherHours { path: PathBuf, begun: f64, now: f64 },
    #[error(
        "hours = {hours}: a step takes {seconds:.2} s, so that not one fits; raise hours, or lower \
         train_batch_size"
    )]
    NoStepFits { hours: f64, seconds: f64 },
    #[error(
        "hours = {hours}: the probes before the first step and after the last take {once:.2} s, and a step \
         with its share of the others {seconds:.2} s, so that not one step fits; raise hours, or leave \
         probe out"
    )]
    NoStepBesideProbes { hours: f64, once: f64, seconds: f64 },
    #[error(transparent)]
    Device(#[from] StepFailure),
    #[error("stopped after step {step} of {steps}; the same command goes on")]
    Stopped { step: u64, steps: u64 },
    #[error("stopped while the rate was measured; the same command begins anew")]
    StoppedBefore,
}

impl Error {
    /// Whether the user ended the run, which is no failure.
    pub fn was_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. } | Self::StoppedBefore)
    }
}

pub(in crate::pretrain) fn io_of(
    path: impl AsRef<Path>,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.as_ref().to_path_buf();
    move |source| Error::Io {
        path,
        action,
        source,
    }
}
