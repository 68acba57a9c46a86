//! Products of operands in bf16 by all instructions that this machine has, against sums in f64 of the
//! rounded operands.

use electra::kernels::matmul::bf16::{Instructions, Matrix, Packed, Side, product};
use half::bf16;
use proptest::prelude::*;

fn available() -> impl Iterator<Item = Instructions> {
    Instructions::ALL
        .into_iter()
        .filter(|instructions| instructions.available())
}

/// Values of many sizes, so that another order of sums shows in the last bits.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let value = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = f32::powi(2.0, (state >> 5 & 7) as i32 - 4);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * size
    };
    std::iter::repeat_with(value).take(count).collect()
}

fn transposed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let places = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    places.map(|place| values[place]).collect()
}

/// The product of `a` `[m, k]` and `b` `[k, n]`.
fn multiplied(
    instructions: Instructions,
    a: Matrix<'_>,
    b: Matrix<'_>,
    [m, n]: [usize; 2],
) -> Vec<f32> {
    let mut out = vec![f32::NAN; m * n];
    let a = Packed::new(instructions, a, Side::Left);
    let b = Packed::new(instructions, b, Side::Right);
    product(&a, &b, &mut out, |_, _, _| {});
    out
}

/// The exact sums, and those of the sizes of their terms.
fn exact(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<[f64; 2]> {
    let [a, b] = [a, b].map(|values| -> Vec<f64> {
        let rounded = values.iter().map(|&value| bf16::from_f32(value));
        rounded.map(bf16::to_f64).collect()
    });
    let mut sums = vec![[0.0; 2]; m * n];
    for row in 0..m {
        for term in 0..k {
            let line = &b[term * n..][..n];
            for (sum, b) in sums[row * n..][..n].iter_mut().zip(line) {
                let product = a[row * k + term] * b;
                *sum = [sum[0] + product, sum[1] + product.abs()];
            }
        }
    }
    sums
}

fn check([m, k, n]: [usize; 3], seed: u32) {
    let [a, b] = [values(m * k, seed), values(k * n, seed + 1)];
    let [a_across, b_across] = [transposed(&a, [m, k]), transposed(&b, [k, n])];
    let right = exact(&a, &b, [m, k, n]);
    for instructions in available() {
        let of = |a, b| multiplied(instructions, a, b, [m, n]);
        let [a, b] = [Matrix::new(&a, [m, k]), Matrix::new(&b, [k, n])];
        let plain = of(a, b);
        for (place, (&value, [sum, size])) in plain.iter().zip(&right).enumerate() {
            // Every addition rounds once, at half a unit in the last place of what is summed so far.
            let allowed = (k as f64 + 2.0) * 2.0_f64.powi(-24) * size;
            let error = (f64::from(value) - sum).abs();
            let [row, column] = [place / n, place % n];
            assert!(
                error <= allowed,
                "{instructions} {m} × {k} × {n}: {row}, {column}: {value} for {sum}"
            );
        }
        let turned_a = Matrix::new(&a_across, [k, m]).transposed();
        let turned_b = Matrix::new(&b_across, [n, k]).transposed();
        for (a, b) in [(a, turned_b), (turned_a, b), (turned_a, turned_b)] {
            assert!(of(a, b) == plain, "{instructions} {m} × {k} × {n}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn small_products_are_right(m in 1..70_usize, k in 1..70_usize, n in 1..70_usize, seed: u32) {
        check([m, k, n], seed / 2);
    }
}

#[test]
fn large_and_edge_products_are_right() {
    let shapes = [
        [1, 1, 1],
        [16, 32, 16],
        [32, 32, 32],
        [33, 31, 34],
        [257, 513, 515],
        [300, 1_100, 64],
        [5, 3_000, 3],
        [520, 64, 1_030],
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        check(shape, seed as u32);
    }
}

#[test]
fn nothing_to_multiply() {
    for instructions in available() {
        let empty = |shape| Matrix::new(&[], shape);
        let of = |a, b, shape| multiplied(instructions, empty(a), empty(b), shape);
        assert_eq!(of([3, 0], [0, 2], [3, 2]), [0.0; 6]);
        assert!(of([0, 4], [4, 0], [0, 0]).is_empty());
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let pools = [1, 2, 3, 5, 16].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    });
    for [m, k, n] in [
        [70, 2_100, 70],
        [600, 700, 1_100],
        [1, 900, 530],
        [180, 768, 768],
    ] {
        let [a, b] = [values(m * k, 5), values(k * n, 6)];
        for instructions in available() {
            if instructions == Instructions::Plain && m * k * n > 50_000_000 {
                continue;
            }
            let [a, b] = [Matrix::new(&a, [m, k]), Matrix::new(&b, [k, n])];
            let results = pools.each_ref().map(|pool| {
                let out = pool.install(|| multiplied(instructions, a, b, [m, n]));
                out.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
            });
            let same = results.iter().all(|result| *result == results[0]);
            assert!(same, "{instructions} {m} × {k} × {n}");
        }
    }
}

#[test]
fn nan_and_infinity_stay_in_their_rows_and_columns() {
    let [m, k, n] = [37, 45, 35];
    let mut a = vec![1.0; m * k];
    let mut b = vec![1.0; k * n];
    a[3 * k + 7] = f32::NAN;
    a[20 * k + 44] = f32::INFINITY;
    b[2 * n + 34] = f32::NEG_INFINITY;
    // Infinite times zero.
    a[30 * k + 2] = 0.0;
    for instructions in available() {
        let [a, b] = [Matrix::new(&a, [m, k]), Matrix::new(&b, [k, n])];
        let out = multiplied(instructions, a, b, [m, n]);
        for (place, value) in out.into_iter().enumerate() {
            let [row, column] = [place / n, place % n];
            let right = match [row, column] {
                [3, _] | [20, 34] | [30, 34] => value.is_nan(),
                [20, _] => value == f32::INFINITY,
                [_, 34] => value == f32::NEG_INFINITY,
                [30, _] => value == 44.0,
                _ => value == 45.0,
            };
            assert!(right, "{instructions}: {row}, {column}: {value}");
        }
    }
}

#[test]
fn operands_are_rounded_to_nearest_even() {
    // Between 1 and 1 + 2⁻⁷: below, at and above the middle; and the middle above an odd value.
    let cases = [
        (1.0 + 0.003_9, 1.0),
        (1.0 + 0.003_906_25, 1.0),
        (1.0 + 0.003_907, 1.007_812_5),
        (1.007_812_5 + 0.003_906_25, 1.015_625),
        (-1.0 - 0.003_906_25, -1.0),
        (f32::MAX, f32::INFINITY),
        // The largest that is not rounded to infinity.
        (f32::from_bits(0x7F7F_7FFF), f32::from_bits(0x7F7F_0000)),
    ];
    for instructions in available() {
        for (value, right) in cases {
            let both = [[value], [1.0]];
            let [a, b] = both.each_ref().map(|one| Matrix::new(one, [1, 1]));
            let out = multiplied(instructions, a, b, [1, 1]);
            assert_eq!(out, [right], "{instructions}: {value}");
        }
    }
}

#[test]
fn subnormal_operands_and_sums_are_zero() {
    let subnormal = f32::from_bits(0x0040_0000);
    for instructions in available() {
        let of = |a: f32, b: f32| {
            let both = [[a], [b]];
            let [a, b] = both.each_ref().map(|one| Matrix::new(one, [1, 1]));
            multiplied(instructions, a, b, [1, 1])[0]
        };
        assert_eq!(of(subnormal, 2.0_f32.powi(100)), 0.0, "{instructions}");
        let small = 2.0_f32.powi(-70);
        if instructions != Instructions::Plain {
            assert_eq!(of(small, small), 0.0, "{instructions}");
        }
    }
}

#[test]
fn every_piece_of_a_row_is_finished_once_with_its_place() {
    let [m, k, n] = [530, 33, 1_040];
    let [a, b] = [values(m * k, 1), values(k * n, 2)];
    for instructions in available() {
        let a = Packed::new(instructions, Matrix::new(&a, [m, k]), Side::Left);
        let b = Packed::new(instructions, Matrix::new(&b, [k, n]), Side::Right);
        let [mut plain, mut finished] = [vec![0.0; m * n], vec![0.0; m * n]];
        product(&a, &b, &mut plain, |_, _, _| {});
        product(&a, &b, &mut finished, |row, first, values| {
            for (column, value) in (first..).zip(values) {
                *value = *value * 2.0 + (row * n + column) as f32;
            }
        });
        for (place, (value, plain)) in finished.iter().zip(&plain).enumerate() {
            assert_eq!(*value, plain * 2.0 + place as f32);
        }
    }
}

#[test]
fn memory_that_held_a_larger_operand_is_packed_as_new() {
    let [m, k, n] = [33, 70, 40];
    let [large, a, b] = [values(200 * 300, 1), values(m * k, 2), values(k * n, 3)];
    for instructions in available() {
        let [a, b] = [Matrix::new(&a, [m, k]), Matrix::new(&b, [k, n])];
        let right = multiplied(instructions, a, b, [m, n]);
        let large = Matrix::new(&large, [200, 300]);
        let spare = Packed::new(instructions, large, Side::Right);
        let reused = Packed::reusing(Some(spare), instructions, b, Side::Right);
        let kept = |matrix, side, work: &dyn Fn(&Packed)| {
            Packed::with(instructions, large, side, |_| ());
            Packed::with(instructions, matrix, side, |packed| work(packed));
        };
        kept(a, Side::Left, &|a| {
            kept(b, Side::Right, &|b| {
                for b in [b, &reused] {
                    let mut out = vec![f32::NAN; m * n];
                    product(a, b, &mut out, |_, _, _| {});
                    assert!(out == right, "{instructions}");
                }
            });
        });
    }
}

#[test]
fn a_product_may_be_computed_while_another_is_finished() {
    let [m, k, n] = [70, 40, 70];
    let [a, b] = [values(m * k, 1), values(k * n, 2)];
    for instructions in available() {
        let a = Packed::new(instructions, Matrix::new(&a, [m, k]), Side::Left);
        let b = Packed::new(instructions, Matrix::new(&b, [k, n]), Side::Right);
        let [mut plain, mut out] = [vec![0.0; m * n], vec![0.0; m * n]];
        product(&a, &b, &mut plain, |_, _, _| {});
        product(&a, &b, &mut out, |_, _, _| {
            let mut inner = vec![0.0; m * n];
            product(&a, &b, &mut inner, |_, _, _| {});
            assert!(inner == plain, "{instructions}");
        });
        assert!(out == plain, "{instructions}");
    }
}
