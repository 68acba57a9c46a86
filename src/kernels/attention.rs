//! Self-attention of packed sequences as one operation: each sequence sees its own tokens only.
//!
//! `softmax(q kᵀ / √size) v` for each sequence and head, the probabilities multiplied by a mask's
//! factors where dropout is on. Only what is `[tokens, hidden]` outlives the forward pass; the
//! backward pass computes the probabilities again.

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
        wgpu::CubeBackend,
    },
};

use super::{attention_shaders as shaders, attention_twin as twin};
use crate::model::{packing::Sequences, random::Mask};

/// How the rows and columns of queries, keys and values divide.
#[derive(Debug, Clone)]
pub struct Layout {
    pub sequences: Sequences,
    pub heads: usize,
    /// Factors of the probabilities: row `row_word(place, query)`, column
    /// `attention_column(head, key)`.
    pub mask: Option<Mask>,
}

/// Attention as a backend operation; `q`, `k`, `v` and results `[tokens, hidden]`, head `h` in
/// columns `h · size .. (h + 1) · size`.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait AttentionOps: Backend {
    #[fusion(dtype = q, shape = q)]
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        twin::forward::<Self>(q, k, v, &layout)
    }

    /// Gradients of `q`, `k` and `v`, given the result and its gradient.
    #[fusion(meta = |q, k, v, _context, _grad, _layout| (q.clone(), k.clone(), v.clone()))]
    fn packed_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        context: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let _ = context;
        twin::backward::<Self>(q, k, v, grad, &layout)
    }
}

impl AttentionOps for Flex {}

impl AttentionOps for CubeBackend {
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        match shaders::form(&q, &layout) {
            None => twin::forward::<Self>(q, k, v, &layout),
            Some(form) => shaders::forward(form, q, k, v, &layout),
        }
    }

    fn packed_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        context: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        layout: Layout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        match shaders::form(&q, &layout) {
            None => twin::backward::<Self>(q, k, v, grad, &layout),
            Some(form) => shaders::backward(form, [q, k, v, context, grad], &layout),
        }
    }
}

impl<B: AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn packed_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct PackedAttention;

        type State<B> = ([FloatTensor<B>; 4], Layout);

        impl<B: AttentionOps> Backward<B, 3> for PackedAttention {
            type State = State<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let ([q, k, v, context], layout) = ops.state;
                let (dq, dk, dv) = B::packed_attention_backward(q, k, v, context, grad, layout);
                for (parent, gradient) in ops.parents.into_iter().zip([dq, dk, dv]) {
                    if let Some(node) = parent {
                        grads.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let nodes = [q.node(), k.node(), v.node()];
        let [q, k, v] = [q, k, v].map(|tensor| tensor.into_primitive());
        let context = B::packed_attention(q.clone(), k.clone(), v.clone(), layout.clone());
        match PackedAttention
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(([q, k, v, context.clone()], layout), context),
            OpsKind::UnTracked(prep) => prep.finish(context),
        }
    }
}

/// Multi-head self-attention, `[tokens, hidden]` each, differentiable.
pub fn attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    sequences: &Sequences,
    heads: usize,
    mask: Option<Mask>,
) -> Tensor<2> {
    let layout = Layout {
        sequences: sequences.clone(),
        heads,
        mask,
    };
    Tensor::from_dispatch(Dispatch::packed_attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        layout,
    ))
}
