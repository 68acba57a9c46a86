//! The encoder's forward pass with what its backward pass needs, and that backward pass.
//!
//! Layers bypass autodiff and are gone through one by one; the embeddings have a graph of their own.
//! Word vectors are looked up without autodiff and enter that graph as leaves, for two reasons: the
//! reference's gradient norm counts each looked-up row's gradient by itself, and the table's gradient
//! is then one scatter of those rows.

use burn::{Tensor, optim::GradientsParams, tensor::Gradients as Backward};

use super::{
    gradients::Gradients,
    objective::{Objective, Trainable},
};
use crate::model::{
    Electra, ModelInput, dropout::Mode, layer::LayerState, parameters::without_graph, pass::Pass,
};

/// A forward pass that waits for its backward pass.
pub struct EncoderPass<'a> {
    electra: &'a Electra,
    input: &'a ModelInput,
    objective: Objective,
    mode: Mode,
    /// Looked-up word vectors, `[tokens, embedding]`.
    words: Tensor<2>,
    /// Of each trained layer.
    kept: Vec<Kept>,
}

/// What is kept of a layer's forward pass: all of it, or its input alone.
#[expect(clippy::large_enum_variant, reason = "one for each layer")]
enum Kept {
    Input(Tensor<2>),
    State(LayerState),
}

impl<'a> EncoderPass<'a> {
    /// Runs the encoder. Also returns the last hidden states, `[tokens, hidden]` in the format of
    /// the layers, without autodiff.
    pub fn forward(
        electra: &'a Electra,
        input: &'a ModelInput,
        objective: Objective,
        mode: Mode,
    ) -> (Self, Tensor<2>) {
        let first = objective.trainable.first_layer();
        let words = without_graph(electra.embeddings.look_up(input.input_ids.clone()));
        let hidden = without_graph(electra.embed(constant(words.clone()), input, mode));
        let mut hidden = electra.forward_layers(0..first, hidden, input, mode);
        let mut encoder = Self {
            electra,
            input,
            objective,
            mode,
            words,
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

    /// Adds the gradients of the encoder's trained parameters, given that of the last hidden states,
    /// `upstream` `[tokens, hidden]`. Layers of which only the input was kept run again first, and
    /// drop the same values.
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
        }
        if self.objective.trainable == Trainable::All {
            self.embeddings_backward(upstream, gradients);
        }
    }

    /// `upstream` is the gradient of the embeddings' output, `[tokens, hidden]`.
    fn embeddings_backward(self, upstream: Tensor<2>, gradients: &mut Gradients) {
        let words = leaf(self.words);
        let output = self.electra.embed(words.clone(), self.input, self.mode);
        // The gradient of Σ output · upstream is `upstream`, exactly.
        let mut grads = (output * constant(upstream)).sum().backward();
        let rows = gradient(&words, &mut grads);
        let embeddings = &self.electra.embeddings;
        let part = GradientsParams::from_module(&mut grads, embeddings);
        gradients.parameters.add_all(embeddings, part);
        let ids = self.input.input_ids.clone().inner();
        gradients.add_word_rows(&embeddings.word.weight, ids, rows);
    }

    fn pass(&self, layer: usize) -> Pass<'a> {
        Pass {
            sequences: &self.input.sequences,
            layer,
            mode: self.mode,
        }
    }
}

/// A value as the start of a graph.
pub fn leaf(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value).require_grad()
}

/// A value that takes part in a graph and has no gradient.
fn constant(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value)
}

/// Takes the gradient of a [`leaf`].
pub fn gradient(leaf: &Tensor<2>, grads: &mut Backward) -> Tensor<2> {
    leaf.grad_remove(grads)
        .expect("a loss depends on the hidden states")
}
