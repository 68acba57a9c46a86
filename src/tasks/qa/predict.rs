//! Runs the model on the windows of a data set.

use std::ops::ControlFlow;

use burn::tensor::Device;

use super::beam::{self, WindowOutput};
pub use crate::tasks::predict::Error;
use crate::{
    batch::FeatureSet,
    tasks::{model::Model, predict},
};

/// Predicts every feature; the results are in the order of the set.
///
/// Works like [`predict::predict`]; `head` is the task's index in the model's list.
///
/// # Errors
/// [`Error::Ended`] if `progress` stops the run.
pub fn predict(
    model: &Model,
    head: usize,
    set: &FeatureSet<'_>,
    batch_size: usize,
    beam_size: usize,
    device: &Device,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Vec<WindowOutput>, Error> {
    predict::predict(
        set,
        batch_size,
        model.electra.most_tokens(device),
        device,
        |input, batch| beam::predict(model, head, input, &batch.features, beam_size),
        progress,
    )
}
