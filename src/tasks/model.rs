//! The whole model: one encoder and a head for each task.

use burn::module::Module;

use crate::{
    config::EncoderConfig,
    model::{
        dense::Dense,
        dropout::Mode,
        electra::Electra,
        half_weights::HalfWeights,
        head_input::HeadInput,
        input::ModelInput,
        parameters::{Error, ParameterSource},
    },
    tasks::head::{Head, TaskHead},
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
        heads: &[TaskHead],
    ) -> Result<Self, Error> {
        let mut model = Self {
            electra: Electra::new(source, config)?,
            heads: heads
                .iter()
                .map(|head| Head::new(source, head, config))
                .collect::<Result<_, _>>()?,
        };
        source.check_unused()?;
        model.f16_denses().for_each(Dense::refresh_f16_weight);
        model.refresh_f16_parts();
        model.electra.denses().for_each(Dense::renew_packed);
        Ok(model)
    }

    fn refresh_f16_parts(&mut self) {
        self.heads.iter_mut().for_each(Head::refresh_f16_parts);
    }

    /// Encodes a batch for prediction and returns the input of the heads.
    pub fn encode(&self, input: &ModelInput) -> HeadInput {
        let hidden = self.electra.forward(input, Mode::Predict);
        HeadInput::new(hidden, input)
    }
}

impl HalfWeights for Model {
    fn f16_denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        let heads = self.heads.iter_mut().filter_map(Head::f16_dense);
        self.electra.f16_denses().chain(heads)
    }

    fn renew(&mut self) {
        self.refresh_f16_parts();
        self.electra.denses().for_each(Dense::renew_packed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{
        config::Config,
        model::{ParameterCount, record},
        tasks::{head, kind},
    };

    #[test]
    fn the_count_is_that_of_the_model() {
        for (size, joint, answerable, start) in [
            (64, true, true, true),
            (48, true, true, false),
            (64, false, true, true),
            (48, false, false, false),
        ] {
            let mut given = serde_json::Map::new();
            given.insert("task_names".into(), json!(["squad", "squadv1"]));
            given.insert("embedding_size".into(), json!(size));
            given.insert("joint_prediction".into(), json!(joint));
            given.insert("answerable_classifier".into(), json!(answerable));
            given.insert("answerable_uses_start_logits".into(), json!(start));
            given.insert(
                "model_hparam_overrides".into(),
                json!({"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 30}),
            );
            let (config, _) = Config::resolve("d".as_ref(), "m", &given).unwrap();
            let encoder = config.encoder();
            let tasks = ["squad".to_owned(), "squadv1".to_owned()];
            let heads = kind::heads(&config, &BTreeMap::new()).unwrap();
            let mut source = ParameterSource::new(Device::flex(), 1, None);
            let model = Model::new(&mut source, &encoder, &heads).unwrap();
            let counted = ParameterCount::new(&encoder, head::shapes(&heads));
            let mut count = 0;
            record::for_each_parameter(&model, &tasks, |parameter| {
                count += parameter.shape.iter().product::<usize>() as u64;
            });
            assert_eq!(counted.all(), count);
        }
    }
}
