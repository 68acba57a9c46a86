//! Activation checkpointing: a backward pass that keeps each layer's input and nothing else.
//!
//! The forward pass runs without a graph. Then, from the last layer to the first, a layer is run
//! again with a graph of its own and the gradient of its output is sent through. What lives at
//! once is the inputs of all layers, `layers · tokens · hidden`, and one layer's activations.
//! Dropout draws the same masks both times, so that the gradients are those of a whole graph.

use burn::{Tensor, module::Module, optim::GradientsParams, tensor::Gradients as Backward};

use super::gradients::{Gradients, Objective, Trainable};
use crate::model::{ModelInput, QuestionAnsweringModel, dropout::Mode};

/// As [`gradients::accumulate`](super::gradients::accumulate); `loss` is the heads' part of it.
pub(super) fn accumulate(
    model: &QuestionAnsweringModel,
    input: &ModelInput,
    loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    objective: Objective,
    mode: Mode,
    gradients: &mut Gradients,
) -> Tensor<1> {
    let electra = &model.electra;
    let layers = electra.layers.len();
    let first = match objective.trainable {
        Trainable::All => 0,
        Trainable::FromLayer(first) => first,
    };

    // The same buffers, without a graph.
    let values = electra.valid();
    let constants = input.inner();
    let words = values.embeddings.look_up(constants.input_ids.clone());
    let hidden = values.embed(words.clone(), &constants, mode);
    let mut hidden = values.forward_layers(0..first, hidden, &constants, mode);
    let mut inputs = Vec::with_capacity(layers - first);
    for layer in first..layers {
        inputs.push(hidden.clone());
        hidden = values.forward_layers(layer..layer + 1, hidden, &constants, mode);
    }

    let last = leaf(hidden);
    let loss = loss(electra.arithmetic.widen(last.clone()));
    let mut grads = objective.scaled(loss.clone()).backward();
    let mut upstream = gradient(&last, &mut grads);
    let heads = GradientsParams::from_module(&mut grads, &model.heads);
    gradients.add(&model.heads, heads);

    for (layer, hidden) in (first..layers).zip(inputs).rev() {
        let hidden = leaf(hidden);
        let output = electra.forward_layers(layer..layer + 1, hidden.clone(), input, mode);
        let mut grads = send_back(output, upstream);
        upstream = gradient(&hidden, &mut grads);
        let module = &electra.layers[layer];
        gradients.add(module, GradientsParams::from_module(&mut grads, module));
    }

    if objective.trainable == Trainable::All {
        let words = leaf(words);
        let output = electra.embed(words.clone(), input, mode);
        let mut grads = send_back(output, upstream);
        let rows = gradient(&words, &mut grads);
        let module = &electra.embeddings;
        gradients.add(module, GradientsParams::from_module(&mut grads, module));
        gradients.add_word_rows(model, input, rows);
    }
    loss.inner()
}

/// A value as the start of a graph.
fn leaf(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value).require_grad()
}

/// Backward from `output` with its gradient given: the gradient of Σ output · upstream is
/// `upstream`, exactly.
fn send_back(output: Tensor<2>, upstream: Tensor<2>) -> Backward {
    (output * Tensor::from_inner(upstream)).sum().backward()
}

fn gradient(leaf: &Tensor<2>, grads: &mut Backward) -> Tensor<2> {
    leaf.grad_remove(grads)
        .expect("a layer's output depends on its input")
}
