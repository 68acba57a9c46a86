//! Matrix products of the CPU, each with what follows it in the same pass.
//!
//! The rows of a product are divided among the cores, which is up to a third faster than to divide
//! the small pieces that a core computes it in. Every row comes out the same wherever it is cut:
//! see [`least_rows`].

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};

use crate::kernels::cpu_loops::{block_rows, each, tensor};

/// Multiplications below which another core would not help: it takes a few tens of microseconds to
/// hand work over.
const SMALL: usize = 1 << 21;

/// Rows that are multiplied in one go, at most: their result stays below the size at which the
/// allocator takes fresh pages from the system each time.
const MOST_ROWS: usize = 1024;

/// `epilogue` on each block of rows of `a · b` in f32, `[m, k]` and `[k, n]` in any order in memory;
/// it is given the number of a block's first row.
pub(in crate::kernels) fn matmul(
    a: FloatTensor<Flex>,
    b: FloatTensor<Flex>,
    epilogue: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let [m, k, n] = [a.shape()[0], a.shape()[1], b.shape()[1]];
    let mut c = vec![0.0; m * n];
    let block = block_rows(n);
    each(
        parts(&mut c, [m, k, n]).into_iter(),
        #[inline(always)]
        |(first, c)| {
            let a = a.narrow(0, first, c.len() / n);
            let product = Flex::float_matmul(a, b.clone());
            let values = product.storage::<f32>().chunks(block * n);
            for (number, (c, values)) in c.chunks_mut(block * n).zip(values).enumerate() {
                c.copy_from_slice(values);
                epilogue(first + number * block, c);
            }
        },
    );
    tensor(c, Shape::new([m, n]))
}

/// `c` `[m, n]` cut at rows, into one part for each core if the product is worth it; each with the
/// number of its first row.
fn parts(c: &mut [f32], [m, k, n]: [usize; 3]) -> Vec<(usize, &mut [f32])> {
    let cores = match m * k * n <= SMALL {
        true => 1,
        false => rayon::current_num_threads(),
    };
    let wanted = cores.max(m.div_ceil(MOST_ROWS));
    let count = wanted.min(m / least_rows(n)).max(1);
    let (mut rest, mut first) = (c, 0);
    let mut parts = Vec::with_capacity(count);
    for part in 0..count {
        // As even as may be, so that none falls below the least.
        let rows = (m - first) / (count - part);
        let (own, others) = rest.split_at_mut(rows * n);
        parts.push((first, own));
        (rest, first) = (others, first + rows);
    }
    parts
}

/// Rows below which a part of a product with `n` columns could be summed in another order than
/// the whole: the matrix kernels have ways of their own for few rows (one row, up to 64 rows and
/// columns, up to 256 values). With at least so many in every part, the bytes of a result do not
/// depend on where it is cut, and so not on the number of cores.
fn least_rows(n: usize) -> usize {
    match n {
        // A vector, whose rows are summed several at once.
        0 | 1 => usize::MAX,
        _ => (256 / n + 1).max(65),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix([rows, columns]: [usize; 2], seed: u32) -> FloatTensor<Flex> {
        // Values of many sizes, so that another order of sums shows in the last bits.
        let mut state = seed;
        let values = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        });
        let values = values.take(rows * columns).collect();
        tensor(values, Shape::new([rows, columns]))
    }

    #[test]
    fn the_number_of_cores_changes_no_byte() {
        let pools: Vec<_> = [1, 2, 3, 8, 12, 16, 24, 64]
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                pool.build().unwrap()
            })
            .into();
        // Few and many rows, narrow and wide, and sums long enough to be cut.
        let shapes = [
            [96, 512, 128],
            [129, 1_100, 64],
            [130, 1_100, 64],
            [140, 2_048, 16],
            [200, 700, 48],
            [333, 3_000, 3],
            [600, 2_048, 2],
            [900, 2_600, 1],
            [1_040, 128, 512],
            [2_500, 64, 20],
        ];
        for [m, k, n] in shapes {
            let plain = [matrix([m, k], 1), matrix([k, n], 2)];
            // As the products of the backward pass have them.
            let turned = [
                matrix([k, m], 3).transpose(0, 1),
                matrix([n, k], 4).transpose(0, 1),
            ];
            for (a, b) in [
                (&plain[0], &plain[1]),
                (&plain[0], &turned[1]),
                (&turned[0], &plain[1]),
            ] {
                let results = pools.iter().map(|pool| {
                    let c = pool.install(|| matmul(a.clone(), b.clone(), |_, _| {}));
                    c.storage::<f32>().to_vec()
                });
                let results: Vec<_> = results.collect();
                let same = results.iter().all(|result| *result == results[0]);
                assert!(same, "{m} × {k} × {n}");
            }
        }
    }

    #[test]
    fn every_row_is_finished_with_its_number() {
        for [m, k, n] in [[1, 1, 1], [7, 3, 5], [301, 130, 77], [1_025, 64, 40]] {
            let a: Vec<f32> = (0..m * k).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32 - 2.0).collect();
            let [x, y] = [(&a, [m, k]), (&b, [k, n])]
                .map(|(values, shape)| tensor(values.clone(), Shape::new(shape)));
            let c = matmul(x, y, |first, rows| {
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
