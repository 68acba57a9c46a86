//! One encoder layer: attention, then feed-forward.

use burn::{Tensor, module::Module};

use super::{
    attention::Attention,
    dropout::Mode,
    feed_forward::FeedForward,
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

    /// `hidden` `[batch · seq, hidden]`, `bias` `[batch, 1, 1, seq]` → `[batch · seq, hidden]`
    pub fn forward(&self, hidden: Tensor<2>, bias: Tensor<4>, mode: Mode) -> Tensor<2> {
        let hidden = self.attention.forward(hidden, bias, mode);
        self.feed_forward.forward(hidden, mode)
    }
}
