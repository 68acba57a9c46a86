//! What a step differentiates: which parameters, and the loss as scaled for the backward pass.

use burn::{Tensor, module::Module};

use crate::tasks::model::Model;

/// Which parameters are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trainable {
    All,
    /// The layers from this index on, and the heads.
    FromLayer(usize),
}

impl Trainable {
    /// Converts the hyper-parameter `trainable_layers`: the top `n` of `layers`, or all.
    pub fn new(trainable_layers: Option<usize>, layers: usize) -> Self {
        match trainable_layers {
            None => Self::All,
            Some(top) => Self::FromLayer(layers.saturating_sub(top)),
        }
    }

    /// Returns the index of the first trained layer.
    pub fn first_layer(self) -> usize {
        match self {
            Self::All => 0,
            Self::FromLayer(first) => first,
        }
    }

    /// Marks the parameters below the first trained layer as constants.
    pub fn freeze(self, mut model: Model) -> Model {
        let Self::FromLayer(first) = self else {
            return model;
        };
        model.electra.embeddings = model.electra.embeddings.no_grad();
        model.electra.layers = model
            .electra
            .layers
            .into_iter()
            .enumerate()
            .map(|(number, layer)| {
                if number < first {
                    layer.no_grad()
                } else {
                    layer
                }
            })
            .collect();
        model
    }
}

/// What a step differentiates.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    pub trainable: Trainable,
    /// Keeps only each layer's input and recomputes the rest in the backward pass.
    pub recompute_layers: bool,
    /// The factor by which the loss, and so every gradient, is multiplied.
    pub loss_scale: f64,
}

impl Objective {
    /// Returns the scaled loss, `[1]`, for the backward pass.
    pub fn scaled(&self, loss: Tensor<1>) -> Tensor<1> {
        if self.loss_scale == 1.0 {
            return loss;
        }
        loss * self.loss_scale
    }
}
