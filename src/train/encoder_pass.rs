//! The encoder's forward pass, with what its backward pass needs, and the backward pass.
//!
//! Embeddings and layers bypass autodiff and are processed one at a time. The word table's gradient
//! is added row by row, because the reference's gradient norm counts each looked-up row's
//! separately.

use burn::{Tensor, tensor::Gradients as Backward};

use super::{
    gradients::Gradients,
    objective::{Objective, Trainable},
};
use crate::model::{
    Electra, ModelInput, dropout::Mode, embeddings::EmbeddingsState, layer::LayerState, pass::Pass,
};

/// A forward pass whose backward pass is still to come.
pub struct EncoderPass<'a> {
    electra: &'a Electra,
    input: &'a ModelInput,
    objective: Objective,
    mode: Mode,
    /// Present if the embeddings are trained.
    embeddings: Option<EmbeddingsState>,
    /// For each trained layer.
    kept: Vec<Kept>,
}

/// What is kept of a layer's forward pass: everything, or only its input.
#[expect(clippy::large_enum_variant, reason = "one for each layer")]
enum Kept {
    Input(Tensor<2>),
    State(LayerState),
}

impl<'a> EncoderPass<'a> {
    /// Runs the encoder. Also returns the last hidden states, `[tokens, hidden]` in the number
    /// format of the layers, without autodiff.
    pub fn forward(
        electra: &'a Electra,
        input: &'a ModelInput,
        objective: Objective,
        mode: Mode,
    ) -> (Self, Tensor<2>) {
        let first = objective.trainable.first_layer();
        let (hidden, state) = electra.embed_with_state(input, mode);
        let mut hidden = electra.forward_layers(0..first, hidden, input, mode);
        let mut encoder = Self {
            electra,
            input,
            objective,
            mode,
            embeddings: (objective.trainable == Trainable::All).then_some(state),
            kept: Vec::with_capacity(electra.layers.len() - first),
        };
        for layer in first..electra.layers.len() {
            let (output, state) =
                electra.layers[layer].forward_with_state(hidden.clone(), &encoder.pass(layer));
            encoder.kept.push(match objective.recompute_layers {
                true => Kept::Input(hidden),
                false => Kept::State(state),
            });
            hidden = output;
        }
        (encoder, hidden)
    }

    /// Adds the gradients of the encoder's trained parameters, given that of the last hidden
    /// states, `upstream` `[tokens, hidden]`. Layers of which only the input was kept are
    /// recomputed first, with the same dropout masks.
    pub fn backward(mut self, mut upstream: Tensor<2>, gradients: &mut Gradients) {
        let layers = self.objective.trainable.first_layer()..self.electra.layers.len();
        let kept = std::mem::take(&mut self.kept);
        for (layer, kept) in layers.zip(kept).rev() {
            let (module, pass) = (&self.electra.layers[layer], self.pass(layer));
            let state = match kept {
                Kept::State(state) => state,
                Kept::Input(hidden) => module.forward_with_state(hidden, &pass).1,
            };
            upstream = module.backward(state, upstream, &pass, &mut gradients.parameters);
            gradients.left(module);
        }
        if let Some(state) = self.embeddings.take() {
            let embeddings = &self.electra.embeddings;
            let grad = self.electra.arithmetic.widen(upstream);
            let (input, parameters) = (self.input, &mut gradients.parameters);
            let rows = embeddings.backward(state, grad, input, self.mode, parameters);
            let ids = input.input_ids.clone();
            gradients.add_word_rows(&embeddings.word.weight, ids, rows);
        }
    }

    fn pass(&self, layer: usize) -> Pass<'a> {
        Pass {
            sequences: &self.input.sequences,
            layer,
            mode: self.mode,
        }
    }
}

/// Wraps a value as the leaf of an autodiff graph.
pub fn leaf(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value).require_grad()
}

/// Takes the gradient of a [`leaf`].
pub fn gradient(leaf: &Tensor<2>, grads: &mut Backward) -> Tensor<2> {
    leaf.grad_remove(grads)
        .expect("a loss depends on the hidden states")
}
