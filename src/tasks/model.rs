//! The whole model: one encoder and a head for each task.

use burn::module::Module;

use crate::{
    config::EncoderConfig,
    model::{
        dropout::Mode,
        electra::Electra,
        head_input::HeadInput,
        input::ModelInput,
        parameters::{Error, ParameterSource},
    },
    tasks::{head::Head, qa::span_head::HeadConfig},
};

#[derive(Module, Debug)]
pub struct Model {
    pub electra: Electra,
    /// In the order of the task list; the record names them by task.
    pub heads: Vec<Head>,
}

impl Model {
    pub fn new(
        source: &mut ParameterSource,
        config: &EncoderConfig,
        tasks: &[String],
        head: HeadConfig,
    ) -> Result<Self, Error> {
        let mut model = Self {
            electra: Electra::new(source, config)?,
            heads: tasks
                .iter()
                .map(|task| Head::new(source, task, config.hidden_size, head))
                .collect::<Result<_, _>>()?,
        };
        source.check_unused()?;
        model.halve();
        Ok(model)
    }

    /// Makes the f16 copies of the kernels as they are now, where the layers compute in f16.
    pub fn halve(&mut self) {
        self.electra.halve();
        for head in &mut self.heads {
            head.halve();
        }
    }

    /// What the heads read of a batch to predict.
    pub fn encode(&self, input: &ModelInput) -> HeadInput {
        let hidden = self.electra.forward(input, Mode::Predict);
        HeadInput::new(hidden, input)
    }
}
