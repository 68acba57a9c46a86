//! Operations with a kernel of their own on the GPU, each beside a twin in plain tensors.
//!
//! The twin is what CPUs run, what a kernel is tested against, and what a device runs that a
//! kernel does not fit. Kernels are WGSL under `shaders/`.

pub mod adam;
pub mod adam_shaders;
pub mod add_norm;
mod add_norm_shaders;
pub mod attention;
mod attention_shaders;
mod attention_twin;
pub mod dense;
pub mod dropout;
pub mod gelu;
pub mod group;
mod launch;
mod normal;
pub mod packed_moments;
pub mod product;
pub mod product_choice;
pub mod shader;
pub mod square_sum;
