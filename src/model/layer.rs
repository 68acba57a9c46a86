//! One encoder layer: attention, then feed-forward.

use burn::{Tensor, module::Module};

use super::{
    attention::Attention,
    dropout::Mode,
    feed_forward::FeedForward,
    packing::Sequences,
    parameters::{Error, ParameterSource},
};
use crate::config::EncoderConfig;

#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub attention: Attention,
    pub feed_forward: FeedForward,
}

impl EncoderLayer {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        Ok(Self {
            attention: Attention::new(source, config)?,
            feed_forward: FeedForward::new(source, config)?,
        })
    }

    /// Makes the f16 copies of the kernels as they are now.
    pub fn halve(&mut self) {
        let (attention, feed_forward) = (&mut self.attention, &mut self.feed_forward);
        for dense in [
            &mut attention.query,
            &mut attention.key,
            &mut attention.value,
            &mut attention.output,
            &mut feed_forward.intermediate,
            &mut feed_forward.output,
        ] {
            dense.halve();
        }
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`; `layer` is this layer's number.
    pub fn forward(
        &self,
        hidden: Tensor<2>,
        sequences: &Sequences,
        layer: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let hidden = self.attention.forward(hidden, sequences, layer, mode);
        self.feed_forward.forward(hidden, sequences, layer, mode)
    }
}
