//! Whether each token was replaced: yes if its score is above 0.
//!
//! Reproduces `_get_discriminator_output`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L183-L219>

use burn::{Tensor, module::Module};

use crate::{
    config::EncoderConfig,
    model::{
        dense::Dense,
        initialiser::Initialiser,
        parameter_gradients::ParameterGradients,
        parameters::{Error, ParameterSource},
    },
};

/// # Shapes
/// `[tokens, hidden]` → `[tokens, 1]`
#[derive(Module, Debug)]
pub struct DiscriminatorHead {
    pub dense: Dense,
    pub dense_1: Dense,
}

/// What the backward pass needs from the forward pass.
#[derive(Debug)]
pub struct DiscriminatorState {
    hidden: Tensor<2>,
    /// Before and after GELU.
    inner: Tensor<2>,
    activated: Tensor<2>,
}

impl DiscriminatorHead {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        let size = config.hidden_size;
        let kernel = Initialiser::TruncatedNormal(config.initializer_range);
        source.within("discriminator_predictions", |source| {
            Ok(Self {
                dense: Dense::new(source, "dense", [size, size], kernel)?.without_bf16(),
                dense_1: Dense::new(source, "dense_1", [size, 1], Initialiser::GlorotUniform)?
                    .without_bf16(),
            })
        })
    }

    /// `[tokens, hidden]` → `[tokens, 1]` without autodiff, in f32, with the state for the backward pass.
    pub fn forward(&self, hidden: Tensor<2>) -> (Tensor<2>, DiscriminatorState) {
        let (activated, inner) = self
            .dense
            .layer(hidden.dtype())
            .gelu_keeping(hidden.clone());
        let scores = self
            .dense_1
            .layer(activated.dtype())
            .forward(activated.clone());
        let state = DiscriminatorState {
            hidden,
            inner,
            activated,
        };
        (scores, state)
    }

    /// The gradient of the hidden states, given that of the scores. Adds the gradients of the parameters.
    pub fn backward(
        &self,
        state: DiscriminatorState,
        grad: Tensor<2>,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        self.dense_1
            .add_gradients(state.activated, grad.clone(), gradients);
        let grad = self
            .dense_1
            .layer(grad.dtype())
            .inner_gradient(grad, state.inner);
        self.dense
            .add_gradients(state.hidden, grad.clone(), gradients);
        self.dense.layer(grad.dtype()).input_gradient(grad)
    }
}
