//! Matrix products of operands rounded to bf16 with f32 sums, on the CPU.
//!
//! `out[m, n] = Σₖ left[m, k] · right[k, n]`: operands are f32, in rows or transposed, and are rounded to
//! nearest, ties to even, while they are [packed](Packed). Every sum is built in one order, which depends
//! on the number of its terms and on the instructions alone: the number of threads changes no byte.
//! Between instructions the last bits differ. An element is within `(k + 2) · 2⁻²⁴ · Σ |left · right|` of
//! the exact sum of the rounded operands; subnormal operands and sums count as zero.

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
