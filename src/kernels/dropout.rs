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
        wgpu::{
            CubeBackend, CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate,
            into_contiguous,
        },
    },
    tensor::TensorData,
};
use cubecl::{
    prelude::{CubeCount, KernelId},
    server::KernelArguments,
};

use crate::model::{packing::Sequences, random::Mask};

/// Dropout as a backend operation.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait DropoutOps: Backend {
    /// `x` `[tokens, columns]` with each value multiplied by its factor.
    #[fusion(dtype = x, shape = x)]
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        let columns = x.shape()[1] as u32;
        let factors: Vec<f32> = sequences
            .row_words()
            .flat_map(|row| (0..columns).map(move |column| mask.factor(row, column)))
            .collect();
        let device = x.device();
        let factors = TensorData::new(factors, x.shape());
        Self::float_mul(x, Self::float_from_data(factors, &device))
    }
}

impl DropoutOps for Flex {}

/// Threads of a workgroup, as the shader has them.
const THREADS: u32 = 256;

struct DropoutKernel;

impl KernelSource for DropoutKernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(include_str!("../../shaders/dropout.wgsl"))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

impl DropoutOps for CubeBackend {
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        let shape = x.shape();
        let (columns, elements) = (shape[1] as u32, shape.num_elements());
        let info: Vec<u8> = [
            columns,
            elements as u32,
            mask.site,
            mask.threshold,
            mask.scale.to_bits(),
        ]
        .into_iter()
        .chain(sequences.row_words())
        .flat_map(u32::to_le_bytes)
        .collect();
        let client = x.client.clone();
        let info = client.create_from_slice(&info);
        let y = CubeTensor::new_contiguous(
            client.clone(),
            x.device.clone(),
            shape,
            client.empty(elements * size_of::<f32>()),
            x.dtype,
        );
        // A dispatch is at most 65,535 workgroups wide.
        let groups = (elements as u32).div_ceil(THREADS);
        let wide = groups.clamp(1, 65_535);
        client.launch(
            Box::new(SourceKernel::new(DropoutKernel, CubeDim::new_1d(THREADS))),
            CubeCount::Static(wide, groups.div_ceil(wide), 1),
            KernelArguments::new().with_buffers(vec![
                x.handle.binding(),
                y.handle.clone().binding(),
                info.binding(),
            ]),
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
