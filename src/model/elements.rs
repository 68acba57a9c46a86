//! How many elements the parameters of a model have, without building it.

use crate::{
    config::EncoderConfig,
    tasks::qa::span_head::{HEAD_HIDDEN, HeadConfig},
};

/// Elements of the parts of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elements {
    pub embeddings: u64,
    /// Of one layer.
    pub layer: u64,
    pub layers: u64,
    /// Of all heads.
    pub heads: u64,
}

impl Elements {
    pub fn new(encoder: &EncoderConfig, head: HeadConfig, heads: usize) -> Self {
        let dense = |input: usize, output: usize| (input * output + output) as u64;
        let norm = |size: usize| 2 * size as u64;
        let (size, hidden) = (encoder.embedding_size, encoder.hidden_size);
        let tables = encoder.vocab_size + encoder.type_vocab_size + encoder.max_position_embeddings;
        let project = if size == hidden {
            0
        } else {
            dense(size, hidden)
        };
        let inner = encoder.intermediate_size;
        let layer = 4 * dense(hidden, hidden)
            + dense(hidden, inner)
            + dense(inner, hidden)
            + 2 * norm(hidden);
        let joint = |wanted: bool| {
            if wanted {
                dense(2 * hidden, HEAD_HIDDEN) + dense(HEAD_HIDDEN, 1)
            } else {
                dense(hidden, 1)
            }
        };
        let answerable = if head.answerable_classifier {
            joint(head.answerable_uses_start_logits)
        } else {
            0
        };
        let one_head = dense(hidden, 1) + joint(head.joint_prediction) + answerable;
        Self {
            embeddings: (tables * size) as u64 + norm(size) + project,
            layer,
            layers: encoder.num_hidden_layers as u64,
            heads: heads as u64 * one_head,
        }
    }

    /// Elements of the whole model.
    pub fn all(&self) -> u64 {
        self.embeddings + self.layer * self.layers + self.heads
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{
        config::Config,
        model::{parameters::ParameterSource, record},
        tasks::model::Model,
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
            given.insert("task_names".into(), json!(["squad"]));
            given.insert("embedding_size".into(), json!(size));
            given.insert("joint_prediction".into(), json!(joint));
            given.insert("answerable_classifier".into(), json!(answerable));
            given.insert("answerable_uses_start_logits".into(), json!(start));
            given.insert(
                "model_hparam_overrides".into(),
                json!({"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 30}),
            );
            let (config, _) = Config::resolve("d".as_ref(), "m", &given).unwrap();
            let (encoder, head) = (config.encoder(), HeadConfig::of(&config));
            let tasks = ["squad".to_owned(), "squadv1".to_owned()];
            let mut source = ParameterSource::new(Device::flex(), 1, None);
            let model = Model::new(&mut source, &encoder, &tasks, head).unwrap();
            let mut count = 0;
            record::for_each_parameter(&model, &tasks, |parameter| {
                count += parameter.shape.iter().product::<usize>() as u64;
            });
            assert_eq!(Elements::new(&encoder, head, 2).all(), count);
        }
    }
}
