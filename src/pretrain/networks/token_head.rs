//! The head that guesses tokens: maps hidden states to rows of the word table's width, whose products with
//! the table are the scores.
//!
//! The rows are f32, whatever the precision of the layers. Reproduces `get_token_logits`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L257-L272>

use burn::{
    Tensor,
    module::{Module, Param},
};

use crate::{
    config::encoder::LAYER_NORM_EPS,
    kernels::{gelu::gelu_backward, layer_norm::LayerNormState},
    model::{
        dense::Dense,
        initialiser::Initialiser,
        layer_norm::LayerNorm,
        parameter_gradients::ParameterGradients,
        parameters::{Error, ParameterSource},
    },
};

/// # Shapes
/// `[rows, hidden]` → `[rows, embedding]`
#[derive(Module, Debug)]
pub struct TokenHead {
    pub dense: Dense,
    pub layer_norm: LayerNorm,
    /// `[vocab]`
    pub output_bias: Param<Tensor<1>>,
}

/// Widths of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadSizes {
    pub input: usize,
    /// Width of the word table.
    pub embedding: usize,
    pub vocabulary: usize,
    /// Standard deviation of the dense layer's initial weights.
    pub deviation: f64,
}

/// What the backward pass needs from the forward pass.
#[derive(Debug)]
pub struct HeadState {
    rows: Tensor<2>,
    /// Before GELU.
    inner: Tensor<2>,
    sum: LayerNormState,
}

impl TokenHead {
    pub fn new(source: &mut ParameterSource, name: &str, sizes: HeadSizes) -> Result<Self, Error> {
        let HeadSizes {
            input, embedding, ..
        } = sizes;
        let kernel = Initialiser::TruncatedNormal(sizes.deviation);
        source.within(name, |source| {
            Ok(Self {
                dense: Dense::new(source, "dense", [input, embedding], kernel)?.without_bf16(),
                layer_norm: LayerNorm::new(source, embedding, LAYER_NORM_EPS)?,
                output_bias: source.parameter(
                    "output_bias",
                    [sizes.vocabulary],
                    Initialiser::Zeros,
                )?,
            })
        })
    }

    /// `[rows, hidden]` → `[rows, embedding]` without autodiff, in f32, with the state for the backward pass.
    pub fn forward(&self, rows: Tensor<2>) -> (Tensor<2>, HeadState) {
        let layer = self.dense.layer(rows.dtype());
        let (activated, inner) = layer.gelu_keeping(rows.clone());
        let (normalised, sum) = self.layer_norm.forward_with_state(activated);
        (normalised, HeadState { rows, inner, sum })
    }

    /// The gradient of the rows, given that of the result. Adds the gradients of the parameters.
    pub fn backward(
        &self,
        state: HeadState,
        grad: Tensor<2>,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        let (grad, _) = self.layer_norm.backward(state.sum, grad, None, gradients);
        let grad = gelu_backward(state.inner, grad);
        self.dense
            .add_gradients(state.rows, grad.clone(), gradients);
        self.dense.layer(grad.dtype()).input_gradient(grad)
    }
}
