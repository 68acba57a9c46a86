//! Sums each token's word, type and position embeddings in one launch.
//!
//! The gradient of the sum is the gradient of each term; see [`lookup`](super::lookup) for the
//! tables' gradients. Shader: `shaders/embedding_sum.wgsl`.

use std::sync::Arc;

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension,
        tensor::{FloatTensor, IntTensor},
        wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
    },
    tensor::{DType, Shape},
};

use super::{
    formats::{Element, Width},
    launch::{Arrays, THREADS, in_two_dimensions, launch, like},
    lookup::{Ids, one_hot},
    params::{params, with_params},
    shader::Shader,
};
use crate::packed::sequences::Sequences;

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EmbeddingSumConfig {
    pub width: Width,
}

params! {
    /// The rows to sum.
    pub struct EmbeddingSumParams {
        pub rows: u32,
        /// Elements in a row, counted in scalars or vec4.
        pub places: u32,
        /// Entries of the type table.
        pub types: u32,
    }
}

impl Shader for EmbeddingSumConfig {
    type Params = EmbeddingSumParams;

    fn text(self) -> String {
        let text = include_str!("../../shaders/embedding_sum.wgsl");
        let text = SourceTemplate::new(text)
            .register("floats", self.width.floats())
            .complete();
        with_params::<EmbeddingSumParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Width::ALL.map(|width| Self { width }).to_vec()
    }
}

/// What the host knows about the rows.
#[derive(Debug, Clone)]
pub struct OnHost {
    /// Type ids of the rows.
    pub types: Arc<[u32]>,
    pub sequences: Sequences,
}

/// The embedding sum as a backend operation; tables are `[entries, columns]` and ids `[rows]`.
#[backend_extension(Cube, Flex)]
pub trait EmbeddingOps: Backend {
    /// Returns the sums, `[rows, columns]`. Also uploads the sequence data that later launches
    /// read.
    fn embedding_sum(
        words: FloatTensor<Self>,
        types: FloatTensor<Self>,
        positions: FloatTensor<Self>,
        word_ids: IntTensor<Self>,
        type_ids: IntTensor<Self>,
        position_ids: IntTensor<Self>,
        on_host: OnHost,
    ) -> FloatTensor<Self> {
        let ids = [word_ids, type_ids, position_ids];
        reference::<Self>([words, types, positions], ids, &on_host)
    }
}

/// Plain-tensor reference. The type embeddings are a matmul with one-hot rows, as in Google's code.
fn reference<B: Backend>(
    [words, types, positions]: [FloatTensor<B>; 3],
    [word_ids, _, position_ids]: [IntTensor<B>; 3],
    on_host: &OnHost,
) -> FloatTensor<B> {
    let kinds = one_hot::<B>(&on_host.types, types.shape()[0], &types.device());
    let words = B::float_select(words, 0, word_ids);
    let positions = B::float_select(positions, 0, position_ids);
    B::float_add(
        words,
        B::float_add(B::float_matmul(kinds, types), positions),
    )
}

impl EmbeddingOps for Flex {}

impl EmbeddingOps for CubeBackend {
    fn embedding_sum(
        words: FloatTensor<Self>,
        types: FloatTensor<Self>,
        positions: FloatTensor<Self>,
        word_ids: IntTensor<Self>,
        type_ids: IntTensor<Self>,
        position_ids: IntTensor<Self>,
        on_host: OnHost,
    ) -> FloatTensor<Self> {
        let tables = [words, types, positions].map(into_contiguous);
        let ids = [word_ids, type_ids, position_ids].map(into_contiguous);
        let all = |tensors: &[CubeTensor; 3], dtype| tensors.iter().all(|of| of.dtype == dtype);
        if !all(&tables, DType::F32) || !all(&ids, DType::I32) {
            return reference::<Self>(tables, ids, &on_host);
        }
        let [words, types, positions] = &tables;
        let [word_ids, type_ids, position_ids] = &ids;
        // Upload before the first launch: an upload submits all pending work.
        let _uploaded = on_host.sequences.on_device(words);
        let [rows, columns] = [word_ids.shape()[0], words.shape()[1]];
        let width = Width::of(columns);
        let places = columns / width.count();
        let sums = like(words, Shape::new([rows, columns]), Element::F32);
        launch(
            &words.client,
            EmbeddingSumConfig { width },
            in_two_dimensions(((rows * places) as u32).div_ceil(THREADS)),
            &EmbeddingSumParams {
                rows: rows as u32,
                places: places as u32,
                types: types.shape()[0] as u32,
            },
            Arrays {
                read: &[word_ids, type_ids, position_ids, words, types, positions],
                written: &[&sums],
                ..Arrays::default()
            },
        );
        sums
    }
}

/// Sums rows of three tables `[entries, columns]` by id: words, types and positions, giving
/// `[rows, columns]` without autodiff. The rows are those of `sequences`.
pub fn embedding_sum(
    tables: [Tensor<2>; 3],
    [words, types, positions]: [&Ids; 3],
    sequences: &Sequences,
) -> Tensor<2> {
    let [word_table, type_table, position_table] = tables.map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::embedding_sum(
        word_table,
        type_table,
        position_table,
        words.on_device().into_dispatch(),
        types.on_device().into_dispatch(),
        positions.on_device().into_dispatch(),
        OnHost {
            types: types.on_host().clone(),
            sequences: sequences.clone(),
        },
    ))
}
