//! Operations with their own GPU kernel, each beside a reference in plain tensors.
//!
//! The reference runs on CPUs, serves as the oracle in the kernel's tests, and is the fallback for
//! shapes and devices that the kernel does not support. Kernels are WGSL under `shaders/`.

pub mod adam;
pub mod attention;
mod autodiff;
pub mod autotune;
pub mod clip;
mod cpu_loops;
pub mod dense;
pub mod dropout;
pub mod embedding;
pub mod end_logits;
pub mod formats;
pub mod gelu;
pub mod group;
mod launch;
pub mod layer_norm;
pub mod lookup;
pub mod matmul;
mod normal;
pub mod params;
pub mod question_loss;
pub mod rows;
pub mod shader;
pub mod span_loss;
pub mod square_sum;
pub mod summary;
pub mod token_logits;
mod wgsl;
pub mod work;
