//! What a model outputs for one row, whatever its task.

use super::{
    head::Head,
    model::Model,
    qa::beam::{self, WindowOutput},
};
use crate::{batch::Batch, device::DeviceError, model::ModelInput};

/// The model's output for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Where an answer starts and ends in a window.
    Span(WindowOutput),
    /// For a text, a logit for each class or its value, `[outputs]`; for words, a logit for each
    /// tag, `[words · tags]`.
    Logits(Vec<f32>),
}

/// Returns the outputs of the head at this index of the model's list for a batch, one per row.
///
/// # Errors
/// If the device fails.
pub fn outputs(
    model: &Model,
    head: usize,
    input: &ModelInput,
    batch: &Batch,
    beam_size: usize,
) -> Result<Vec<Output>, DeviceError> {
    let logits = match &model.heads[head] {
        Head::Span(_) => {
            let windows = beam::predict(model, head, input, &batch.features, beam_size)?;
            return Ok(windows.into_iter().map(Output::Span).collect());
        }
        Head::Sequence(head) => head.predict(&model.encode(input))?,
        Head::Word(head) => head.predict(&model.encode(input), &batch.labels)?,
    };
    Ok(logits.into_iter().map(Output::Logits).collect())
}
