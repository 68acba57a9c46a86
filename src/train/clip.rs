//! Clipping by the global norm of all gradients (`tf.clip_by_global_norm`).
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L62>

use burn::Tensor;

/// The norm above which gradients are scaled down.
pub const CLIP_NORM: f64 = 1.0;

/// The factor for every gradient, `[1]`: `1 / max(norm, 1)`. It stays on the device.
pub fn clip_factor(global_norm: Tensor<1>) -> Tensor<1> {
    global_norm.clamp_min(CLIP_NORM).recip() * CLIP_NORM
}
