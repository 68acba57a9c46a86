//! Token embeddings: word + token type + position → LayerNorm → dropout → projection.
//!
//! The projection exists if the embeddings have another width than the hidden states
//! (`embeddings_project`, as in ELECTRA-Small). Reproduces `embedding_lookup`,
//! `embedding_postprocessor` and the projection:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L410-L560>
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L224-L228>

use burn::{
    Tensor,
    module::{Module, Param},
    tensor::Int,
};

use super::{
    dense::Dense,
    dropout::{Mode, Site, dropout},
    initialiser::Initialiser,
    input::ModelInput,
    layer_norm::LayerNorm,
    parameters::{Error, ParameterSource},
};
use crate::{
    config::EncoderConfig,
    kernels::lookup::{Ids, look_up},
};

/// A table of row vectors.
#[derive(Module, Debug)]
pub struct Table {
    /// `[entries, embedding]`
    pub weight: Param<Tensor<2>>,
}

impl Table {
    fn new(
        source: &mut ParameterSource,
        name: &str,
        shape: [usize; 2],
        deviation: f64,
    ) -> Result<Self, Error> {
        source.within(name, |source| {
            Ok(Self {
                weight: source.parameter(
                    "weight",
                    shape,
                    Initialiser::TruncatedNormal(deviation),
                )?,
            })
        })
    }
}

/// # Shapes
/// Token ids, segment ids and positions `[tokens]` → `[tokens, hidden]`.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocab, embedding]`
    pub word: Table,
    /// `[types, embedding]`
    pub token_type: Table,
    /// `[positions, embedding]`
    pub position: Table,
    pub layer_norm: LayerNorm,
    /// `embedding → hidden`
    pub project: Option<Dense>,
    pub dropout: f64,
}

impl Embeddings {
    pub fn new(source: &mut ParameterSource, config: &EncoderConfig) -> Result<Self, Error> {
        source.within("embeddings", |source| {
            let size = config.embedding_size;
            let deviation = config.initializer_range;
            Ok(Self {
                word: Table::new(source, "word", [config.vocab_size, size], deviation)?,
                token_type: Table::new(
                    source,
                    "token_type",
                    [config.type_vocab_size, size],
                    deviation,
                )?,
                position: Table::new(
                    source,
                    "position",
                    [config.max_position_embeddings, size],
                    deviation,
                )?,
                layer_norm: LayerNorm::new(source, size, config.layer_norm_eps)?,
                project: (size != config.hidden_size)
                    .then(|| {
                        Dense::new(
                            source,
                            "project",
                            [size, config.hidden_size],
                            Initialiser::TruncatedNormal(deviation),
                        )
                    })
                    .transpose()?,
                dropout: config.hidden_dropout_prob,
            })
        })
    }

    /// Word vectors of the batch, `[tokens, embedding]`.
    ///
    /// They are looked up apart from [`forward`](Self::forward), because the reference's
    /// gradient norm counts the gradient of every looked-up row by itself.
    pub fn look_up(&self, input_ids: Ids) -> Tensor<2> {
        look_up(self.word.weight.val(), input_ids)
    }

    /// `[tokens, embedding]` word vectors → `[tokens, hidden]`
    pub fn forward(&self, words: Tensor<2>, input: &ModelInput, mode: Mode) -> Tensor<2> {
        let token_type = self.token_type.weight.val();
        let [types, _] = token_type.dims();
        // A product with one-hot rows, as in the reference: its gradient is a product too,
        // while that of a look-up would add every token into the same two rows.
        // Burn's own `one_hot` reads the indices back from the device to check them.
        let kinds = Tensor::<1, Int>::arange(0..types as i64, &token_type.device());
        let token_type = input
            .segment_ids
            .clone()
            .unsqueeze_dim::<2>(1)
            .equal(kinds.unsqueeze::<2>())
            .float()
            .matmul(token_type);
        let position = look_up(self.position.weight.val(), input.position_ids.clone());
        let hidden = dropout(
            self.layer_norm.forward(words + (token_type + position)),
            &input.sequences,
            Site::Embeddings,
            self.dropout,
            mode,
        );
        match &self.project {
            Some(project) => project.forward(hidden),
            None => hidden,
        }
    }
}
