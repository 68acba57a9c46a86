//! The feed-forward block of an encoder layer: two dense layers around an erf GELU, with residual
//! and LayerNorm.
//!
//! Reproduces `intermediate` and `output` of `transformer_model`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L904-L919>

use burn::{Tensor, module::Module};

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
    kernels::{dropout::Dropped, layer_norm::LayerNormState},
};

/// The feed-forward block of an encoder layer.
///
/// # Shapes
/// `[tokens, hidden]` → `[tokens, intermediate]` → `[tokens, hidden]`
#[derive(Module, Debug)]
pub struct FeedForward {
    pub intermediate: Dense,
    pub output: Dense,
    pub layer_norm: LayerNorm,
    pub dropout: f64,
}

/// State saved for the backward pass.
#[derive(Debug)]
pub struct FeedForwardState {
    /// The input, `[tokens, hidden]`.
    hidden: Tensor<2>,
    /// Before and after GELU, `[tokens, intermediate]`.
    inner: Tensor<2>,
    activated: Tensor<2>,
    sum: LayerNormState,
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

    /// Applies the block, `[tokens, hidden]` → `[tokens, hidden]`.
    pub fn forward(&self, hidden: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let format = hidden.dtype();
        let activated = self.intermediate.layer(format).gelu(hidden.clone());
        self.close(activated, hidden, pass).0
    }

    /// Same as [`forward`](Self::forward), and also returns the state for the backward pass.
    pub fn forward_with_state(
        &self,
        hidden: Tensor<2>,
        pass: &Pass,
    ) -> (Tensor<2>, FeedForwardState) {
        let layer = self.intermediate.layer(hidden.dtype());
        let (activated, inner) = layer.gelu_keeping(hidden.clone());
        let (output, sum) = self.close(activated.clone(), hidden.clone(), pass);
        let state = FeedForwardState {
            hidden,
            inner,
            activated,
            sum,
        };
        (output, state)
    }

    /// Applies the output layer, residual and LayerNorm.
    fn close(
        &self,
        activated: Tensor<2>,
        hidden: Tensor<2>,
        pass: &Pass,
    ) -> (Tensor<2>, LayerNormState) {
        let output = self.output.layer(hidden.dtype());
        let sum = output.residual(activated, hidden, self.dropped(pass));
        self.layer_norm.forward_with_state(sum)
    }

    /// Returns the gradient of the input, given the output's, `[tokens, hidden]` each, and
    /// accumulates the parameters' gradients.
    pub fn backward(
        &self,
        state: FeedForwardState,
        grad: Tensor<2>,
        pass: &Pass,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        let format = grad.dtype();
        let FeedForwardState {
            hidden,
            inner,
            activated,
            sum,
        } = state;
        let dropped = self.dropped(pass);
        let (residual, output) = self.layer_norm.backward(sum, grad, dropped, gradients);
        self.output
            .add_gradients(activated, output.clone(), gradients);
        let inner = self.output.layer(format).inner_gradient(output, inner);
        self.intermediate
            .add_gradients(hidden, inner.clone(), gradients);
        let intermediate = self.intermediate.layer(format);
        intermediate.input_gradient_onto(inner, residual)
    }

    fn dropped(&self, pass: &Pass) -> Option<Dropped> {
        pass.dropped(Site::FeedForwardOutput(pass.layer), self.dropout)
    }
}
