//! Attention over packed sequences on the GPU (`shaders/attention_*.wgsl`).
//!
//! Each thread takes one row and loops over the other rows of its sequence, which a workgroup of 64
//! threads stages through 16 KiB of workgroup memory; nothing of size length × length is stored. In
//! the backward pass a workgroup computes only one of the three gradients, so that a row's values
//! stay in registers.

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::Shape,
};

use super::{
    config::{AttentionConfig, AttentionParams, AttentionPass, AttentionShader, TILE, arrays},
    layout::Layout,
};
use crate::kernels::{
    formats::Element,
    launch::{self, Arrays, WIDEST_DISPATCH, binds, like},
    shader::Direction,
};

/// Widest supported head; wider ones would not fit the registers.
const WIDEST_HEAD: usize = 128;

/// Returns the configuration that fits these queries, or `None` if only plain tensors do.
pub(in crate::kernels) fn config(
    q: &CubeTensor,
    layout: &Layout,
    direction: Direction,
) -> Option<AttentionConfig> {
    let size = q.shape()[1] / layout.heads;
    let element = Element::of(q.dtype)?;
    let fits = size.is_multiple_of(4)
        && binds(q, arrays(direction))
        && (4..=WIDEST_HEAD).contains(&size)
        && layout.sequences.tiles(TILE).count() <= WIDEST_DISPATCH as usize;
    fits.then_some(AttentionConfig {
        quarters: size / 4,
        element,
        masked: layout.mask.is_some(),
    })
}

pub(in crate::kernels) fn forward(
    config: AttentionConfig,
    q: CubeTensor,
    k: CubeTensor,
    v: CubeTensor,
    layout: &Layout,
) -> (CubeTensor, CubeTensor) {
    let inputs = [q, k, v].map(into_contiguous);
    let [q, k, v] = &inputs;
    let context = like(q, q.shape(), config.element);
    let rows = Shape::new([layout.heads, layout.sequences.tokens()]);
    let log_sums = like(q, rows, Element::F32);
    let pass = AttentionPass::Forward;
    let shader = AttentionShader { pass, config };
    launch(shader, &[q, k, v], &[&context, &log_sums], layout);
    (context, log_sums)
}

/// Returns the gradients of queries, keys and values; the inputs are those three, the context, its
/// rows' log-sum-exp of the scores, and the context's gradient.
pub(in crate::kernels) fn backward(
    config: AttentionConfig,
    inputs: [CubeTensor; 6],
    layout: &Layout,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let inputs = inputs.map(into_contiguous);
    let [q, k, v, context, log_sums, grad] = &inputs;
    let tokens = layout.sequences.tokens();
    let rows = like(q, Shape::new([layout.heads, tokens, 2]), Element::F32);
    let [dq, dk, dv] = [q, k, v].map(|input| like(input, input.shape(), config.element));
    let pass = |pass| AttentionShader { pass, config };
    launch(
        pass(AttentionPass::QueryGradient),
        &[q, k, v, context, log_sums, grad],
        &[&dq, &rows],
        layout,
    );
    launch(
        pass(AttentionPass::KeyValueGradient),
        &[q, k, v, grad, &rows],
        &[&dk, &dv],
        layout,
    );
    (dq, dk, dv)
}

fn launch(shader: AttentionShader, read: &[&CubeTensor], written: &[&CubeTensor], layout: &Layout) {
    let first = read[0];
    let gradients = match shader.pass {
        AttentionPass::Forward | AttentionPass::QueryGradient => 1,
        AttentionPass::KeyValueGradient => 2,
    };
    let rows = layout.sequences.on_device(first);
    let read: Vec<_> = [rows.tiles(TILE)]
        .into_iter()
        .chain(read.iter().copied())
        .collect();
    launch::launch(
        &first.client,
        shader,
        [
            layout.sequences.tiles(TILE).count() as u32,
            gradients * layout.heads as u32,
        ],
        &params(layout, first.shape()[1]),
        Arrays {
            read: &read,
            written,
            ..Arrays::default()
        },
    );
}

/// Returns the shader parameters for this layout.
pub(in crate::kernels) fn params(layout: &Layout, hidden: usize) -> AttentionParams {
    AttentionParams {
        tokens: layout.sequences.tokens() as u32,
        quarters: (hidden / 4) as u32,
        mask: layout.mask,
        scale: 1.0 / ((hidden / layout.heads) as f32).sqrt(),
    }
}
