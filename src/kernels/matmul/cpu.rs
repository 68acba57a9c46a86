//! Matmuls on the CPU, each with its epilogue in the same pass.
//!
//! The larger operand is divided among the cores: the right one by columns if there are few rows,
//! as for a single question, otherwise the left one by rows. Every value is the same wherever the
//! result is cut; see [`least_lines`].

use std::sync::Once;

use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};

use crate::kernels::cpu_loops::{block_rows, by_rows, each, map, tensor};

/// Number of multiplications below which another core does not help: handing over work takes a few
/// tens of microseconds.
const SMALL: usize = 1 << 21;

/// Most rows multiplied in one go: the result stays below the size at which the allocator requests
/// fresh pages from the system each time.
const MOST_ROWS: usize = 1024;

/// Most columns that gemm's microkernels compute at once. A part whose column count is not a
/// multiple of this would leave some of their registers unused.
const UNIT: usize = 64;

/// Computes `a · b` in f32, `[m, k]` and `[k, n]` in any memory order, and calls `epilogue` on each
/// block of rows with the index of its first row.
pub(in crate::kernels) fn matmul(
    a: FloatTensor<Flex>,
    b: FloatTensor<Flex>,
    epilogue: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    pack_for_few_rows();
    let [m, k, n] = [a.shape()[0], a.shape()[1], b.shape()[1]];
    let cores = match m * k * n <= SMALL {
        true => 1,
        false => rayon::current_num_threads(),
    };
    let mut c = vec![0.0; m * n];
    let columns = column_parts([m, n], cores);
    match columns.len() {
        0 | 1 => in_rows([a, b], row_parts(&mut c, [m, n], cores), epilogue),
        _ => in_columns([a, b], columns, &mut c, epilogue),
    }
    tensor(c, Shape::new([m, n]))
}

/// Each core computes and finishes its own rows.
fn in_rows(
    [a, b]: [FloatTensor<Flex>; 2],
    parts: Vec<(usize, &mut [f32])>,
    epilogue: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let n = b.shape()[1];
    let block = block_rows(n);
    each(
        parts.into_iter(),
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
}

/// Each core computes its own columns; then all of them assemble the rows together.
fn in_columns(
    [a, b]: [FloatTensor<Flex>; 2],
    parts: Vec<(usize, usize)>,
    c: &mut [f32],
    epilogue: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let n = b.shape()[1];
    let pieces = map(
        parts.into_iter(),
        #[inline(always)]
        |(first, columns)| {
            let b = b.narrow(1, first, columns);
            (first, columns, Flex::float_matmul(a.clone(), b))
        },
    );
    by_rows(
        c,
        n,
        #[inline(always)]
        |first_row, lines| {
            for (first, columns, piece) in &pieces {
                let values = piece.storage::<f32>()[first_row * columns..].chunks_exact(*columns);
                for (line, values) in lines.chunks_exact_mut(n).zip(values) {
                    line[*first..][..*columns].copy_from_slice(values);
                }
            }
            epilogue(first_row, lines);
        },
    );
}

/// Makes gemm pack the right operand even for few rows. By default it packs it only if many rows
/// share it and otherwise reads it in place, each row from another page of memory. Its thresholds
/// of 49 rows, or 97 if it may use several cores, are too high for the wide matrices of a model: 64
/// rows by `[768, 3072]` take half the time with a threshold of 13, on two cores of a Xeon (51 and
/// 115 GFLOP/s). The sums are unaffected.
fn pack_for_few_rows() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // In units of six rows, or whatever fits the registers of other processors.
        gemm::set_lhs_packing_threshold_single_thread(2);
        gemm::set_lhs_packing_threshold_multi_thread(2);
    });
}

