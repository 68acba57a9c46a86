//! The gradient of an embedding table, whose rows may each be looked up several times: sums the
//! gradients of the looked-up rows by id.
//!
//! Burn's scatter-add uses one thread per column, which loops over the rows of all ids. Here the
//! host sorts the ids, which it knows, so each id gets threads of its own that loop over only its
//! rows. They add in row order, as the CPU does, so neither threads nor micro-batches change a sum.
//! Shader: `shaders/lookup_gradient.wgsl`.

use std::sync::Arc;

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension,
        tensor::{FloatTensor, IntTensor},
        wgpu::{CubeBackend, SourceTemplate, into_contiguous},
    },
    tensor::{Device, IndexingUpdateOp, Int, TensorData},
};

use super::{
    formats::{Element, Width},
    launch::{Arrays, in_two_dimensions, launch, owned},
    params::{params, with_params},
    shader::Shader,
    wgsl::unroll,
};

/// Workgroup size; matches the WGSL.
const THREADS: u32 = 64;

/// Rows that a thread loads before it adds them.
const AT_ONCE: usize = 8;

/// The table row of each token, on the device and on the host.
#[derive(Debug, Clone)]
pub struct Ids {
    on_device: Tensor<1, Int>,
    on_host: Arc<[u32]>,
}

impl Ids {
    pub fn new(ids: Arc<[u32]>, device: &Device) -> Self {
        let values: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        Self {
            on_device: Tensor::from_data(TensorData::new(values, [ids.len()]), device),
            on_host: ids,
        }
    }

    pub(super) fn on_device(&self) -> Tensor<1, Int> {
        self.on_device.clone()
    }

    pub(super) fn on_host(&self) -> &Arc<[u32]> {
        &self.on_host
    }

    /// Returns one-hot rows, `[ids, count]`; ids of `count` and above give rows of zeros.
    pub fn one_hot(&self, count: usize) -> Tensor<2> {
        let rows = rows_with_one(&self.on_host, count);
        Tensor::from_data(rows, &self.on_device.device())
    }
}

/// Returns one-hot rows, `[ids, count]`; ids of `count` and above give rows of zeros.
pub(super) fn one_hot<B: Backend>(
    ids: &[u32],
    count: usize,
    device: &burn::backend::tensor::Device<B>,
) -> FloatTensor<B> {
    B::float_from_data(rows_with_one(ids, count), device)
}

fn rows_with_one(ids: &[u32], count: usize) -> TensorData {
    let mut values = vec![0.0_f32; ids.len() * count];
    for (row, &id) in ids.iter().enumerate() {
        if (id as usize) < count {
            values[row * count + id as usize] = 1.0;
        }
    }
    TensorData::new(values, [ids.len(), count])
}

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupConfig {
    pub width: Width,
}

params! {
    /// Rows grouped by id.
    pub struct LookupParams {
        /// Elements in a row, counted in scalars or vec4.
        pub places: u32,
        /// Number of distinct ids.
        pub ids: u32,
        /// See [`by_id`].
        pub words: Vec<u32>,
    }
}

impl Shader for LookupConfig {
    type Params = LookupParams;

