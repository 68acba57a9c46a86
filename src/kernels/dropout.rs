//! Dropout of a packed matrix, with masks that are redrawn instead of stored.
//!
//! Each factor is a function of the mask's counter, the token's place and the column
//! ([`Mask::factor`]), so the backward pass needs neither the mask nor the values, and splitting or
//! packing a batch does not change it. Shader: `shaders/dropout.wgsl`.

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, SourceTemplate, into_contiguous},
    },
    tensor::TensorData,
};

use super::{
    autodiff::with_gradient,
    cpu_loops::{by_rows, whole},
    formats::{Element, cast, full},
    launch::{Arrays, THREADS, launch_elementwise, like},
    params::{params, with_params},
    shader::Shader,
    wgsl,
};
use crate::packed::{random::Mask, sequences::Sequences};

/// Dropout fused into another operation.
#[derive(Debug, Clone)]
pub struct Dropped {
    pub sequences: Sequences,
    pub mask: Mask,
}

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropoutConfig {
    pub element: Element,
}

params! {
    /// The matrix to which dropout is applied.
    pub struct DropoutParams {
        pub columns: u32,
        pub elements: u32,
        pub mask: Mask,
    }
}

impl Shader for DropoutConfig {
    type Params = DropoutParams;

    fn text(self) -> String {
        let enable = self.element.enable();
        let text = include_str!("../../shaders/dropout.wgsl");
        let text = SourceTemplate::new(format!("{enable}{}{text}", wgsl::mask()))
            .register("element", self.element.name())
            .complete();
        with_params::<DropoutParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Element::ALL.map(|element| Self { element }).to_vec()
    }
}

/// Dropout as a backend operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait DropoutOps: Backend {
    /// Multiplies each value of `x` `[tokens, columns]` by its factor.
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self>;
}

/// Plain-tensor reference.
fn reference<B: Backend>(x: FloatTensor<B>, sequences: &Sequences, mask: Mask) -> FloatTensor<B> {
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
            return reference::<Self>(x, &sequences, mask);
        };
        let x = into_contiguous(x);
        let (columns, elements) = (x.shape()[1] as u32, x.shape().num_elements());
        let y = like(&x, x.shape(), element);
        launch_elementwise(
            &x.client,
            DropoutConfig { element },
            elements,
            &DropoutParams {
                columns,
                elements: elements as u32,
                mask,
            },
            Arrays {
                read: &[&sequences.on_device(&x).words, &x],
                written: &[&y],
                ..Arrays::default()
            },
        );
        y
    }
}

impl<B: DropoutOps, C: CheckpointStrategy> DropoutOps for Autodiff<B, C> {
    fn packed_dropout(x: FloatTensor<Self>, sequences: Sequences, mask: Mask) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let y = B::packed_dropout(x, sequences.clone(), mask);
        with_gradient::<B, C, _, _>(
            [node],
            y,
            || (sequences, mask),
            |(sequences, mask), grad, _| [Some(B::packed_dropout(grad, sequences, mask))],
        )
    }
}

/// Multiplies each of `values` `[tokens, columns]` by its factor; differentiable.
pub fn dropout(values: Tensor<2>, sequences: &Sequences, mask: Mask) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::packed_dropout(
        values.into_dispatch(),
        sequences.clone(),
        mask,
    ))
}
