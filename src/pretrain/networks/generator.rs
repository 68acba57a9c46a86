//! A generator's layers, with embeddings of its own or the discriminator's.
//!
//! Reproduces `build_transformer` with the generator's configuration:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L313-L345>

use burn::module::Module;

use crate::{
    config::EncoderConfig,
    model::{
        Electra,
        arithmetic::Arithmetic,
        dense::Dense,
        embeddings::Embeddings,
        initialiser::Initialiser,
        layer::EncoderLayer,
        parameters::{Error, ParameterSource},
    },
};

/// # Shapes
/// Token ids `[tokens]` → hidden states `[tokens, hidden]`.
#[derive(Module, Debug)]
pub struct Generator {
    /// Its own embeddings; `None` if it shares the discriminator's.
    pub embeddings: Option<Embeddings>,
    /// Projects shared embeddings to the width of its layers, if they differ.
    pub project: Option<Dense>,
    pub layers: Vec<EncoderLayer>,
    #[module(skip)]
    arithmetic: Arithmetic,
}

impl Generator {
    /// The generator of this name and shape, with embeddings of its own if it `is_untied`.
    pub fn new(
        source: &mut ParameterSource,
        name: &str,
        config: &EncoderConfig,
        is_untied: bool,
    ) -> Result<Self, Error> {
        let (embedding, hidden) = (config.embedding_size, config.hidden_size);
        source.within(name, |source| {
            Ok(Self {
                embeddings: is_untied
                    .then(|| Embeddings::new(source, config))
                    .transpose()?,
                project: (!is_untied && embedding != hidden)
                    .then(|| {
                        Dense::new(
                            source,
                            "project",
                            [embedding, hidden],
                            Initialiser::GlorotUniform,
                        )
                        .map(Dense::without_bf16)
                    })
                    .transpose()?,
                layers: (0..config.num_hidden_layers)
                    .map(|layer| {
                        source.within(&format!("layers.{layer}"), |source| {
                            EncoderLayer::new(source, config)
                        })
                    })
                    .collect::<Result<_, _>>()?,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// The generator as an encoder; if it has no embeddings of its own, the encoder uses the discriminator's.
    /// It shares the parameters, and must be dropped before they are updated.
    pub fn encoder(&self, shared: &Embeddings) -> Electra {
        Electra {
            embeddings: match &self.embeddings {
                Some(own) => own.clone(),
                None => Embeddings {
                    project: self.project.clone(),
                    ..shared.clone()
                },
            },
            layers: self.layers.clone(),
            arithmetic: self.arithmetic,
        }
    }

    /// The dense layers of all transformer layers.
    pub fn denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        self.layers.iter_mut().flat_map(EncoderLayer::denses)
    }
}
