//! Whether a device trains as the CPU does: two steps of a small model with a head of every kind, and its
//! hidden states afterwards.
//!
//! New weights, tokens and dropout masks depend on counters, so both compute the same steps. A driver that
//! miscompiles one of their shaders, not only of those that are tuned, shows here. Not among them: moments in
//! bf16 and eight bits, recomputed layers, the search for an answer, and pre-training.

use std::{collections::BTreeMap, fmt, sync::Arc};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use serde::Serialize;

use crate::{
    batch::{Batch, Row},
    config::{EncoderConfig, LrDecayVariant, encoder::LAYER_NORM_EPS},
    device::DeviceError,
    kernels::formats::Element,
    model::{
        ModelInput,
        arithmetic::Arithmetic,
        dropout::Mode,
        parameters::{self, ParameterSource},
        record::for_each_parameter,
    },
    tasks::{
        head::{HeadConfig, TaskHead},
        label::Label,
        model::Model,
        qa::span_head::SpanHeadConfig,
    },
    train::{
        adam::Adam,
        loss_scale::LossScale,
        objective::{Objective, Trainable},
        schedule::LayerDecay,
        step::{StepSettings, train_step},
    },
};

/// Tokens of the sequences, of which each task has its own; none is a multiple of a block.
const LENGTHS: [(usize, usize); 6] = [(0, 61), (0, 23), (1, 37), (2, 17), (3, 29), (3, 70)];

/// Tokens of all of them.
pub const TOKENS: usize = 237;

const STEPS: u64 = 2;

/// The learning rate.
const RATE: f64 = 1e-3;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Model(#[from] parameters::Error),
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// The encoder of the small model.
pub fn encoder() -> EncoderConfig {
    EncoderConfig {
        vocab_size: 1_000,
        embedding_size: 64,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: 128,
        type_vocab_size: 2,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.02,
        layer_norm_eps: LAYER_NORM_EPS,
    }
}

/// What a device computed.
#[derive(Debug, Clone, Default)]
pub struct Computed {
    losses: Vec<f64>,
    grad_norms: Vec<f64>,
    /// By name, after the last step.
    weights: BTreeMap<String, Vec<f32>>,
    /// `[tokens, hidden]`, without dropout.
    hidden: Vec<f32>,
}

/// How far two devices are apart, relative to the greater value, or to the norm of all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    pub loss: f64,
    pub grad_norm: f64,
    pub weights: f64,
    pub hidden: f64,
}

impl Computed {
    /// Computes the steps on a device without autodiff.
    ///
    /// # Errors
    /// If the device fails.
    pub fn on(device: &Device, arithmetic: Arithmetic) -> Result<Self, Error> {
        let training = device.clone().autodiff();
        let (encoder, heads) = (encoder(), heads());
        let tasks: Vec<String> = heads.iter().map(|head| head.task.clone()).collect();
        let mut source =
            ParameterSource::new(training.clone(), 1, None).with_arithmetic(arithmetic);
        let mut model = Model::new(&mut source, &encoder, &heads)?;
        let decay = LayerDecay {
            decay: 0.9,
            layers: encoder.num_hidden_layers,
            variant: LrDecayVariant::Released,
        };
        let mut adam = Adam::new(0.01, decay);
        adam.begin(&model, &tasks);
        let settings = StepSettings {
            device: &training,
            tasks: &tasks,
            objective: Objective {
                trainable: Trainable::All,
                recompute_layers: false,
                loss_scale: match arithmetic.layers {
                    Element::F32 => 1.0,
                    Element::F16 => LossScale::default().factor,
                },
            },
            seed: 1,
        };
        let batch = batch(encoder.vocab_size as u32);
        let mut computed = Self::default();
        for step in 0..STEPS {
            let parts = std::slice::from_ref(&batch);
            let (updated, figures) = train_step(model, &mut adam, parts, step, RATE, &settings)?;
            model = updated;
            computed.losses.push(figures.loss);
            computed.grad_norms.push(figures.grad_norm);
        }
        let model = model.valid();
        let mut values = Vec::new();
        for_each_parameter(&model, &tasks, |parameter| {
            values.push((parameter.name.to_owned(), parameter.value));
        });
        for (name, value) in values {
            computed.weights.insert(name, read(value)?);
        }
        let input = ModelInput::new(&batch, 0, device);
        let hidden = model.electra.forward(&input, Mode::Predict);
        computed.hidden = read(arithmetic.widen(hidden).flatten(0, 1))?;
        Ok(computed)
    }

    /// Compares with what another device computed.
    pub fn agreement(&self, other: &Self) -> Agreement {
        let figures = |ours: &[f64], theirs: &[f64]| {
            let apart = ours
                .iter()
                .zip(theirs)
                .map(|(a, b)| (a - b).abs() / b.abs());
            worst(apart)
        };
        let tensors = self.weights.iter().map(|(name, ours)| {
            let theirs = other.weights.get(name).map_or(&[][..], Vec::as_slice);
            // What is hardly updated, as a key's bias, whose true gradient is zero, is rounding alone.
            apart(ours, theirs, 10.0 * RATE)
        });
        Agreement {
            loss: figures(&self.losses, &other.losses),
            grad_norm: figures(&self.grad_norms, &other.grad_norms),
            weights: worst(tensors),
            hidden: apart(&self.hidden, &other.hidden, 0.0),
        }
    }
}