/// Cuts the columns of a product `[m, n]` into one part per core if the right operand is the larger
/// one: first column and column count of each. Cutting at rows would make every core read and copy
/// all of the right operand: on two cores of a Xeon, 180 rows by `[768, 3072]`, its transpose and
/// their backward passes took 1.2 to 1.7 times as long that way (3 times at 90 rows, too few to be
/// copied), and 1024 rows a tenth longer.
fn column_parts([m, n]: [usize; 2], cores: usize) -> Vec<(usize, usize)> {
    if m >= n || m > MOST_ROWS {
        return Vec::new();
    }
    // One unit above the minimum, because parts begin at whole units.
    let least = least_lines(m).saturating_add(UNIT - 1);
    let count = cores.min(n / least);
    let first = |part: usize| match part == count {
        true => n,
        false => part * n / count / UNIT * UNIT,
    };
    let parts = (0..count).map(|part| (first(part), first(part + 1) - first(part)));
    parts.collect()
}

/// Cuts `c` `[m, n]` at rows, one part per core, each with the index of its first row.
fn row_parts(c: &mut [f32], [m, n]: [usize; 2], cores: usize) -> Vec<(usize, &mut [f32])> {
    let wanted = cores.max(m.div_ceil(MOST_ROWS));
    let count = wanted.min(m / least_lines(n)).max(1);
    let (mut rest, mut first) = (c, 0);
    let mut parts = Vec::with_capacity(count);
    for part in 0..count {
        // As even as possible, so that no part falls below the minimum.
        let rows = (m - first) / (count - part);
        let (own, others) = rest.split_at_mut(rows * n);
        parts.push((first, own));
        (rest, first) = (others, first + rows);
    }
    parts
}

/// Returns the fewest rows of a part whose product has `others` columns, or the fewest columns
/// given `others` rows, for which the sums keep the order that the whole has: gemm treats small
/// results specially (one row or column, up to 64 rows and columns, up to 256 values). If every
/// part has at least this many, the bytes of a result do not depend on where it is cut, and so not
/// on the number of cores.
fn least_lines(others: usize) -> usize {
    match others {
        // A matrix–vector product sums several values at once.
        0 | 1 => usize::MAX,
        _ => (256 / others + 1).max(65),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix([rows, columns]: [usize; 2], seed: u32) -> FloatTensor<Flex> {
        // Values of many magnitudes, so that another order of summation shows in the last bits.
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
        // Few and many rows, narrow and wide, and sums long enough to be split.
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
            // Cut at columns.
            [2, 2_100, 777],
            [3, 1_500, 700],
            [7, 1_025, 448],
            [64, 768, 256],
            [64, 768, 257],
            [65, 1_100, 191],
            [97, 1_100, 333],
            [180, 768, 1_000],
            [1_024, 20, 1_100],
        ];
        for [m, k, n] in shapes {
            let plain = [matrix([m, k], 1), matrix([k, n], 2)];
            // Layouts as in the backward pass.
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
    fn columns_are_cut_where_rows_are_few_and_every_part_is_large_enough() {
        for (m, n, cores, count) in [
            (180, 768, 2, 2),
            (180, 3_072, 16, 16),
            (180, 768, 64, 6),
            (64, 256, 3, 2),
            (64, 255, 2, 1),
            (2, 777, 8, 4),
            (1, 4_096, 2, 0),
            (768, 768, 2, 0),
            (1_025, 4_096, 2, 0),
            (180, 768, 1, 1),
        ] {
            let parts = column_parts([m, n], cores);
            assert_eq!(parts.len(), count, "{m} × {n} on {cores}");
            let mut next = 0;
            for (first, columns) in parts {
                assert_eq!(first, next, "{m} × {n} on {cores}");
                assert!(columns >= least_lines(m), "{m} × {n} on {cores}: {columns}");
                next = first + columns;
            }
            assert!(next == n || count == 0, "{m} × {n} on {cores}");
        }
    }

    #[test]
    fn every_row_is_finished_with_its_number() {
        let shapes = [
            [1, 1, 1],
            [7, 3, 5],
            [301, 130, 77],
            [1_025, 64, 40],
            [90, 130, 301],
        ];
        for [m, k, n] in shapes {
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
                // Small integers: exact in any order.
                assert_eq!(value, sum + row as f32, "{m} × {k} × {n}: {row}, {column}");
            }
        }
    }
}
