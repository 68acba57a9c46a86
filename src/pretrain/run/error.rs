//! What ends a pre-training run.

use std::path::{Path, PathBuf};

use crate::{
    eval,
    model::parameters,
    pretrain::{model_files, probe},
    train::{
        checkpoint, course, disk_space, run_folder, run_lock, saver, step_failure::StepFailure,
        watch,
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
    Checkpoint(checkpoint::Error),
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
        "{model_dir} holds {file}, which pre-training has not written; choose another --model-name or \
         model_dir, or give --restart to move the folder aside"
    )]
    ForeignModel { model_dir: PathBuf, file: String },
    #[error(
        "{model_dir}: expected a checkpoint to go on from, found only the model of a run that has ended; choose \
         another --model-name, or give --restart to move the folder aside"
    )]
    OnlyModel { model_dir: PathBuf },
    #[error(
        "{path}: expected initial weights outside {model_dir}, which --restart moves aside; choose another \
         --model-name, or move the folder and give its new place as init_checkpoint"
    )]
    OwnWeights { path: PathBuf, model_dir: PathBuf },
    #[error(
        "{path} was made with other hyper-parameters ({keys}); use those again, give --restart to train \
         again, or start another --model-name from its weights with --set init_checkpoint={path}"
    )]
    OtherRun { path: PathBuf, keys: String },
    #[error(
        "{model_dir}: expected a pre-trained model to evaluate, found no checkpoint; train first, with \
         do_train=true"
    )]
    Untrained { model_dir: PathBuf },
    #[error(
        "step {step}: expected a token that can be masked, found only special tokens in all {examples} \
         examples of the batch; inspect them with electra data examples, and build them again from text"
    )]
    NothingToMask { step: u64, examples: usize },
    #[error(
        "{path}: expected the number of steps for these hours, {problem}; move the file away to measure the \
         time per step again, or give --restart to start over"
    )]
    Schedule { path: PathBuf, problem: String },
    #[error(
        "{path}: the run was started with hours = {begun}, found {now}; give the same hours, or --restart \
         to start over"
    )]
    OtherHours { path: PathBuf, begun: f64, now: f64 },
    #[error(
        "hours = {hours}: a step takes {seconds:.2} s, so that none fits; raise hours, or lower \
         train_batch_size"
    )]
    NoStepFits { hours: f64, seconds: f64 },
    #[error(
        "hours = {hours}: the probes before the first step and after the last take {once:.2} s, and a step \
         with its share of the others {seconds:.2} s, so that no step fits; raise hours, or leave probe out"
    )]
    NoStepBesideProbes { hours: f64, once: f64, seconds: f64 },
    #[error("{0}")]
    Course(#[from] course::Error),
    #[error(
        "hours = {hours}: expected one process, which measures how long a step takes, found {ranks} ranks; \
         start the run without mpirun, or give num_train_steps in place of hours"
    )]
    HoursOfRanks { hours: f64, ranks: usize },
    #[error(
        "train_batch_size = {examples}: expected an example or more for each of {ranks} ranks; raise it, or \
         start fewer ranks"
    )]
    MoreRanks { ranks: usize, examples: usize },
    #[error(transparent)]
    Device(#[from] StepFailure),
    #[error("stopped after step {step} of {steps}; the same command resumes")]
    Stopped { step: u64, steps: u64 },
    #[error("stopped while the time per step was measured; the same command starts over")]
    StoppedBefore,
}

impl Error {
    /// Whether the user stopped the run, which is not a failure.
    pub fn was_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. } | Self::StoppedBefore)
    }
}

impl From<checkpoint::Error> for Error {
    fn from(error: checkpoint::Error) -> Self {
        match error {
            checkpoint::Error::OtherRun { path, keys } => Self::OtherRun { path, keys },
            error => Self::Checkpoint(error),
        }
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
