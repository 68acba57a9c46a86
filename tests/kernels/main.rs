//! The kernels: on the CPU against plain tensors, on the GPU against the CPU.

#[path = "../support/mod.rs"]
mod support;

mod adam;
mod adam_8bit;
mod attention_cooperative;
mod bf16;
mod clip;
mod embedding;
mod encoder_layer;
mod forms;
mod gelu;
mod head_kernels;
mod heads;
mod label_smoothing;
mod late_figures;
mod lookup;
mod metal;
mod odd_shapes;
mod products;
mod races;
mod shaders;
mod three_layers;
mod trial;
