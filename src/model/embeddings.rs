//! Token embeddings: word + token type + position → LayerNorm → dropout → projection.
//!
//! The projection exists if the embedding width differs from that of the hidden states
//! (`embeddings_project`, as in ELECTRA-Small). Reproduces `embedding_lookup`,
//! `embedding_postprocessor` and the projection:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L410-L560>
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/modeling.py#L224-L228>

use burn::{
    Tensor,
    module::{Module, Param},
};

use super::{
    dense::Dense,
    dropout::{Mode, Site, dropout},
    initialiser::Initialiser,
    input::ModelInput,
    layer_norm::LayerNorm,
    parameter_gradients::ParameterGradients,
    parameters::{Error, ParameterSource, value},
};
use crate::{
    config::EncoderConfig,
    kernels::{embedding::embedding_sum, layer_norm::LayerNormState, lookup::add_by_id},
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

/// The embeddings of an encoder.
///
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

/// State saved for the backward pass.
#[derive(Debug)]
pub struct EmbeddingsState {
    /// One-hot token types, `[tokens, types]`: the gradient of the type table is a matmul, as in
    /// the reference, whereas a scatter-add would add every token to the same two rows.
    kinds: Tensor<2>,
    /// The sum of the three embeddings before normalisation.
    sum: LayerNormState,
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
                            // The reference sets no initialiser for it.
                            Initialiser::GlorotUniform,
                        )
                        .map(Dense::without_bf16)
                    })
                    .transpose()?,
                dropout: config.hidden_dropout_prob,
            })
        })
    }

    /// Embeds a batch, `[tokens, hidden]`, without autodiff.
    pub fn forward(&self, input: &ModelInput, mode: Mode) -> Tensor<2> {
        let (rows, _) = self.normalised(self.sum(input), input, mode);
        self.projected(rows)
    }

    /// Same as [`forward`](Self::forward), and also returns the state for the backward pass.
    pub fn forward_with_state(
        &self,
        input: &ModelInput,
        mode: Mode,
    ) -> (Tensor<2>, EmbeddingsState) {
        let [types, _] = self.token_type.weight.val().dims();
        let kinds = input.segment_ids.one_hot(types);
        let (rows, sum) = self.normalised(self.sum(input), input, mode);
        (self.projected(rows), EmbeddingsState { kinds, sum })
    }

    /// Returns the gradient of the word embeddings, `[tokens, embedding]`, given that of the
    /// result, `[tokens, hidden]`, and accumulates the gradients of all parameters except the word
    /// table.
    ///
    /// The word table is left to the caller because the reference's gradient norm counts the
    /// gradient of every looked-up row separately.
    pub fn backward(
        &self,
        state: EmbeddingsState,
        grad: Tensor<2>,
        input: &ModelInput,
        mode: Mode,
        gradients: &mut ParameterGradients,
    ) -> Tensor<2> {
        let EmbeddingsState { kinds, sum } = state;
        let grad = match &self.project {
            None => grad,
            Some(project) => {
                // Recomputed instead of saved.
                let (rows, _) = self.normalised(sum.x.clone(), input, mode);
                project.add_gradients(rows, grad.clone(), gradients);
                project.layer(grad.dtype()).input_gradient(grad)
            }
        };
        let grad = self.dropped(grad, input, mode);
        let (grad, _) = self.layer_norm.backward(sum, grad, None, gradients);
        let types = kinds.transpose().matmul(grad.clone());
        gradients.add(&self.token_type.weight, types);
        let table = &self.position.weight;
        let zeros = Tensor::zeros(table.val().dims(), &grad.device());
        let positions = add_by_id(zeros, input.position_ids.clone(), grad.clone());
        gradients.add(table, positions);
        grad
    }

    /// Sums word, type and position embeddings, `[tokens, embedding]`.
    fn sum(&self, input: &ModelInput) -> Tensor<2> {
        let tables = [&self.word, &self.token_type, &self.position];
        let ids = [&input.input_ids, &input.segment_ids, &input.position_ids];
        embedding_sum(
            tables.map(|table| value(&table.weight)),
            ids,
            &input.sequences,
        )
    }

    /// Returns the rows before projection, `[tokens, embedding]`, and the state of the
    /// normalisation.
    fn normalised(
        &self,
        sum: Tensor<2>,
        input: &ModelInput,
        mode: Mode,
    ) -> (Tensor<2>, LayerNormState) {
        let (rows, state) = self.layer_norm.forward_with_state(sum);
        (self.dropped(rows, input, mode), state)
    }

    fn dropped(&self, rows: Tensor<2>, input: &ModelInput, mode: Mode) -> Tensor<2> {
        let sequences = &input.sequences;
        dropout(rows, sequences, Site::Embeddings, self.dropout, mode)
    }

    /// Projects `[tokens, embedding]` → `[tokens, hidden]`, if there is a projection.
    fn projected(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.project {
            Some(project) => project.layer(rows.dtype()).forward(rows),
            None => rows,
        }
    }
}
