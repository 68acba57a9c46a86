//! One encoder layer: attention, then feed-forward.
//!
//! Layers bypass autodiff: their backward pass is hand-written, so that what follows a matmul is done
//! in the same pass over memory, and nothing is kept longer than it is needed. Reproduces a layer of
//! `transformer_model`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L866-L920>

use burn::{Tensor, module::Module};

use super::{
    attention::{Attention, AttentionState},
    dense::Dense,
    feed_forward::{FeedForward, FeedForwardState},
    parameter_gradients::ParameterGradients,
    parameters::{Error, ParameterSource},
    pass::Pass,
};
use crate::config::EncoderConfig;

/// # Shapes
/// `[tokens, hidden]` → `[tokens, hidden]`
#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub attention: Attention,
    pub feed_forward: FeedForward,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub struct LayerState {
    attention: AttentionState,
    feed_forward: FeedForwardState,
}

impl EncoderLayer {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        Ok(Self {
            attention: Attention::new(source, config)?,
            feed_forward: FeedForward::new(source, config)?,
        })
    }

    /// The dense layers.
    pub fn denses(&mut self) -> [&mut Dense; 6] {
        let (attention, feed_forward) = (&mut self.attention, &mut self.feed_forward);
        [
            &mut attention.query,
            &mut attention.key,
            &mut attention.value,
            &mut attention.output,
            &mut feed_forward.intermediate,
            &mut feed_forward.output,
        ]
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`
    pub fn forward(&self, hidden: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let (hidden, _) = self.attention.forward(hidden, pass);
        self.feed_forward.forward(hidden, pass)
    }

    /// The same, with what the backward pass needs.
    pub fn forward_with_state(&self, hidden: Tensor<2>, pass: &Pass) -> (Tensor<2>, LayerState) {
        let (hidden, attention) = self.attention.forward(hidden, pass);
        let (hidden, feed_forward) = self.feed_forward.forward_with_state(hidden, pass);
        let state = LayerState {
            attention,
            feed_forward,
        };
        (hidden, state)
    }

    /// Gradient of the input, given the output's, `[tokens, hidden]` each. The parameters' gradients
    /// are added.
    pub fn backward(
        &self,
        state: LayerState,
        grad: Tensor<2>,
        pass: &Pass,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        let feed_forward = state.feed_forward;
        let grad = self
            .feed_forward
            .backward(feed_forward, grad, pass, gradients);
        self.attention
            .backward(state.attention, grad, pass, gradients)
    }
}
