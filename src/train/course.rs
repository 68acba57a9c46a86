//! What rank 0 tells the other ranks of a training run: where it begins and, after each step, how it
//! goes on.

use std::{fs, path::Path};

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    adam::Adam,
    checkpoint::{self, state},
    loss_scale::LossScale,
    run_identity::differing_values,
};
use crate::{
    device::DeviceError,
    model::{
        parameters::{self, StoredParameters},
        record::for_each_parameter,
    },
    ranks::{self, Ranks},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Differ(#[from] ranks::Error),
    #[error("{0}")]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    #[error(transparent)]
    Parameters(#[from] parameters::Error),
    #[error(
        "{checkpoint}: expected the checkpoint that rank 0 goes on from, found {found}; give all ranks a \
         model_dir on a file system that they share"
    )]
    OtherCheckpoint { checkpoint: String, found: String },
    #[error("rank 0 said {said}, which this rank does not understand; start all with one program")]
    Unknown { said: String },
}

/// Where a run begins.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Begin {
    /// Steps that are finished.
    pub step: u64,
    pub loss_scale: Option<LossScale>,
    /// The text of the checkpoint's `state.json`, which has the checksums of its other files; `None`
    /// without a checkpoint.
    state: Option<String>,
}

impl Begin {
    /// A run of which `step` steps are finished.
    ///
    /// # Errors
    /// If its checkpoint cannot be read any more.
    pub fn of(model_dir: &Path, step: u64, loss_scale: Option<LossScale>) -> Result<Self, Error> {
        let state = match step {
            0 => None,
            _ => Some(state_text(model_dir, step)?),
        };
        Ok(Self {
            step,
            loss_scale,
            state,
        })
    }

    /// Tells the others.
    pub fn tell(&self, ranks: &Ranks) {
        ranks.told(serde_json::json!(self).to_string());
    }

    /// What rank 0 has told.
    ///
    /// # Errors
    /// If it is another program.
    pub fn hear(ranks: &Ranks) -> Result<Self, Error> {
        let said = ranks.told(String::new());
        serde_json::from_str(&said).map_err(|_| Error::Unknown { said })
    }

    /// The model as rank 0 begins with it: of the same checkpoint, or of what `build` makes of nothing
    /// stored. `adam` gets the moments.
    ///
    /// # Errors
    /// If the checkpoint is not there, or another.
    pub fn model<M: Module, E: From<Error>>(
        &self,
        model_dir: &Path,
        tasks: &[String],
        adam: &mut Adam,
        build: impl FnOnce(Option<&mut StoredParameters>) -> Result<M, E>,
    ) -> Result<M, E> {
        let Some(told) = &self.state else {
            return build(None);
        };
        let folder = checkpoint::place(model_dir, self.step);
        let other = |found: String| Error::OtherCheckpoint {
            checkpoint: folder.display().to_string(),
            found,
        };
        if state_text(model_dir, self.step)? != *told {
            return Err(other("another of that step".to_owned()).into());
        }
        let state = state::whole(&folder).map_err(other)?;
        // Rank 0 has seen that it belongs to this run.
        let opened = checkpoint::open(&folder, &state, &state.hparams);
        let (mut weights, mut moments) = opened.map_err(Error::from)?;
        let model = build(Some(&mut weights))?;
        adam.load(&model, tasks, &mut moments)
            .map_err(Error::from)?;
        Ok(model)
    }
}

fn state_text(model_dir: &Path, step: u64) -> Result<String, Error> {
    let folder = checkpoint::place(model_dir, step);
    fs::read_to_string(folder.join(state::STATE)).map_err(|error| Error::OtherCheckpoint {
        checkpoint: folder.display().to_string(),
        found: format!("none that can be read ({error})"),
    })
}

/// Compares what decides a run with rank 0's.
///
/// # Errors
/// If it is something else in some rank.
pub fn agree_on(ranks: &Ranks, own: &Value) -> Result<(), Error> {
    let said = ranks.told(own.to_string());
    let theirs = serde_json::from_str(&said).map_err(|_| Error::Unknown { said })?;
    let differing = differing_values(&theirs, own).join(", ");
    Ok(ranks.agree(Some(differing).filter(|it| !it.is_empty()))?)
}

/// How a run goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    GoOn,
    /// The evaluations between the steps have seen enough.
    Enough,
    Stopped,
}

impl Course {
    /// Tells the others, if this is rank 0, or hears what it tells; `self` is not looked at then.
    pub fn of_first(self, ranks: &Ranks) -> Self {
        let own = match ranks.is_first() {
            true => self as u32,
            false => 0,
        };
        [Self::GoOn, Self::Enough, Self::Stopped][ranks.most(own).min(2) as usize]
    }
}

/// Compares the weights that every rank begins with.
///
/// # Errors
/// If those of some rank are others, or a device fails.
pub fn agree_on_weights(ranks: &Ranks, model: &impl Module, tasks: &[String]) -> Result<(), Error> {
    if ranks.is_alone() {
        return Ok(());
    }
    let own = weights(model, tasks)?;
    let first = ranks.told(own.clone());
    let differing = format!("{own}, not {first}");
    Ok(ranks.agree((own != first).then_some(differing))?)
}

/// Warns if the ranks end with other weights than rank 0, whose model is kept.
///
/// # Errors
/// If a device fails.
pub fn compare_last_weights(
    ranks: &Ranks,
    model: &impl Module,
    tasks: &[String],
) -> Result<(), Error> {
    if ranks.is_alone() {
        return Ok(());
    }
    let all = ranks.all(weights(model, tasks)?);
    let others: Vec<_> = (1..all.len()).filter(|&rank| all[rank] != all[0]).collect();
    if ranks.is_first() && !others.is_empty() {
        log::warn!(
            "ranks {others:?} end with other weights than rank 0, whose model is kept: their devices round \
             differently; use devices of one kind"
        );
    }
    Ok(())
}

/// The weights of a model, for messages.
fn weights(model: &impl Module, tasks: &[String]) -> Result<String, DeviceError> {
    let mut sum = Ok(0);
    for_each_parameter(model, tasks, |parameter| {
        if let Ok(so_far) = sum {
            sum = checksum(so_far, parameter.name, parameter.value);
        }
    });
    Ok(format!("weights with the checksum {:08x}", sum?))
}

fn checksum(so_far: u32, name: &str, value: Tensor<1>) -> Result<u32, DeviceError> {
    let bytes = value.try_into_data().map(TensorData::into_bytes);
    let bytes = bytes.map_err(DeviceError::new)?;
    let named = crc32c::crc32c_append(so_far, name.as_bytes());
    Ok(crc32c::crc32c_append(named, &bytes))
}
