//! ELECTRA's question-answering head: where an answer starts, where it ends given its start,
//! and whether there is one.
//!
//! Reproduces the reference's `QATask.get_prediction_module`. The dense layer over
//! `concat(H[start], H[j])` is computed as two products, one for each half of its kernel, so
//! that the start's half is not repeated for every `j`.

use burn::{
    Tensor,
    module::Module,
    tensor::{Int, activation::softmax, module::linear},
};
use serde::{Deserialize, Serialize};

use super::{
    dense::Dense,
    initialiser::Initialiser,
    parameters::{Error, ParameterSource},
};
use crate::{config::Config, kernels::gelu::gelu};

/// Width of the head's two hidden layers.
pub const HEAD_HIDDEN: usize = 512;

/// Logits of positions outside the passage are lowered by this much.
const MASKED: f64 = 1000.0;

/// Which parts the head has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadConfig {
    /// The end is predicted given the start.
    pub joint_prediction: bool,
    /// A classifier says whether the question has an answer.
    pub answerable_classifier: bool,
    /// The classifier also sees the mean of the hidden states weighted by the start.
    pub answerable_uses_start_logits: bool,
}

impl HeadConfig {
    /// The head that the hyper-parameters describe.
    pub fn of(config: &Config) -> Self {
        Self {
            joint_prediction: config.joint_prediction,
            answerable_classifier: config.answerable_classifier,
            answerable_uses_start_logits: config.answerable_uses_start_logits,
        }
    }
}

#[derive(Module, Debug)]
pub struct SpanHead {
    /// `hidden → 1`
    pub start: Dense,
    /// `2 · hidden → 512`, only with joint prediction
    pub end_hidden: Option<Dense>,
    /// `512 → 1` with joint prediction, else `hidden → 1`
    pub end: Dense,
    /// `2 · hidden → 512`, only where the classifier uses the start logits
    pub answerable_hidden: Option<Dense>,
    /// `512 → 1`, or `hidden → 1` on the first hidden state
    pub answerable: Option<Dense>,
}

impl SpanHead {
    pub fn new(
        source: &mut ParameterSource,
        task: &str,
        hidden: usize,
        config: HeadConfig,
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
            })
        })
    }

    /// Start logits, `[batch, seq]`, of `hidden` `[batch · seq, hidden]`.
    pub fn start_logits(&self, hidden: Tensor<2>, answer_mask: Tensor<2>) -> Tensor<2> {
        let shape = answer_mask.dims();
        self.start.forward(hidden).reshape(shape) + mask_term(answer_mask)
    }

    /// What end prediction needs of the hidden states, computed once for all starts.
    pub fn end_context(&self, hidden: Tensor<2>, answer_mask: Tensor<2>) -> EndContext {
        let [batch, seq] = answer_mask.dims();
        let mask_term = mask_term(answer_mask);
        match &self.end_hidden {
            None => {
                EndContext::Independent(self.end.forward(hidden).reshape([batch, seq]) + mask_term)
            }
            Some(dense) => {
                let [_, size] = hidden.dims();
                let weight = dense.weight.val().slice_dim(0, size..2 * size);
                EndContext::GivenStart {
                    tokens: linear(hidden, weight, Some(dense.bias.val())),
                    mask_term,
                }
            }
        }
    }

    /// End logits, `[batch, seq]`, given one start position in each row, `[batch]`.
    ///
    /// `hidden` `[batch · seq, hidden]`. Without joint prediction the start plays no part.
    pub fn end_logits(
        &self,
        context: &EndContext,
        hidden: &Tensor<2>,
        start: Tensor<1, Int>,
    ) -> Tensor<2> {
        match (context, &self.end_hidden) {
            (EndContext::GivenStart { tokens, mask_term }, Some(dense)) => {
                let [batch, seq] = mask_term.dims();
                let [_, size] = hidden.dims();
                let starts = hidden.clone().select(0, flat_positions(start, seq));
                let weight = dense.weight.val().slice_dim(0, 0..size);
                let starts = linear(starts, weight, None).reshape([batch, 1, HEAD_HIDDEN]);
                let inner = tokens.clone().reshape([batch, seq, HEAD_HIDDEN]) + starts;
                let inner = gelu(inner.reshape([batch * seq, HEAD_HIDDEN]));
                self.end.forward(inner).reshape([batch, seq]) + mask_term.clone()
            }
            (EndContext::Independent(logits), _) => logits.clone(),
            (EndContext::GivenStart { tokens, .. }, None) => {
                unreachable!("a head without end_hidden made {:?}", tokens.dims())
            }
        }
    }

    /// How strongly the head says that a question has no answer, `[batch]`; `None` without the
    /// classifier.
    pub fn answerable_logits(
        &self,
        hidden: Tensor<2>,
        start_logits: Tensor<2>,
    ) -> Option<Tensor<1>> {
        let answerable = self.answerable.as_ref()?;
        let [batch, seq] = start_logits.dims();
        let [_, size] = hidden.dims();
        let states = hidden.reshape([batch, seq, size]);
        let first = states
            .clone()
            .slice([0..batch, 0..1])
            .reshape([batch, size]);
        let logits = match &self.answerable_hidden {
            None => answerable.forward(first),
            Some(dense) => {
                let weights = softmax(start_logits, 1).reshape([batch, 1, seq]);
                let mean = weights.matmul(states).reshape([batch, size]);
                let inner = dense.forward(Tensor::cat(vec![first, mean], 1));
                answerable.forward(gelu(inner))
            }
        };
        Some(logits.reshape([batch]))
    }
}

/// The part of end prediction that does not depend on the start.
#[expect(clippy::large_enum_variant, reason = "one a batch, never stored")]
pub enum EndContext {
    /// End logits, `[batch, seq]`.
    Independent(Tensor<2>),
    GivenStart {
        /// The kernel's second half applied to every token, `[batch · seq, 512]`.
        tokens: Tensor<2>,
        /// `[batch, seq]`
        mask_term: Tensor<2>,
    },
}

/// 0 where an answer may lie, −1000 elsewhere; `[batch, seq]`.
fn mask_term(answer_mask: Tensor<2>) -> Tensor<2> {
    (answer_mask - 1.0) * MASKED
}

/// Positions in rows `[batch]` → row numbers in a `[batch · seq, …]` matrix, `[batch]`.
fn flat_positions(positions: Tensor<1, Int>, seq: usize) -> Tensor<1, Int> {
    let [batch] = positions.dims();
    let rows = Tensor::<1, Int>::arange(0..batch as i64, &positions.device());
    rows * seq as i64 + positions
}
