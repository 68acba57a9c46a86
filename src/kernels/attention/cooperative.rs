//! Attention over packed sequences with cooperative matrices
//! (`shaders/attention_cooperative_*.wgsl`).
//!
//! Queries, keys, values and gradients are f16; scores and sums are f32. Probabilities and score
//! gradients are rounded to f16 before they are multiplied. A workgroup takes a tile of one head's
//! rows, four times as many as a matrix has, and loops over the other rows of the sequence. The
//! forward pass keeps each row's log-sum-exp of the scores, from which the two backward shaders
//! recompute the probabilities.

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape},
};

use super::{
    config::{CooperativeConfig, CooperativePass, CooperativeShader, arrays},
    gpu::params,
    layout::Layout,
};
use crate::{
    device::AdapterInfo,
    kernels::{
        formats::Element,
        launch::{self, Arrays, WIDEST_DISPATCH, binds, like},
        shader::Direction,
    },
};

/// Widest supported head; wider ones would not fit the registers.
const WIDEST_HEAD: usize = 128;

/// Returns the configurations that an adapter offers for heads of `head` columns, larger matrices
/// first.
pub fn candidates(adapter: &AdapterInfo, head: usize) -> Vec<CooperativeConfig> {
    let Some((smallest, largest)) = adapter.subgroup.filter(|_| adapter.f16()) else {
        return Vec::new();
    };
    let mut subgroups = vec![smallest as usize, largest as usize];
    subgroups.dedup();
    let mut configs = Vec::new();
    for (size, block) in [(16, 32), (8, 32), (8, 16)] {
        configs.extend(subgroups.iter().map(|&subgroup| CooperativeConfig {
            size,
            head,
            block,
            subgroup,
            vectors: adapter.loads_matrices_from_vectors(),
        }));
    }
    configs.retain(|config| {
        adapter.multiplies_f16(config.size)
            && head.is_multiple_of(config.size)
            && (config.size..=WIDEST_HEAD).contains(&head)
            && smallest as usize >= config.size
            && config.workgroup_bytes() <= adapter.max_workgroup_storage as usize
            && config.threads() <= adapter.max_workgroup_invocations.min(config.most_threads())
    });
    configs
}

/// Returns this direction's configuration if it supports these queries.
pub(in crate::kernels) fn fitting(
    direction: Direction,
    q: &CubeTensor,
    layout: &Layout,
) -> Option<CooperativeConfig> {
    let config = match direction {
        Direction::Forward => layout.configs.forward,
        Direction::Backward => layout.configs.backward,
    };
    config.filter(|&config| binds(q, arrays(direction)) && fits(config, q, layout))
}

fn fits(config: CooperativeConfig, q: &CubeTensor, layout: &Layout) -> bool {
    q.dtype == DType::F16
        && q.shape()[1] == layout.heads * config.head
        && layout.sequences.tiles(config.tile()).count() <= WIDEST_DISPATCH as usize
}

/// Returns the context, `[tokens, hidden]` in f16, and each row's log-sum-exp of the scores,
/// `[heads, tokens]` in f32; `q`, `k` and `v` are `[tokens, hidden]` in f16.
pub(in crate::kernels) fn forward(
    config: CooperativeConfig,
    q: CubeTensor,
    k: CubeTensor,
    v: CubeTensor,
    layout: &Layout,
) -> (CubeTensor, CubeTensor) {
    let inputs = [q, k, v].map(into_contiguous);
    let [q, k, v] = &inputs;
    let context = like(q, q.shape(), Element::F16);
    let log_sums = like(
        q,
        Shape::new([layout.heads, layout.sequences.tokens()]),
        Element::F32,
    );
    launch(
        CooperativePass::Forward,
        config,
        &[q, k, v],
        &[&context, &log_sums],
        layout,
    );
    (context, log_sums)
}

/// Returns the gradients of queries, keys and values, `[tokens, hidden]` in f16 each; the inputs
/// are those three, the context, `log_sums` and the context's gradient.
pub(in crate::kernels) fn backward(
    config: CooperativeConfig,
    inputs: [CubeTensor; 6],
    layout: &Layout,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let inputs = inputs.map(into_contiguous);
    let [q, k, v, context, log_sums, grad] = &inputs;
    let tokens = layout.sequences.tokens();
    let rows = like(q, Shape::new([layout.heads, tokens, 2]), Element::F32);
    let [dq, dk, dv] = [q, k, v].map(|input| like(input, input.shape(), Element::F16));
    launch(
        CooperativePass::QueryGradient,
        config,
        &[q, k, v, context, log_sums, grad],
        &[&dq, &rows],
        layout,
    );
    launch(
        CooperativePass::KeyValueGradient,
        config,
        &[q, k, v, grad, &rows],
        &[&dk, &dv],
        layout,
    );
    (dq, dk, dv)
}

fn launch(
    pass: CooperativePass,
    config: CooperativeConfig,
    read: &[&CubeTensor],
    written: &[&CubeTensor],
    layout: &Layout,
) {
    let first = read[0];
    let groups = layout.sequences.tiles(config.tile()).count() as u32;
    let rows = layout.sequences.on_device(first);
    let tiles = rows.tiles(config.tile());
    let read: Vec<_> = [tiles].into_iter().chain(read.iter().copied()).collect();
    launch::launch(
        &first.client,
        CooperativeShader {
            pass,
            config,
            masked: layout.mask.is_some(),
        },
        [groups, layout.heads as u32],
        &params(layout, first.shape()[1]),
        Arrays {
            read: &read,
            written,
            ..Arrays::default()
        },
    );
}
