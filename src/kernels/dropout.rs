//! Dropout of a packed matrix, by masks that are drawn again instead of kept.
//!
//! Each factor is a function of the mask's site, the token's place and the column
//! ([`Mask::factor`]), so that the backward pass needs neither the mask nor the values, and a
//! batch may be split or packed without moving it. Shader: `shaders/dropout.wgsl`.

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, into_contiguous},
    },
    tensor::TensorData,
};

use super::{
    cpu_loops::{by_rows, whole},
    dense::products::{cast, full},
    launch::{Arrays, launch_elementwise, like},
    shader::{Element, Shader},
};
use crate::packed::{random::Mask, sequences::Sequences};

/// Dropout fused into another operation.
#[derive(Debug, Clone)]
pub struct Dropped {
    pub sequences: Sequences,
    pub mask: Mask,
}

/// Dropout as a backend operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait DropoutOps: Backend {
    /// `x` `[tokens, columns]` with each value multiplied by its factor.
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self>;
}

/// In plain tensors.
fn twin<B: Backend>(x: FloatTensor<B>, sequences: &Sequences, mask: Mask) -> FloatTensor<B> {
    let (format, shape, device) = (x.dtype(), x.shape(), x.device());
    let columns = shape[1] as u32;
    let factors: Vec<f32> = sequences
        .row_words()
        .flat_map(|row| (0..columns).map(move |column| mask.factor(row, column)))
        .collect();
    let factors = B::float_from_data(TensorData::new(factors, shape), &device);
    cast::<B>(B::float_mul(full::<B>(x), factors), format)
}

impl DropoutOps for Flex {
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        let format = x.dtype();
        let mut x = whole(full::<Self>(x));
        let columns = x.shape()[1];
        let rows: Vec<u32> = sequences.row_words().collect();
        by_rows(
            x.storage_mut::<f32>(),
            columns,
            #[inline(always)]
            |first, lines| {
                for (values, &row) in lines.chunks_exact_mut(columns).zip(&rows[first..]) {
                    for (column, value) in values.iter_mut().enumerate() {
                        *value *= mask.factor(row, column as u32);
                    }
                }
            },
        );
        cast::<Self>(x, format)
    }
}

impl DropoutOps for CubeBackend {
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        let Some(element) = Element::of(x.dtype) else {
            return twin::<Self>(x, &sequences, mask);
        };
        let x = into_contiguous(x);
        let (columns, elements) = (x.shape()[1] as u32, x.shape().num_elements());
        let y = like(&x, x.shape(), element);
        let header = [columns, elements as u32]
            .into_iter()
            .chain(Mask::words(Some(mask)));
        launch_elementwise(
            &x.client,
            Shader::Dropout(element),
            elements,
            header.chain(sequences.row_words()),
            Arrays {
                read: &[&x],
                written: &[&y],
                ..Arrays::default()
            },
        );
        y
    }
}

impl<B: DropoutOps, C: CheckpointStrategy> DropoutOps for Autodiff<B, C> {
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct PackedDropout;

        impl<B: DropoutOps> Backward<B, 1> for PackedDropout {
            type State = (Sequences, Mask);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let (sequences, mask) = ops.state;
                unary::<B, _>(ops.parents, ops.node, grads, |grad| {
                    B::packed_dropout(grad, sequences, mask)
                });
            }
        }

        let node = x.node();
        let output = B::packed_dropout(x.into_primitive(), sequences.clone(), mask);
        match PackedDropout
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((sequences, mask), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

/// `values` `[tokens, columns]` with each value multiplied by its factor, differentiable.
pub fn dropout(values: Tensor<2>, sequences: &Sequences, mask: Mask) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::packed_dropout(
        values.into_dispatch(),
        sequences.clone(),
        mask,
    ))
}
