//! Matmuls on the CPU with operands rounded to bf16 and sums in f32.
//!
//! Computes `out[m, n] = Σₖ left[m, k] · right[k, n]`. Operands are f32, row-major or transposed,
//! and are rounded to nearest, ties to even, while they are [packed](Packed). The order of
//! summation depends only on the number of terms and on the instructions: the number of threads
//! does not change a single byte. Across instruction sets the last bits differ. An element is
//! within `(k + 2) · 2⁻²⁴ · Σ |left · right|` of the exact sum of the rounded operands; subnormal
//! operands and sums are flushed to zero.

mod blocks;
mod instructions;
mod packed;
mod plain;
mod tiles;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;

pub use blocks::product;
pub use instructions::Instructions;
pub use packed::{Matrix, Packed, Side};