    fn text(self) -> String {
        let text = include_str!("../../shaders/lookup_gradient.wgsl");
        let text = SourceTemplate::new(text)
            .register("floats", self.width.floats())
            .register("at_once", AT_ONCE.to_string())
            .complete();
        with_params::<LookupParams>(unroll(&text, [AT_ONCE; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Width::ALL.map(|width| Self { width }).to_vec()
    }
}

/// The sum by id as a backend operation; `ids` `[rows]` are the same on the device and on the host.
#[backend_extension(Cube, Flex)]
pub trait LookupOps: Backend {
    /// Adds each of `rows` `[rows, columns]` to the row of `sums` `[entries, columns]` given by its
    /// id.
    fn add_by_id(
        sums: FloatTensor<Self>,
        ids: IntTensor<Self>,
        on_host: Arc<[u32]>,
        rows: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        assert_eq!(rows.shape()[0], on_host.len());
        reference::<Self>(sums, ids, rows)
    }
}

/// Plain-tensor reference.
fn reference<B: Backend>(
    sums: FloatTensor<B>,
    ids: IntTensor<B>,
    rows: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_select_assign(sums, 0, ids, rows, IndexingUpdateOp::Add)
}

// Burn's loop on the CPU already goes over the rows in order.
impl LookupOps for Flex {}

impl LookupOps for CubeBackend {
    fn add_by_id(
        sums: FloatTensor<Self>,
        ids: IntTensor<Self>,
        on_host: Arc<[u32]>,
        rows: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let formats = [sums.dtype, rows.dtype].map(Element::of);
        if formats != [Some(Element::F32); 2] {
            return reference::<Self>(sums, ids, rows);
        }
        assert_eq!(rows.shape()[0], on_host.len());
        let [entries, columns] = [sums.shape()[0], sums.shape()[1]];
        let width = Width::of(columns);
        let places = (columns / width.count()) as u32;
        let (count, words) = by_id(&on_host, entries);
        if count * places == 0 {
            return sums;
        }
        let (sums, rows) = (owned(sums), into_contiguous(rows));
        launch(
            &sums.client,
            LookupConfig { width },
            in_two_dimensions((count * places).div_ceil(THREADS)),
            &LookupParams {
                places,
                ids: count,
                words,
            },
            Arrays {
                updated: &[&sums],
                read: &[&rows],
                ..Arrays::default()
            },
        );
        sums
    }
}

/// Groups rows by id. Returns the number of distinct ids and a flat array: first a pair for each
/// id, the id and the index in this array at which its rows begin, closed by a sentinel pair that
/// marks the end; then the rows, in order within each id.
fn by_id(ids: &[u32], entries: usize) -> (u32, Vec<u32>) {
    let rows = ids.iter().zip(0_u32..);
    let mut rows: Vec<(u32, u32)> = rows.map(|(&id, row)| (id, row)).collect();
    rows.sort_unstable();
    // The shader would write outside the table.
    if let Some(&(id, _)) = rows.last().filter(|(id, _)| *id as usize >= entries) {
        panic!("row {id} of a table of {entries}");
    }
    let groups: Vec<_> = rows.chunk_by(|a, b| a.0 == b.0).collect();
    let mut words = Vec::with_capacity(2 * groups.len() + 2 + rows.len());
    let mut place = 2 * groups.len() as u32 + 2;
    for group in &groups {
        words.extend([group[0].0, place]);
        place += group.len() as u32;
    }
    words.extend([u32::MAX, place]);
    words.extend(rows.iter().map(|&(_, row)| row));
    (groups.len() as u32, words)
}

/// Adds each of `rows` `[ids, columns]` to the row of `sums` `[entries, columns]` given by its id,
/// in row order, without autodiff.
///
/// # Panics
/// If an id is beyond the table.
pub fn add_by_id(sums: Tensor<2>, ids: Ids, rows: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::add_by_id(
        sums.into_dispatch(),
        ids.on_device.into_dispatch(),
        ids.on_host,
        rows.into_dispatch(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_by_id_and_in_their_order() {
        let (count, words) = by_id(&[7, 2, 7, 9, 7, 2], 10);
        assert_eq!(count, 3);
        let end = u32::MAX;
        assert_eq!(words[..8], [2, 8, 7, 10, 9, 13, end, 14]);
        assert_eq!(words[8..], [1, 5, 0, 2, 4, 3]);
        assert_eq!(by_id(&[], 10), (0, vec![end, 2]));
    }

    #[test]
    #[should_panic(expected = "row 9 of a table of 9")]
    fn an_id_beyond_the_table_is_refused() {
        by_id(&[7, 9, 2], 9);
    }
}
