//! The whole model: one encoder and a head for each task.

use burn::{Tensor, module::Module};

use super::{
    dropout::Mode,
    electra::Electra,
    input::ModelInput,
    parameters::{Error, ParameterSource},
    span_head::{HeadConfig, SpanHead},
};
use crate::config::EncoderConfig;

#[derive(Module, Debug)]
pub struct QuestionAnsweringModel {
    pub electra: Electra,
    /// In the order of the task list; the record names them by task.
    pub heads: Vec<SpanHead>,
}

impl QuestionAnsweringModel {
    pub fn new(
        source: &mut ParameterSource,
        config: &EncoderConfig,
        tasks: &[String],
        head: HeadConfig,
    ) -> Result<Self, Error> {
        let mut electra = Electra::new(source, config)?;
        electra.halve();
        Ok(Self {
            electra,
            heads: tasks
                .iter()
                .map(|task| SpanHead::new(source, task, config.hidden_size, head))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Hidden states for prediction, as the heads take them: `[batch · seq, hidden]`.
    pub fn encode(&self, input: &ModelInput) -> Tensor<2> {
        input.pad(self.electra.forward(input, Mode::Predict))
    }
}
