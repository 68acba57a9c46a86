//! Tiles and their products with AVX-512-BF16: `VCVTNE2PS2BF16` and `VDPBF16PS` (Intel, 64 and
//! IA-32 Architectures Software Developer's Manual, volume 2). Both flush subnormal values to zero.
#![expect(unsafe_code, reason = "the instructions")]

use std::arch::x86_64::*;

use super::tiles::{Cut, DEPTH, LINES, Panels, Run, Sums, Tile};

/// Returns whether this machine has the features that the functions here are compiled for.
pub(super) fn detected() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Same as [`plain::tile`](super::plain::tile).
pub(super) fn tile(source: &[f32], cut: Cut, tile: &mut Tile) {
    assert!(detected());
    // SAFETY: the check above shows that the machine has the instructions.
    unsafe { rounded(source, cut, tile) }
}

/// Same as [`plain::multiply`](super::plain::multiply).
pub(super) fn multiply(left: [&[Tile]; 2], right: Panels<'_>, sums: &mut [[Sums; 4]], onto: bool) {
    assert!(detected());
    for (number, sums) in sums.iter_mut().enumerate() {
        let [first, second, third, fourth] = sums;
        for (left, mut sums) in left.into_iter().zip([[first, second], [third, fourth]]) {
            let right = right.pair(number);
            // SAFETY: the check above shows that the machine has the instructions.
            unsafe {
                eight_rows::<0>(left, right, &mut sums, onto);
                eight_rows::<8>(left, right, &mut sums, onto);
            }
        }
    }
}

/// Reinterprets 64 bytes, for vectors and arrays of numbers in which any bit pattern is valid.
#[inline(always)]
fn same<A: Copy, B: Copy>(values: A) -> B {
    const { assert!(size_of::<A>() == 64 && size_of::<B>() == 64) }
    // SAFETY: both types have the same size, and any bit pattern is valid.
    unsafe { std::mem::transmute_copy(&values) }
}

/// Order 0, 16, 1, 17, …, which pairs up the two values of each line.
const PAIRS: [u16; DEPTH] = {
    let mut order = [0; DEPTH];
    let mut place = 0;
    while place < DEPTH {
        order[place] = (place / 2 + place % 2 * LINES) as u16;
        place += 1;
    }
    order
};

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn rounded(source: &[f32], cut: Cut, tile: &mut Tile) {
    let Cut { run, stride, pairs } = cut;
    let load = |place: usize| -> __m512 {
        let values: &[f32; LINES] = source[place..].first_chunk().expect("a row of the tile");
        same(*values)
    };
    let words = |first, second| -> __m512i { same(_mm512_cvtne2ps_pbh(load(second), load(first))) };
    let mut rows = [_mm512_setzero_si512(); LINES];
    for (number, row) in rows.iter_mut().enumerate() {
        *row = match run {
            Run::AlongDepth => words(number * stride, number * stride + LINES),
            Run::AcrossLines => {
                let words = words(2 * number * stride, (2 * number + 1) * stride);
                _mm512_permutexvar_epi16(same(PAIRS), words)
            }
        };
    }
    if pairs == (run == Run::AlongDepth) {
        transpose::<1>(&mut rows);
        transpose::<2>(&mut rows);
        transpose::<4>(&mut rows);
        transpose::<8>(&mut rows);
    }
    tile.0 = rows.map(same);
}

/// Swaps the elements `STEP` to the right in the upper rows with those `STEP` rows down and to the
/// left: one step of the transposition of 16 × 16 words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn transpose<const STEP: usize>(rows: &mut [__m512i; LINES]) {
    // Constants: computed here, they would cost more than the transposition.
    let (upper, lower) = const { (places(STEP, true), places(STEP, false)) };
    for row in (0..LINES).filter(|row| row & STEP == 0) {
        let [a, b] = [rows[row], rows[row + STEP]];
        rows[row] = _mm512_permutex2var_epi32(a, same(upper), b);
        rows[row + STEP] = _mm512_permutex2var_epi32(a, same(lower), b);
    }
}

/// Returns which elements of two rows, numbered through, the upper or lower row consists of after
/// a step of the transposition.
const fn places(step: usize, upper: bool) -> [u32; LINES] {
    let mut places = [0; LINES];
    let mut place = 0;
    while place < LINES {
        places[place] = (match (upper, place & step != 0) {
            (true, false) => place,
            (true, true) => LINES + place - step,
            (false, false) => place + step,
            (false, true) => LINES + place,
        }) as u32;
        place += 1;
    }
    places
}

/// Multiplies eight rows of a left panel, from `FIRST` on, by two right panels. It keeps 16
/// registers of sums and adds to the other 15 before it returns to any one, to hide latency.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn eight_rows<const FIRST: usize>(
    left: &[Tile],
    right: [&[Tile]; 2],
    sums: &mut [&mut Sums; 2],
    onto: bool,
) {
    let mut totals = [[_mm512_setzero_ps(); 2]; 8];
    if onto {
        for (row, totals) in totals.iter_mut().enumerate() {
            *totals = sums.each_ref().map(|sums| same(sums.0[FIRST + row]));
        }
    }
    for ((left, first), second) in left.iter().zip(right[0]).zip(right[1]) {
        for pair in 0..LINES {
            let columns = [first, second].map(|tile| same(tile.0[pair]));
            for (row, totals) in totals.iter_mut().enumerate() {
                let word = same(_mm512_set1_epi32(left.0[FIRST + row][pair] as i32));
                for (total, columns) in totals.iter_mut().zip(columns) {
                    *total = _mm512_dpbf16_ps(*total, word, columns);
                }
            }
        }
    }
    for (row, totals) in totals.into_iter().enumerate() {
        for (sums, total) in sums.iter_mut().zip(totals) {
            sums.0[FIRST + row] = same(total);
        }
    }
}
