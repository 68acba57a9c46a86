//! ELECTRA's question-answering head: where an answer starts, where it ends given its start, and
//! whether there is one.
//!
//! Reproduces the reference's `QATask.get_prediction_module` on packed rows: softmaxes and means
//! run over each sequence's own tokens. The dense layer over `concat(H[start], H[j])` is computed
//! as two matmuls, one for each half of its kernel, so that the start's half is not repeated for
//! every `j`. Matmuls take operands in the format of the layers; those with a single column and, in
//! bf16, those with few rows are f32.

use std::sync::Arc;

use burn::{
    Tensor,
    module::Module,
    tensor::{DType, FloatDType, TensorData},
};
use checkpoints_convert::{HeadShape, SpanShape};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    kernels::{
        dense::{Weight, dense, products::DenseProducts},
        end_logits::end_logits,
        formats::Element,
        gelu::gelu,
        rows::rows,
        summary::summary,
        token_logits::token_logits,
    },
    model::{
        arithmetic::Arithmetic,
        dense::Dense,
        head_input::HeadInput,
        initialiser::Initialiser,
        parameters::{Error, ParameterSource},
    },
};

/// Subtracted from the logits of tokens outside the passage.
const MASKED: f32 = 1000.0;

/// Width of the head's two hidden layers.
pub const HEAD_HIDDEN: usize = 512;

/// The parts of the head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpanHeadConfig {
    /// Whether the end is predicted given the start.
    pub joint_prediction: bool,
    /// Whether a classifier says if the question has an answer.
    pub answerable_classifier: bool,
    /// Whether the classifier also sees the mean of the hidden states weighted by the start.
    pub answerable_uses_start_logits: bool,
    /// Weight of the classifier's loss. Only used in training; a record does not store it.
    #[serde(skip)]
    pub answerable_weight: f64,
}

impl SpanHeadConfig {
    /// Returns the head that the hyper-parameters describe.
    pub fn of(config: &Config) -> Self {
        Self {
            joint_prediction: config.joint_prediction,
            answerable_classifier: config.answerable_classifier,
            answerable_uses_start_logits: config.answerable_uses_start_logits,
            answerable_weight: config.answerable_weight,
        }
    }

    /// Returns the shape as a record describes it.
    pub fn shape(&self) -> HeadShape {
        HeadShape::Span(SpanShape {
            joint_prediction: self.joint_prediction,
            answerable_classifier: self.answerable_classifier,
            answerable_uses_start_logits: self.answerable_uses_start_logits,
            hidden: HEAD_HIDDEN,
        })
    }
}

#[derive(Module, Debug)]
pub struct SpanHead {
    /// `hidden → 1`
    pub start: Dense,
    /// `2 · hidden → 512`, only with joint prediction
    pub end_hidden: Option<Dense>,
    /// `512 → 1` with joint prediction, otherwise `hidden → 1`
    pub end: Dense,
    /// `2 · hidden → 512`, only if the classifier uses the start logits
    pub answerable_hidden: Option<Dense>,
    /// `512 → 1`, or `hidden → 1` on the first hidden state
    pub answerable: Option<Dense>,
    /// f16 copies of both halves of `end_hidden`'s kernel, for rows in f16; without autodiff.
    #[module(skip)]
    end_halves: Option<[Tensor<2>; 2]>,
    #[module(skip)]
    answerable_weight: f64,
    #[module(skip)]
    arithmetic: Arithmetic,
}

/// Half of `end_hidden`'s kernel, `[hidden, 512]`.
#[derive(Debug, Clone, Copy)]
enum Half {
    Start,
    Token,
}

impl Half {
    fn of(self, kernel: Tensor<2>) -> Tensor<2> {
        let [both, _] = kernel.dims();
        let size = both / 2;
        match self {
            Self::Start => kernel.slice_dim(0, 0..size),
            Self::Token => kernel.slice_dim(0, size..both),
        }
    }
}

