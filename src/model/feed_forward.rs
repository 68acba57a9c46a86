//! The two dense layers of an encoder layer around an erf GELU, with residual and LayerNorm.

use burn::{Tensor, module::Module};

use super::{
    dense::Dense,
    dropout::{Mode, Site},
    initialiser::Initialiser,
    layer_norm::LayerNorm,
    packing::Sequences,
    parameters::{Error, ParameterSource},
};
use crate::{config::EncoderConfig, kernels::gelu::gelu};

#[derive(Module, Debug)]
pub struct FeedForward {
    pub intermediate: Dense,
    pub output: Dense,
    pub layer_norm: LayerNorm,
    pub dropout: f64,
}

impl FeedForward {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        source.within("feed_forward", |source| {
            let (size, inner) = (config.hidden_size, config.intermediate_size);
            let kernel = Initialiser::TruncatedNormal(config.initializer_range);
            Ok(Self {
                intermediate: Dense::new(source, "intermediate", [size, inner], kernel)?,
                output: Dense::new(source, "output", [inner, size], kernel)?,
                layer_norm: LayerNorm::new(source, size, config.layer_norm_eps)?,
                dropout: config.hidden_dropout_prob,
            })
        })
    }

    /// `[tokens, hidden]` → `[tokens, hidden]`; `layer` is this layer's number.
    pub fn forward(
        &self,
        hidden: Tensor<2>,
        sequences: &Sequences,
        layer: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let inner = gelu(self.intermediate.forward(hidden.clone()));
        self.layer_norm.forward(
            self.output.forward(inner),
            hidden,
            sequences,
            mode.mask(Site::FeedForwardOutput(layer), self.dropout),
        )
    }
}
