//! Operations with a kernel of their own on the GPU, each beside a reference in plain tensors.
//!
//! The reference is what CPUs run, what a kernel is tested against, and what a device runs that a
//! kernel does not fit. Kernels are WGSL under `shaders/`.

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
