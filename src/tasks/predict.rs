//! Runs the model on the features of a data set, whatever the task.

use std::{collections::VecDeque, ops::ControlFlow};

use burn::tensor::Device;

use crate::{
    batch::{Batch, FeatureSet, plan::prediction_batches},
    counted::counted,
    data,
    device::DeviceError,
    model::ModelInput,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error("{0}")]
    Read(#[from] DeviceError),
    #[error("ended after {done} of {}", counted(*windows, "sequence"))]
    Ended { done: usize, windows: usize },
}

/// Computes every feature of `set`, in its order.
///
/// Features of similar length share a batch, which holds as many tokens as `batch_size` of the
/// longest, or `most_tokens` if that is fewer ([`Electra::most_tokens`]). If a batch does not fit the device, it is halved. `compute` returns the results of a
/// batch in batch order; `progress` receives the number of finished features and returns whether to
/// continue.
///
/// [`Electra::most_tokens`]: crate::model::Electra::most_tokens
///
/// # Errors
/// [`Error::Ended`] if `progress` stops the run.
pub fn predict<O>(
    set: &FeatureSet<'_>,
    batch_size: usize,
    most_tokens: Option<usize>,
    device: &Device,
    mut compute: impl FnMut(&ModelInput, &Batch) -> Result<Vec<O>, DeviceError>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<O>, Error> {
    let mut waiting = VecDeque::from(prediction_batches(&set.lengths(), batch_size, most_tokens)?);
    let mut outputs = Vec::with_capacity(set.len());
    while let Some(indices) = waiting.pop_front() {
        let batch = Batch::collate(set, &indices)?;
        let input = ModelInput::new(&batch, 0, device);
        match compute(&input, &batch) {
            Ok(computed) => outputs.extend(indices.into_iter().zip(computed)),
            Err(error) if indices.len() > 1 && error.maybe_out_of_memory(device) => {
                log::warn!(
                    "{error}; it could not compute {} sequences at once, most often for lack of \
                     memory: going on with half as many",
                    indices.len()
                );
                // Returns the memory of the failed attempt to the driver.
                device.memory_cleanup();
                waiting.push_front(indices);
                waiting = waiting.iter().flat_map(|batch| halves(batch)).collect();
            }
            Err(error) => return Err(error.into()),
        }
        if progress(outputs.len()).is_break() {
            return Err(Error::Ended {
                done: outputs.len(),
                windows: set.len(),
            });
        }
    }
    outputs.sort_unstable_by_key(|(feature, _)| *feature);
    Ok(outputs.into_iter().map(|(_, output)| output).collect())
}

/// Returns both halves of a batch, or its only feature.
fn halves(batch: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    batch.chunks(batch.len().div_ceil(2)).map(<[usize]>::to_vec)
}
