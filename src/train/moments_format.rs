//! Which parameters have 8-bit moments if a run requests them.

use crate::config::OptimizerMoments;

/// Size of the smallest matrix with 8-bit moments.
const SMALLEST: usize = 4_096;

/// The storage format of a parameter's moments. Only matrices, which are most of a model, use 8 bits; small
/// matrices and vectors would save nothing.
///
/// Embedding tables stay f32, as Dettmers et al. (2021) advise: a row has a gradient only if its token is in
/// the batch, so that rare tokens differ most from their neighbours.
pub fn format_of(format: OptimizerMoments, name: &str, shape: &[usize]) -> OptimizerMoments {
    let elements: usize = shape.iter().product();
    // Four codes share a word.
    let is_matrix = shape.len() > 1 && elements >= SMALLEST && elements.is_multiple_of(4);
    match format {
        OptimizerMoments::EightBit if is_table(name) || !is_matrix => OptimizerMoments::F32,
        format => format,
    }
}

/// Whether it is a table of [`Embeddings`](crate::model::embeddings::Embeddings).
fn is_table(name: &str) -> bool {
    ["word", "token_type", "position"]
        .iter()
        .any(|table| name.ends_with(&format!("embeddings.{table}.weight")))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{
        config::{Config, LrDecayVariant},
        model::{arithmetic::Arithmetic, parameters::ParameterSource, record::for_each_parameter},
        tasks::{head::TaskHead, model::Model, qa::span_head::SpanHeadConfig},
        train::{adam::Adam, memory_plan::Footprint, schedule::LayerDecay},
    };

    #[test]
    fn tables_vectors_and_small_matrices_keep_f32() {
        const EIGHT_BIT: OptimizerMoments = OptimizerMoments::EightBit;
        let cases: [(&str, &[usize], OptimizerMoments); 9] = [
            (
                "electra.layers.0.attention.query.weight",
                &[64, 64],
                EIGHT_BIT,
            ),
            ("electra.embeddings.project.weight", &[128, 256], EIGHT_BIT),
            (
                "discriminator_predictions.dense.weight",
                &[256, 256],
                EIGHT_BIT,
            ),
            (
                "electra.embeddings.word.weight",
                &[30_522, 128],
                OptimizerMoments::F32,
            ),
            (
                "electra.embeddings.position.weight",
                &[512, 128],
                OptimizerMoments::F32,
            ),
            (
                "generator.embeddings.token_type.weight",
                &[2, 4_096],
                OptimizerMoments::F32,
            ),
            (
                "generator_predictions.output_bias",
                &[30_524],
                OptimizerMoments::F32,
            ),
            (
                "heads.squad.start.weight",
                &[1_023, 4],
                OptimizerMoments::F32,
            ),
            ("heads.words.weight", &[1_367, 3], OptimizerMoments::F32),
        ];
        for (name, shape, expected) in cases {
            assert_eq!(format_of(EIGHT_BIT, name, shape), expected, "{name}");
            for format in [OptimizerMoments::F32, OptimizerMoments::Bf16] {
                assert_eq!(format_of(format, name, shape), format, "{name}");
            }
        }
    }

    #[test]
    fn a_model_s_moments_take_what_the_plan_says() {
        let given = json!({
            "task_names": ["squad"], "vocab_size": 300, "embedding_size": 128,
            "model_hparam_overrides": {
                "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                "intermediate_size": 256,
            },
        });
        let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
        let config = resolved.unwrap().0;
        let encoder = config.encoder();
        let heads = [TaskHead::span("squad", SpanHeadConfig::of(&config))];
        let tasks = ["squad".to_owned()];
        let device = Device::flex().autodiff();
        let mut source = ParameterSource::new(device, 1, None);
        let model = Model::new(&mut source, &encoder, &heads).unwrap();
        let (mut all, mut head) = (0, 0);
        for_each_parameter(&model, &tasks, |parameter| {
            let elements = parameter.shape.iter().product::<usize>() as u64;
            all += elements;
            let is_coded = format_of(OptimizerMoments::EightBit, parameter.name, parameter.shape)
                == OptimizerMoments::EightBit;
            // What the plan assumes to be in 8 bits.
            if parameter.name.starts_with("heads.") && !is_coded {
                head += elements;
            }
        });
        let held = |format| {
            let layer_decay = LayerDecay {
                decay: 0.0,
                layers: 2,
                variant: LrDecayVariant::Released,
            };
            let mut adam = Adam::new(0.01, layer_decay).with_moments(format);
            adam.begin(&model, &tasks);
            adam.bytes()
        };
        let planned = |moments| {
            let footprint = Footprint {
                encoder: &encoder,
                arithmetic: Arithmetic::default(),
                moments,
                parameters: all,
                trained: all,
                trained_layers: 2,
                longest: 64,
            };
            footprint.state()
        };
        let plan =
            |format| planned(format) + held(OptimizerMoments::F32) - planned(OptimizerMoments::F32);
        assert_eq!(held(OptimizerMoments::F32), 8 * all);
        assert_eq!(held(OptimizerMoments::Bf16), plan(OptimizerMoments::Bf16));
        let (held, plan) = (
            held(OptimizerMoments::EightBit),
            plan(OptimizerMoments::EightBit),
        );
        // Plus two words per block, of which the last one of a matrix may be incomplete; and the vectors
        // outside the layers: two of the embeddings' width, one of the layers'.
        let apart = 6 * (head + 2 * 128 + 64) + 8 * 20;
        println!("held {held}, planned {plan}, of f32 {}", 8 * all);
        assert!(
            plan <= held && held - plan <= apart,
            "{held}, planned {plan}"
        );
        assert!(2 * held < 8 * all, "{held} of {}", 8 * all);
    }
}
