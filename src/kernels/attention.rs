//! Attention over packed sequences; tokens attend only within their own sequence.
//!
//! If tokens see only part of their sequence, every device falls back to plain tensors.
//!
//! Computes `softmax(q kᵀ / √size) v` per sequence and head; with dropout on, the probabilities are
//! multiplied by the mask's factors. Only `[tokens, hidden]` tensors and one number per row and
//! head outlive the forward pass; the backward pass recomputes the probabilities. Nothing here uses
//! autodiff.

pub(super) mod autotune;
pub mod config;
pub mod cooperative;
pub(super) mod cpu;
pub(super) mod gpu;
mod layout;
pub(super) mod reference;

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor,
        wgpu::CubeBackend,
    },
};

pub use self::layout::Layout;
use super::{shader::Direction, work};

/// Attention as a backend operation. `q`, `k`, `v` and the results are `[tokens, hidden]`; head `h`
/// occupies columns `h · size .. (h + 1) · size`.
#[backend_extension(Cube, Flex)]
pub trait AttentionOps: Backend {
    /// Returns the context and each row's log-sum-exp of the scores, `[heads, tokens]` in f32.
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Returns the gradients of `q`, `k` and `v`, given both forward results and the context's
    /// gradient.
    fn packed_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        context: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl AttentionOps for Flex {
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        match layout.sequences.hide_tokens() {
            false => cpu::forward(q, k, v, &layout),
            true => reference::forward::<Self>(q, k, v, &layout),
        }
    }

    fn packed_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        context: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match layout.sequences.hide_tokens() {
            false => cpu::backward([q, k, v, context], grad, &layout),
            true => reference::backward::<Self>([q, k, v, context], log_sums, grad, &layout),
        }
    }
}

impl AttentionOps for CubeBackend {
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        work::launching(&q.client, layout.flops(q.shape()[1]));
        if layout.sequences.hide_tokens() {
            return reference::forward::<Self>(q, k, v, &layout);
        }
        if let Some(config) = cooperative::fitting(Direction::Forward, &q, &layout) {
            return cooperative::forward(config, q, k, v, &layout);
        }
        match gpu::config(&q, &layout, Direction::Forward) {
            None => reference::forward::<Self>(q, k, v, &layout),
            Some(config) => gpu::forward(config, q, k, v, &layout),
        }
    }

    fn packed_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        context: FloatTensor<Self>,
        log_sums: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        work::launching(&q.client, 2.5 * layout.flops(q.shape()[1]));
        if layout.sequences.hide_tokens() {
            return reference::backward::<Self>([q, k, v, context], log_sums, grad, &layout);
        }
        if let Some(config) = cooperative::fitting(Direction::Backward, &q, &layout) {
            return cooperative::backward(config, [q, k, v, context, log_sums, grad], &layout);
        }
        match gpu::config(&q, &layout, Direction::Backward) {
            None => reference::backward::<Self>([q, k, v, context], log_sums, grad, &layout),
            Some(config) => gpu::backward(config, [q, k, v, context, log_sums, grad], &layout),
        }
    }
}

/// The result of attention and what its backward pass needs; `[tokens, hidden]` unless noted.
#[derive(Debug, Clone)]
pub struct Attended {
    pub query: Tensor<2>,
    pub key: Tensor<2>,
    pub value: Tensor<2>,
    /// The attention output.
    pub context: Tensor<2>,
    /// Log-sum-exp of each row's scores, `[heads, tokens]`.
    pub log_sums: Tensor<2>,
}

/// Computes multi-head self-attention; every tensor is `[tokens, hidden]`.
pub fn attention(query: Tensor<2>, key: Tensor<2>, value: Tensor<2>, layout: Layout) -> Attended {
    let (context, log_sums) = Dispatch::packed_attention(
        query.clone().into_dispatch(),
        key.clone().into_dispatch(),
        value.clone().into_dispatch(),
        layout,
    );
    Attended {
        query,
        key,
        value,
        context: Tensor::from_dispatch(context),
        log_sums: Tensor::from_dispatch(log_sums),
    }
}

/// Returns the gradients of query, key and value, given the context's; `[tokens, hidden]` each.
pub fn attention_backward(attended: Attended, grad: Tensor<2>, layout: Layout) -> [Tensor<2>; 3] {
    let (query, key, value) = Dispatch::packed_attention_backward(
        attended.query.into_dispatch(),
        attended.key.into_dispatch(),
        attended.value.into_dispatch(),
        attended.context.into_dispatch(),
        attended.log_sums.into_dispatch(),
        grad.into_dispatch(),
        layout,
    );
    [query, key, value].map(Tensor::from_dispatch)
}
