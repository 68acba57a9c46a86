//! Multi-head self-attention with its output layer, residual and LayerNorm (BERT, post-norm).
//!
//! Reproduces `attention_layer` and what follows it:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L597-L790>
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L894-L902>

use burn::{Tensor, module::Module, tensor::DType};

use super::{
    dense::Dense,
    dropout::Site,
    initialiser::Initialiser,
    layer_norm::LayerNorm,
    parameter_gradients::ParameterGradients,
    parameters::{Error, ParameterSource},
    pass::Pass,
};
use crate::{
    config::EncoderConfig,
    kernels::{
        attention::{Attended, Layout, attention, attention_backward, config::AttentionConfigs},
        dense::three::ThreeLayers,
        dropout::Dropped,
        layer_norm::LayerNormState,
    },
};

/// The attention block of an encoder layer.
///
/// # Shapes
/// `[tokens, hidden]` → `[tokens, hidden]`; every dense layer is `hidden → hidden`.
#[derive(Module, Debug)]
pub struct Attention {
    pub query: Dense,
    pub key: Dense,
    pub value: Dense,
    pub output: Dense,
    pub layer_norm: LayerNorm,
    pub heads: usize,
    pub probability_dropout: f64,
    pub hidden_dropout: f64,
    #[module(skip)]
    configs: AttentionConfigs,
}

/// State saved for the backward pass.
#[derive(Debug)]
pub struct AttentionState {
    /// The input, `[tokens, hidden]`.
    hidden: Tensor<2>,
    attended: Attended,
    sum: LayerNormState,
}

impl Attention {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        source.within("attention", |source| {
            let size = config.hidden_size;
            let kernel = Initialiser::TruncatedNormal(config.initializer_range);
            Ok(Self {
                query: Dense::new(source, "query", [size, size], kernel)?,
                key: Dense::new(source, "key", [size, size], kernel)?,
                value: Dense::new(source, "value", [size, size], kernel)?,
                output: Dense::new(source, "output", [size, size], kernel)?,
                layer_norm: LayerNorm::new(source, size, config.layer_norm_eps)?,
                heads: config.num_attention_heads,
                probability_dropout: config.attention_probs_dropout_prob,
                hidden_dropout: config.hidden_dropout_prob,
                configs: source.arithmetic.attention,
            })
        })
    }

    /// Applies the block, `[tokens, hidden]` → `[tokens, hidden]`; also returns the state for the
    /// backward pass.
    pub fn forward(&self, hidden: Tensor<2>, pass: &Pass) -> (Tensor<2>, AttentionState) {
        let format = hidden.dtype();
        let [query, key, value] = self.projections(format).forward(hidden.clone());
        let attended = attention(query, key, value, self.layout(pass));
        let output = self.output.layer(format);
        let context = attended.context.clone();
        let sum = output.residual(context, hidden.clone(), self.dropped(pass));
        let (normalised, sum) = self.layer_norm.forward_with_state(sum);
        let state = AttentionState {
            hidden,
            attended,
            sum,
        };
        (normalised, state)
    }

    /// Returns the gradient of the input, given the output's, `[tokens, hidden]` each, and
    /// accumulates the parameters' gradients.
    pub fn backward(
        &self,
        state: AttentionState,
        grad: Tensor<2>,
        pass: &Pass,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        let format = grad.dtype();
        let AttentionState {
            hidden,
            attended,
            sum,
        } = state;
        let dropped = self.dropped(pass);
        let (input, output) = self.layer_norm.backward(sum, grad, dropped, gradients);
        let context = attended.context.clone();
        self.output
            .add_gradients(context, output.clone(), gradients);
        let context = self.output.layer(format).input_gradient(output);
        let projected = attention_backward(attended, context, self.layout(pass));
        let projections = self.projections(format);
        let (kernels, biases) = projections.parameter_gradients(hidden, projected.clone());
        let layers = [&self.query, &self.key, &self.value];
        for (dense, (kernel, bias)) in layers.into_iter().zip(kernels.into_iter().zip(biases)) {
            gradients.add(&dense.weight, kernel);
            gradients.add(&dense.bias, bias);
        }
        projections.input_gradients_onto(projected, input)
    }

    fn projections(&self, format: DType) -> ThreeLayers {
        ThreeLayers([&self.query, &self.key, &self.value].map(|dense| dense.layer(format)))
    }

    fn layout(&self, pass: &Pass) -> Layout {
        let site = Site::Probabilities(pass.layer);
        Layout {
            sequences: pass.sequences.clone(),
            heads: self.heads,
            mask: pass.mode.mask(site, self.probability_dropout),
            configs: self.configs,
        }
    }

    fn dropped(&self, pass: &Pass) -> Option<Dropped> {
        pass.dropped(Site::AttentionOutput(pass.layer), self.hidden_dropout)
    }
}
