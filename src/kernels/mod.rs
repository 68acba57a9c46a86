//! Operations with a kernel of their own on the GPU, each beside a twin in plain tensors.
//!
//! The twin is what CPUs run, what a kernel is tested against, and what a device runs that a
//! kernel does not fit. Kernels are WGSL under `shaders/`.

pub mod adam;
pub mod adam_shaders;
pub mod attention;
mod attention_choice;
pub mod attention_cooperative;
mod attention_cpu;
pub mod attention_form;
mod attention_shaders;
mod attention_twin;
mod cpu_loops;
mod cpu_product;
pub mod dense;
mod dense_cpu;
pub mod dense_layer;
pub mod dense_products;
pub mod dropout;
pub mod end_logits;
pub mod gelu;
pub mod group;
pub mod head_shader;
pub mod kernel_choice;
mod launch;
pub mod layer_norm;
mod normal;
pub mod normalise;
mod normalise_shaders;
pub mod packed_moments;
pub mod product;
pub mod product_choice;
pub mod product_form;
pub mod rows;
pub mod shader;
pub mod span_loss;
pub mod square_sum;
pub mod summary;
pub mod token_logits;
mod token_logits_shaders;
pub mod trial;
