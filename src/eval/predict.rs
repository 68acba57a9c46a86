//! Runs the model over the windows of a data set.

use burn::tensor::Device;

use crate::{
    data::{
        self,
        batch::{Batch, FeatureSet},
        batch_plan::prediction_batches,
        feature::Feature,
    },
    model::{
        ModelInput, QuestionAnsweringModel,
        beam::{self, ReadError, WindowPrediction},
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Predicts every feature; results stand in the order of `features`.
///
/// Windows of like length share a batch, so that little is computed on padding. `head` is the
/// task's place in the model's list; `progress` hears how many windows are done.
pub fn predict(
    model: &QuestionAnsweringModel,
    head: usize,
    features: &[Feature],
    batch_size: usize,
    beam_size: usize,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<WindowPrediction>, Error> {
    let mut results: Vec<Option<WindowPrediction>> = vec![None; features.len()];
    let mut done = 0;
    let set = FeatureSet::from(features);
    for indices in prediction_batches(&set.lengths(), batch_size, true)? {
        let batch = Batch::collate(&set, &indices, None)?;
        let input = ModelInput::new(&batch, device);
        let predictions = beam::predict(model, head, &input, beam_size)?;
        done += indices.len();
        for (index, prediction) in indices.into_iter().zip(predictions) {
            results[index] = Some(prediction);
        }
        progress(done);
    }
    // Every index was in one batch.
    Ok(results.into_iter().flatten().collect())
}