impl Agreement {
    /// Returns whether a device that computes the layers in this format is right.
    pub fn is_right(self, layers: Element) -> bool {
        // Allows for other orders of summation, and in f16 for rounded operands. What a wrong mask, a missing
        // row or a lost carry does is far greater.
        let most = match layers {
            Element::F32 => [1e-4, 1e-3, 1e-3, 1e-3],
            Element::F16 => [1e-2, 3e-2, 3e-2, 3e-2],
        };
        let found = [self.loss, self.grad_norm, self.weights, self.hidden];
        found.iter().zip(most).all(|(found, most)| *found <= most)
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "loss within {:.1e}, gradient norm {:.1e}, weights {:.1e}, hidden states {:.1e}",
            self.loss, self.grad_norm, self.weights, self.hidden
        )
    }
}

/// Norm of the difference of two tensors, relative to that of the second or, if that is greater, of a tensor
/// of `least`.
fn apart(ours: &[f32], theirs: &[f32], least: f64) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    let square = |value: f64| value * value;
    let pairs = ours.iter().zip(theirs);
    let difference: f64 = pairs
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    let norm: f64 = theirs.iter().map(|b| square(f64::from(*b))).sum();
    let norm = norm.max(square(least) * theirs.len() as f64);
    match difference {
        0.0 => 0.0,
        _ => (difference / norm).sqrt(),
    }
}

/// The greatest of the distances; infinite if one is not a number, which a maximum would drop.
fn worst(distances: impl Iterator<Item = f64>) -> f64 {
    distances.fold(0.0, |worst, distance| match distance.is_nan() {
        true => f64::INFINITY,
        false => worst.max(distance),
    })
}

fn read(values: Tensor<1>) -> Result<Vec<f32>, DeviceError> {
    values.into_data().try_to_vec().map_err(DeviceError::new)
}

/// A head of each kind.
fn heads() -> Vec<TaskHead> {
    let words =
        |words: &[&str]| -> Arc<[String]> { words.iter().map(|word| (*word).to_owned()).collect() };
    let head = |task: &str, config| TaskHead {
        task: task.to_owned(),
        config,
    };
    vec![
        TaskHead::span(
            "questions",
            SpanHeadConfig {
                joint_prediction: true,
                answerable_classifier: true,
                answerable_uses_start_logits: true,
                answerable_weight: 0.5,
            },
        ),
        head(
            "classes",
            HeadConfig::Classes {
                labels: words(&["a", "b", "c"]),
                texts: None,
                columns: None,
                hidden_layer: false,
            },
        ),
        head(
            "values",
            HeadConfig::Value {
                range: None,
                texts: None,
                columns: None,
                hidden_layer: false,
            },
        ),
        head(
            "tags",
            HeadConfig::Tags {
                tags: words(&["O", "B-X", "I-X", "B-Y", "I-Y"]),
                segment: None,
                columns: None,
            },
        ),
    ]
}

/// One feature of each length, with tokens that are spread over the vocabulary.
fn batch(vocab_size: u32) -> Batch {
    let mut batch = Batch::default();
    for (index, (task, length)) in LENGTHS.into_iter().enumerate() {
        let ids: Vec<u32> = (0..length as u32)
            .map(|place| (place * 7_919 + index as u32 * 104_729) % vocab_size)
            .collect();
        let question = length as u32 / 3;
        let label = match task {
            0 => Label::Span {
                start: question + 2,
                end: question + 5,
                impossible: index % 2 == 1,
            },
            1 => Label::Class(2),
            2 => Label::Value(0.75),
            _ => Label::Tags {
                positions: (1..length as u32).step_by(2).collect(),
                tags: (1..length as u32).step_by(2).map(|word| word % 5).collect(),
            },
        };
        let row = Row {
            input_ids: &ids,
            first_segment: question as usize,
            label,
        };
        batch.push(index, task, row);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_agrees_with_itself_and_not_with_another() {
        assert_eq!(
            LENGTHS.iter().map(|(_, length)| length).sum::<usize>(),
            TOKENS
        );
        let device = Device::flex();
        let computed = Computed::on(&device, Arithmetic::default()).unwrap();
        // Chance level at first: ln 5 for each of 49 words makes most of it.
        assert!(
            (100.0..160.0).contains(&computed.losses[0]),
            "{:?}",
            computed.losses
        );
        assert!(
            computed.losses[1] < computed.losses[0],
            "{:?}",
            computed.losses
        );
        let none = computed.agreement(&computed);
        assert_eq!(
            none.to_string(),
            "loss within 0.0e0, gradient norm 0.0e0, weights 0.0e0, hidden states 0.0e0"
        );
        assert!(none.is_right(Element::F32));
        // One row of one matrix that was not updated, one value that is none, another loss.
        let with = |change: &dyn Fn(&mut Computed)| {
            let mut other = computed.clone();
            change(&mut other);
            other.agreement(&computed)
        };
        let name = "electra.layers.1.attention.query.weight";
        let weights = with(&|other| other.weights.get_mut(name).unwrap()[..128].fill(0.0));
        assert!(
            weights.weights > 0.05 && !weights.is_right(Element::F16),
            "{weights}"
        );
        let lost = with(&|other| other.hidden[7] = f32::NAN);
        assert!(!lost.is_right(Element::F16), "{lost}");
        let loss = with(&|other| other.losses[1] *= 1.001);
        assert!(
            !loss.is_right(Element::F32) && loss.is_right(Element::F16),
            "{loss}"
        );
    }
}
