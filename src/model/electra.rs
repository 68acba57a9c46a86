//! The encoder: embeddings, then layer after layer (BERT, post-norm).
//!
//! Reproduces `BertModel` with the discriminator's weights:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L112-L295>

use std::ops::Range;

use burn::{Tensor, module::Module, tensor::Device};

use super::{
    arithmetic::Arithmetic,
    dense::Dense,
    dropout::Mode,
    embeddings::{Embeddings, EmbeddingsState},
    input::ModelInput,
    layer::EncoderLayer,
    parameters::{Error, ParameterSource},
    pass::Pass,
};
use crate::{
    config::EncoderConfig,
    kernels::{formats::Element, work},
};

/// The encoder with its weights.
///
/// # Shapes
/// Token ids `[tokens]` → hidden states `[tokens, hidden]`, in the format of the layers.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use electra::{
///     config::EncoderConfig,
///     device::{DeviceRequest, choose},
///     model::{electra::Electra, parameters::ParameterSource, record},
/// };
/// use serde_json::Value;
///
/// let folder = Path::new("electra_small");
/// let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
/// let config: EncoderConfig = serde_json::from_value(config["model"].clone())?;
/// let mut stored = record::open(&folder.join("model.bpk"))?;
/// let device = choose(DeviceRequest::Cpu)?.device;
/// // The seed is for parameters that the record lacks.
/// let mut source = ParameterSource::new(device, 1, Some(&mut stored));
/// let encoder = Electra::new(&mut source, &config)?;
/// println!("{} layers", encoder.layers.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Electra {
    pub embeddings: Embeddings,
    pub layers: Vec<EncoderLayer>,
    #[module(skip)]
    pub arithmetic: Arithmetic,
}

impl Electra {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        source.within("electra", |source| {
            let embeddings = Embeddings::new(source, config)?;
            let layers = (0..config.num_hidden_layers)
                .map(|layer| {
                    source.within(&format!("layers.{layer}"), |source| {
                        EncoderLayer::new(source, config)
                    })
                })
                .collect::<Result<_, _>>()?;
            Ok(Self {
                embeddings,
                layers,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// The most tokens at once of which no product takes the device too long, if its speed was measured:
    /// drivers end launches of some seconds.
    pub fn most_tokens(&self, device: &Device) -> Option<usize> {
        let widest = &self.layers.first()?.feed_forward.intermediate;
        work::most_tokens(device, widest.weight.dims())
    }

    /// Iterates over the dense layers that keep f16 copies of their weights: all of the encoder's
    /// layers if they compute in f16.
    pub fn f16_denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        let f16 = self.arithmetic.layers == Element::F16;
        self.denses().filter(move |_| f16)
    }

    /// Iterates over the dense layers of all encoder layers.
    pub fn denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        self.layers.iter_mut().flat_map(EncoderLayer::denses)
    }

    /// Returns the last hidden states, `[tokens, hidden]` in the format of the layers, without
    /// autodiff.
    pub fn forward(&self, input: &ModelInput, mode: Mode) -> Tensor<2> {
        let hidden = self.arithmetic.narrow(self.embeddings.forward(input, mode));
        self.forward_layers(0..self.layers.len(), hidden, input, mode)
    }

    /// Returns the embeddings, `[tokens, hidden]` in the format of the layers, and the state for
    /// their backward pass.
    pub fn embed_with_state(&self, input: &ModelInput, mode: Mode) -> (Tensor<2>, EmbeddingsState) {
        let (hidden, state) = self.embeddings.forward_with_state(input, mode);
        (self.arithmetic.narrow(hidden), state)
    }

    /// Runs the layers of `range`, without autodiff: `[tokens, hidden]` → `[tokens, hidden]`.
    pub fn forward_layers(
        &self,
        range: Range<usize>,
        hidden: Tensor<2>,
        input: &ModelInput,
        mode: Mode,
    ) -> Tensor<2> {
        range.fold(hidden, |hidden, layer| {
            let pass = Pass {
                sequences: &input.sequences,
                layer,
                mode,
            };
            self.layers[layer].forward(hidden, &pass)
        })
    }
}
