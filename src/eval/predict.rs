//! Runs the model over the windows of a data set.

use burn::tensor::Device;

use crate::{
    data::{
        self,
        batch::{Batch, FeatureSet},
        batch_plan::prediction_batches,
    },
    device::ReadError,
    model::{
        ModelInput, QuestionAnsweringModel,
        beam::{self, WindowOutput},
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Predicts every feature; results stand in the order of the set.
///
/// Windows of like length share a batch, so that little is computed on padding. `head` is the
/// task's place in the model's list; `progress` hears how many windows are done.
pub fn predict(
    model: &QuestionAnsweringModel,
    head: usize,
    set: &FeatureSet<'_>,
    batch_size: usize,
    beam_size: usize,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<WindowOutput>, Error> {
    let batches = prediction_batches(&set.lengths(), batch_size, true)?;
    let mut outputs = Vec::with_capacity(set.len());
    for indices in &batches {
        let batch = Batch::collate(set, indices, None)?;
        let input = ModelInput::new(&batch, 0, device);
        let features = &batch.features;
        outputs.extend(beam::predict(model, head, &input, features, beam_size)?);
        progress(outputs.len());
    }
    outputs.sort_unstable_by_key(|output| output.feature);
    Ok(outputs)
}
