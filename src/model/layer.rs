//! One encoder layer: attention, then feed-forward.
//!
//! Layers bypass autodiff. Their backward pass is hand-written, so that matmul epilogues are fused
//! and nothing is kept longer than needed. Reproduces a layer of `transformer_model`:
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

/// One encoder layer.
///
/// # Shapes
/// `[tokens, hidden]` → `[tokens, hidden]`
#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub attention: Attention,
    pub feed_forward: FeedForward,
}

/// State saved for the backward pass.
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

    /// Returns the dense layers.
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

    /// Applies the layer, `[tokens, hidden]` → `[tokens, hidden]`.
    pub fn forward(&self, hidden: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let (hidden, _) = self.attention.forward(hidden, pass);
        self.feed_forward.forward(hidden, pass)
    }

    /// Same as [`forward`](Self::forward), and also returns the state for the backward pass.
    pub fn forward_with_state(&self, hidden: Tensor<2>, pass: &Pass) -> (Tensor<2>, LayerState) {
        let (hidden, attention) = self.attention.forward(hidden, pass);
        let (hidden, feed_forward) = self.feed_forward.forward_with_state(hidden, pass);
        let state = LayerState {
            attention,
            feed_forward,
        };
        (hidden, state)
    }

    /// Returns the gradient of the input, given the output's, `[tokens, hidden]` each, and
    /// accumulates the parameters' gradients.
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
