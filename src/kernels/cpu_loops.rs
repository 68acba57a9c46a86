//! CPU loops over whole slices, parallel over all cores and vectorised.
//!
//! Results do not depend on the number of cores: the blocks are the same everywhere, and partial
//! sums are added in block order.
//!
//! A loop is compiled for the available vector instructions only if it is inlined into the call
//! that dispatches on them, so closures passed to these functions are marked `#[inline(always)]`.

use burn::{
    backend::{Flex, TensorMetadata, flex::FlexTensor, tensor::FloatTensor},
    tensor::{Shape, TensorData},
};
use pulp::Arch;
use rayon::prelude::*;

use super::formats::full;

/// Values in a block: few enough for a core's own caches, and enough to be worth handing to another
/// core.
pub(super) const BLOCK: usize = 16 * 1024;

/// Runs `work` on all of `out` in blocks of whole rows, passing the index of each block's first
/// row.
pub(super) fn by_rows(
    out: &mut [f32],
    columns: usize,
    work: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let rows = block_rows(columns);
    each(
        out.chunks_mut(rows * columns).enumerate(),
        #[inline(always)]
        |(block, out)| work(block * rows, out),
    );
}

/// Same as [`by_rows`], on two arrays with equally many rows.
pub(super) fn by_rows_of_two(
    [a, b]: [&mut [f32]; 2],
    columns: [usize; 2],
    work: impl Fn(usize, [&mut [f32]; 2]) + Sync + Send,
) {
    let rows = block_rows(columns[0].max(columns[1]));
    let blocks = a
        .chunks_mut(rows * columns[0])
        .zip(b.chunks_mut(rows * columns[1]));
    each(
        blocks.enumerate(),
        #[inline(always)]
        |(block, (a, b))| work(block * rows, [a, b]),
    );
}

/// Returns the rows in a block, at least one.
pub(super) fn block_rows(columns: usize) -> usize {
    (BLOCK / columns.max(1)).max(1)
}

/// Runs `work` on each block, on all cores if there is more than one block.
pub(super) fn each<T: Send>(blocks: impl Iterator<Item = T>, work: impl Fn(T) + Sync + Send) {
    map(blocks, work);
}

/// Maps each block with `work`, keeping their order.
pub(super) fn map<T: Send, R: Send>(
    blocks: impl Iterator<Item = T>,
    work: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    let blocks: Vec<T> = blocks.collect();
    let work = |block| {
        Arch::new().dispatch(
            #[inline(always)]
            || work(block),
        )
    };
    match blocks.len() {
        // A single block would be finished before another core could start.
        0 | 1 => blocks.into_iter().map(work).collect(),
        _ => blocks.into_par_iter().map(work).collect(),
    }
}

/// Sums each column of `values`, `[rows, columns]`.
pub(super) fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let blocks = values.chunks(block_rows(columns) * columns);
    let shares = map(
        blocks,
        #[inline(always)]
        |block| {
            let mut sums = vec![0.0; columns];
            for row in block.chunks_exact(columns) {
                add(&mut sums, row);
            }
            sums
        },
    );
    sum_of(shares, columns)
}

/// Adds vectors of `columns` values each.
pub(super) fn sum_of(vectors: Vec<Vec<f32>>, columns: usize) -> Vec<f32> {
    let mut vectors = vectors.into_iter();
    let mut sum = vectors.next().unwrap_or_else(|| vec![0.0; columns]);
    for vector in vectors {
        add(&mut sum, &vector);
    }
    sum
}

#[inline(always)]
fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Returns Σ `term` over two slices, in partial sums that fit vector registers.
#[inline(always)]
pub(super) fn total(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (heads, tails) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = heads.remainder().iter().zip(tails.remainder());
    let rest: f32 = rest.map(|(&a, &b)| term(a, b)).sum();
    for (a, b) in heads.zip(tails) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Returns the values of a contiguous tensor.
pub(super) fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    tensor.as_slice::<f32>().expect("f32 in order")
}

/// Converts to f32 and makes the tensor contiguous.
pub(super) fn in_order(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    full::<Flex>(tensor).to_contiguous()
}

/// Returns a contiguous tensor whose storage holds exactly its values, so that it can be written in
/// place.
pub(super) fn whole(tensor: FlexTensor) -> FlexTensor {
    let tensor = tensor.to_contiguous();
    let bytes = tensor.shape().num_elements() * tensor.dtype().size();
    if tensor.bytes().len() == bytes {
        return tensor;
    }
    FlexTensor::from_data(tensor.into_data())
}

pub(super) fn tensor(values: Vec<f32>, shape: Shape) -> FloatTensor<Flex> {
    FlexTensor::from_data(TensorData::new(values, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_worked_on_once_and_knows_its_number() {
        for (rows, columns) in [(1, 1), (3, 5), (700, 33), (40_001, 1), (3, 20_000)] {
            let mut out = vec![0.0; rows * columns];
            by_rows(&mut out, columns, |first, block| {
                for (row, values) in block.chunks_exact_mut(columns).enumerate() {
                    values
                        .iter_mut()
                        .for_each(|value| *value += (first + row) as f32);
                }
            });
            let right = |(place, &value): (usize, &f32)| value == (place / columns) as f32;
            assert!(out.iter().enumerate().all(right), "{rows} × {columns}");
        }
    }

    #[test]
    fn two_arrays_are_divided_at_the_same_rows() {
        let (mut a, mut b) = (vec![0.0; 3_000 * 30], vec![0.0; 3_000 * 2]);
        by_rows_of_two([&mut a, &mut b], [30, 2], |first, [a, b]| {
            assert_eq!(a.len() / 30, b.len() / 2);
            a.fill(first as f32);
            b.fill(first as f32);
        });
        for (a, b) in a.chunks_exact(30).zip(b.chunks_exact(2)) {
            assert_eq!([a[0]; 30], a);
            assert_eq!([a[0]; 2], b);
        }
    }

    #[test]
    fn columns_are_summed_over_all_rows() {
        let (rows, columns) = (2_000, 37);
        let values: Vec<f32> = (0..rows * columns).map(|n| (n % 11) as f32).collect();
        let sums = column_sums(&values, columns);
        for (column, &sum) in sums.iter().enumerate() {
            let exact: f32 = (0..rows)
                .map(|row| ((row * columns + column) % 11) as f32)
                .sum();
            // Integers below 2²⁴: exact in any order.
            assert_eq!(sum, exact);
        }
        assert_eq!(column_sums(&[], 3), [0.0; 3]);
    }
}