impl SpanHead {
    pub fn new(
        source: &mut ParameterSource,
        task: &str,
        hidden: usize,
        config: SpanHeadConfig,
    ) -> Result<Self, Error> {
        let kernel = Initialiser::GlorotUniform;
        source.within(&format!("heads.{task}"), |source| {
            let start = Dense::new(source, "start", [hidden, 1], kernel)?;
            let (end_hidden, end) = if config.joint_prediction {
                let inner = Dense::new(source, "end_hidden", [2 * hidden, HEAD_HIDDEN], kernel)?;
                let end = Dense::new(source, "end", [HEAD_HIDDEN, 1], kernel)?;
                (Some(inner), end)
            } else {
                (None, Dense::new(source, "end", [hidden, 1], kernel)?)
            };
            let (answerable_hidden, answerable) = if !config.answerable_classifier {
                (None, None)
            } else if config.answerable_uses_start_logits {
                let shape = [2 * hidden, HEAD_HIDDEN];
                let inner = Dense::new(source, "answerable_hidden", shape, kernel)?;
                let answerable = Dense::new(source, "answerable", [HEAD_HIDDEN, 1], kernel)?;
                (Some(inner), Some(answerable))
            } else {
                let answerable = Dense::new(source, "answerable", [hidden, 1], kernel)?;
                (None, Some(answerable))
            };
            Ok(Self {
                start,
                end_hidden,
                end,
                answerable_hidden,
                answerable,
                end_halves: None,
                answerable_weight: config.answerable_weight,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// Returns the classifier's hidden layer, if the layers compute in f16.
    pub fn f16_dense(&mut self) -> Option<&mut Dense> {
        match self.arithmetic.layers {
            Element::F16 => self.answerable_hidden.as_mut(),
            Element::F32 => None,
        }
    }

    /// Recomputes the f16 halves of the end's kernel, if the layers compute in f16.
    pub fn refresh_f16_parts(&mut self) {
        if self.arithmetic.layers == Element::F32 {
            return;
        }
        self.end_halves = self.end_hidden.as_ref().map(|dense| {
            let kernel = dense.weight.val().inner().cast(FloatDType::F16);
            [Half::Start, Half::Token].map(|half| half.of(kernel.clone()))
        });
    }

    /// Returns the weight of the classifier's loss relative to the span's.
    pub fn answerable_weight(&self) -> f64 {
        self.answerable_weight
    }

    /// Returns the start logits, `[tokens]`.
    pub fn start_logits(&self, input: &HeadInput, mask: Tensor<1>) -> Tensor<1> {
        logits(&self.start, input, mask)
    }

    /// Returns the end logits given starts, `[ranks, tokens]`: `starts` are packed rows, equally
    /// many for each sequence, sequence after sequence. Without joint prediction they have no
    /// effect, and there is one rank.
    ///
    /// `mask` is [`passage_mask`]'s. Differentiable if each sequence has one start.
    pub fn end_logits(&self, input: &HeadInput, starts: Arc<[u32]>, mask: Tensor<1>) -> Tensor<2> {
        let Some(hidden) = &self.end_hidden else {
            let tokens = input.sequences.tokens();
            return logits(&self.end, input, mask).reshape([1, tokens]);
        };
        let states = input.hidden.clone();
        let product = |rows: Tensor<2>, half: Half, bias: Tensor<1>| {
            let kernel = self.end_kernel(hidden, half, &rows);
            dense(rows, kernel, bias)
        };
        // The bias is added with the few starts, so that its gradient is a sum over few rows.
        let bias = hidden.bias.val();
        let none = Tensor::zeros([HEAD_HIDDEN], &states.device());
        let starts = product(rows(states.clone(), starts), Half::Start, bias);
        let tokens = product(states, Half::Token, none);
        end_logits(
            tokens,
            starts,
            self.end.weight.val().reshape([HEAD_HIDDEN]),
            self.end.bias.val(),
            mask,
            &input.sequences,
        )
    }

    /// Returns a half of `end_hidden`'s kernel for the matmul with these rows.
    fn end_kernel(&self, dense: &Dense, half: Half, rows: &Tensor<2>) -> Weight {
        let master = half.of(dense.weight.val());
        if rows.dtype() == DType::F32 {
            return Weight {
                master,
                half: None,
                products: DenseProducts {
                    tilings: self.arithmetic.full,
                    packed: match half {
                        Half::Start => None,
                        Half::Token => self.arithmetic.packed_kernel(),
                    },
                },
            };
        }
        let copy = match &self.end_halves {
            Some(halves) => halves[half as usize].clone(),
            None => master.clone().inner().cast(FloatDType::F16),
        };
        let copy = if rows.is_autodiff() {
            copy.autodiff()
        } else {
            copy
        };
        Weight {
            master,
            half: Some(copy),
            products: self.arithmetic.half.into(),
        }
    }

    /// Returns the logits that a question has no answer, `[sequences]`, given the start logits,
    /// `[tokens]`; `None` without the classifier.
    pub fn answerable_logits(
        &self,
        input: &HeadInput,
        start_logits: Tensor<1>,
    ) -> Option<Tensor<1>> {
        let answerable = self.answerable.as_ref()?;
        let sequences = &input.sequences;
        let count = sequences.len();
        let hidden = input.hidden.clone();
        let inner = match &self.answerable_hidden {
            None => self
                .arithmetic
                .widen(rows(hidden, sequences.offsets()[..count].into())),
            Some(dense) => {
                let inner = dense.forward(summary(hidden, start_logits, sequences));
                gelu(self.arithmetic.widen(inner))
            }
        };
        Some(answerable.forward(inner).reshape([count]))
    }
}

/// Returns what is added to each token's logits, `[tokens]`: 0 where an answer may start or end
/// (the passage, its closing `[SEP]`, and position 0, which stands for "no answer"), −1000
/// elsewhere.
///
/// The reference's softmax also runs over padding, at equally low logits. Relative to position 0,
/// whose logit is not lowered, the exponential of both is exactly 0 in f32.
pub fn passage_mask(input: &HeadInput) -> Tensor<1> {
    let sequences = &input.sequences;
    let terms: Vec<f32> = (0..sequences.len())
        .flat_map(|number| {
            let first_segment = input.first_segments[number] as usize;
            (0..sequences.rows(number).len()).map(move |position| {
                match position == 0 || position >= first_segment {
                    true => 0.0,
                    false => -MASKED,
                }
            })
        })
        .collect();
    let tokens = sequences.tokens();
    Tensor::from_data(TensorData::new(terms, [tokens]), &input.hidden.device())
}

/// Returns the logits `[tokens]` of a dense layer `hidden → 1`.
fn logits(dense: &Dense, input: &HeadInput, mask: Tensor<1>) -> Tensor<1> {
    let weight = dense.weight.val();
    let [size, _] = weight.dims();
    token_logits(
        input.hidden.clone(),
        weight.reshape([size]),
        dense.bias.val(),
        mask,
    )
}
