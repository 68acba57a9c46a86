//! Matrix products of the CPU, each with what follows it in the same pass.
//!
//! The rows of a product are divided among the cores, which is up to a third faster than to divide
//! the small pieces that a core computes it in.

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};

use super::cpu_loops::{block_rows, each, tensor};

/// Multiplications below which another core would not help: it takes a few tens of microseconds to
/// hand work over.
const SMALL: usize = 1 << 21;

/// Rows that are multiplied in one go, at most: their result stays below the size at which the
/// allocator takes fresh pages from the system each time.
const MOST_ROWS: usize = 1024;

/// `finish` on each block of rows of `a · b` in f32, `[m, k]` and `[k, n]` in any order in memory; it
/// is told the number of a block's first row.
pub(super) fn product(
    a: FloatTensor<Flex>,
    b: FloatTensor<Flex>,
    finish: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let [m, k, n] = [a.shape()[0], a.shape()[1], b.shape()[1]];
    let cores = match m * k * n <= SMALL {
        true => 1,
        false => rayon::current_num_threads(),
    };
    let rows = m.div_ceil(cores).clamp(1, MOST_ROWS);
    let mut c = vec![0.0; m * n];
    let block = block_rows(n);
    each(
        c.chunks_mut(rows * n).enumerate(),
        #[inline(always)]
        |(part, c)| {
            let first = part * rows;
            let a = a.narrow(0, first, c.len() / n);
            let product = Flex::float_matmul(a, b.clone());
            let values = product.storage::<f32>().chunks(block * n);
            for (number, (c, values)) in c.chunks_mut(block * n).zip(values).enumerate() {
                c.copy_from_slice(values);
                finish(first + number * block, c);
            }
        },
    );
    tensor(c, Shape::new([m, n]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_finished_with_its_number() {
        for [m, k, n] in [[1, 1, 1], [7, 3, 5], [301, 130, 77], [1_025, 64, 40]] {
            let a: Vec<f32> = (0..m * k).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32 - 2.0).collect();
            let [x, y] = [(&a, [m, k]), (&b, [k, n])]
                .map(|(values, shape)| tensor(values.clone(), Shape::new(shape)));
            let c = product(x, y, |first, rows| {
                for (row, values) in (first..).zip(rows.chunks_exact_mut(n)) {
                    values.iter_mut().for_each(|value| *value += row as f32);
                }
            });
            for (place, &value) in c.storage::<f32>().iter().enumerate() {
                let (row, column) = (place / n, place % n);
                let sum: f32 = (0..k).map(|i| a[row * k + i] * b[i * n + column]).sum();
                // Small whole numbers: exact in any order.
                assert_eq!(value, sum + row as f32, "{m} × {k} × {n}: {row}, {column}");
            }
        }
    }
}
