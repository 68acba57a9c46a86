//! Attention of packed sequences on matrix units (`shaders/attention_cooperative_*.wgsl`).
//!
//! Queries, keys, values and gradients in f16, scores and sums in f32; probabilities, and the
//! slopes of scores, are rounded to f16 where they are factors. A workgroup takes four times as
//! many rows of a head as a matrix has, and goes over the sequence's others. The forward pass
//! leaves each row's log of Σ exp(score), from which the backward pass, of two shaders, computes
//! the probabilities again.

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape},
};

use super::{
    config::{AttentionCooperativeForm, AttentionCooperativePass, AttentionCooperativeShader},
    gpu::{params, tiles},
    layout::Layout,
};
use crate::{
    device::AdapterInfo,
    kernels::{
        formats::Element,
        launch::{self, Arrays, WIDEST_DISPATCH, like},
    },
};

/// Columns of a head at most: more would not fit the registers.
const WIDEST_HEAD: usize = 128;

/// Threads of a workgroup at most: the shaders keep two numbers of each where scores lie.
const MOST_THREADS: u32 = 256;

/// The forms that an adapter offers for heads of `head` columns, the larger matrices first.
pub fn candidates(adapter: &AdapterInfo, head: usize) -> Vec<AttentionCooperativeForm> {
    let Some((smallest, largest)) = adapter.subgroup.filter(|_| adapter.f16()) else {
        return Vec::new();
    };
    let mut subgroups = vec![smallest as usize, largest as usize];
    subgroups.dedup();
    let mut forms = Vec::new();
    for (size, block) in [(16, 32), (8, 32), (8, 16)] {
        forms.extend(subgroups.iter().map(|&subgroup| AttentionCooperativeForm {
            size,
            head,
            block,
            subgroup,
        }));
    }
    forms.retain(|form| {
        adapter.multiplies_f16(form.size)
            && head.is_multiple_of(form.size)
            && (form.size..=WIDEST_HEAD).contains(&head)
            && smallest as usize >= form.size
            && form.workgroup_bytes() <= adapter.max_workgroup_storage as usize
            && form.threads() <= adapter.max_workgroup_invocations.min(MOST_THREADS)
    });
    forms
}

/// The form, where it computes the attention of these queries.
pub(in crate::kernels) fn fitting(
    form: Option<AttentionCooperativeForm>,
    q: &CubeTensor,
    layout: &Layout,
) -> Option<AttentionCooperativeForm> {
    form.filter(|&form| fits(form, q, layout))
}

fn fits(form: AttentionCooperativeForm, q: &CubeTensor, layout: &Layout) -> bool {
    q.dtype == DType::F16
        && q.shape()[1] == layout.heads * form.head
        && tiles(layout, form.tile()).count() <= WIDEST_DISPATCH as usize
}

/// The result, `[tokens, hidden]` in f16, and each row's log of Σ exp(score), `[heads, tokens]` in
/// f32; `q`, `k`, `v` `[tokens, hidden]` in f16.
pub(in crate::kernels) fn forward(
    form: AttentionCooperativeForm,
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
        AttentionCooperativePass::Forward,
        form,
        &[q, k, v],
        &[&context, &log_sums],
        layout,
    );
    (context, log_sums)
}

/// Gradients of the queries, keys and values, `[tokens, hidden]` in f16 each, given those, the
/// result, `log_sums` and the result's gradient.
pub(in crate::kernels) fn backward(
    form: AttentionCooperativeForm,
    inputs: [CubeTensor; 6],
    layout: &Layout,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let inputs = inputs.map(into_contiguous);
    let [q, k, v, context, log_sums, grad] = &inputs;
    let tokens = layout.sequences.tokens();
    let rows = like(q, Shape::new([layout.heads, tokens, 2]), Element::F32);
    let [dq, dk, dv] = [q, k, v].map(|input| like(input, input.shape(), Element::F16));
    launch(
        AttentionCooperativePass::QueryGradient,
        form,
        &[q, k, v, context, log_sums, grad],
        &[&dq, &rows],
        layout,
    );
    launch(
        AttentionCooperativePass::KeyValueGradient,
        form,
        &[q, k, v, grad, &rows],
        &[&dk, &dv],
        layout,
    );
    (dq, dk, dv)
}

fn launch(
    pass: AttentionCooperativePass,
    form: AttentionCooperativeForm,
    read: &[&CubeTensor],
    written: &[&CubeTensor],
    layout: &Layout,
) {
    let first = read[0];
    let groups = tiles(layout, form.tile()).count() as u32;
    launch::launch(
        &first.client,
        AttentionCooperativeShader {
            pass,
            form,
            masked: layout.mask.is_some(),
        },
        [groups, layout.heads as u32],
        &params(layout, first.shape()[1], form.tile()),
        Arrays {
            read,
            written,
            ..Arrays::default()
        },
    );
}
