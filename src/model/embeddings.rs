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

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub struct EmbeddingsState {
    /// Rows with a 1 at each token's type, `[tokens, types]`: the types' gradient is a product, as in
    /// the reference, while a look-up's would add every token into the same two rows.
    kinds: Tensor<2>,
    /// The sum of the three vectors.
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
                            // The reference names no initialiser for it.
                            Initialiser::GlorotUniform,
                        )
                        .map(Dense::without_bf16)
                    })
                    .transpose()?,
                dropout: config.hidden_dropout_prob,
            })
        })
    }

    /// `[tokens, hidden]` of a batch, without autodiff.
    pub fn forward(&self, input: &ModelInput, mode: Mode) -> Tensor<2> {
        let (rows, _) = self.normalised(self.sum(input), input, mode);
        self.projected(rows)
    }

    /// The same, with what the backward pass needs.
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

    /// Gradient of the word vectors, `[tokens, embedding]`, given that of the result, `[tokens, hidden]`.
    /// Those of the parameters but the word table are added.
    ///
    /// The word table's is left to the caller, because the reference's gradient norm counts the
    /// gradient of every looked-up row by itself.
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
                // Computed again instead of kept.
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

    /// Word, type and position vectors, `[tokens, embedding]`.
    fn sum(&self, input: &ModelInput) -> Tensor<2> {
        let tables = [&self.word, &self.token_type, &self.position];
        let ids = [&input.input_ids, &input.segment_ids, &input.position_ids];
        embedding_sum(
            tables.map(|table| value(&table.weight)),
            ids,
            &input.sequences,
        )
    }

    /// The rows that are projected, `[tokens, embedding]` each.
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

    /// `[tokens, embedding]` → `[tokens, hidden]`
    fn projected(&self, rows: Tensor<2>) -> Tensor<2> {
        match &self.project {
            Some(project) => project.layer(rows.dtype()).forward(rows),
            None => rows,
        }
    }
}
