//! Selects rows of a matrix, each at most once, so that the gradient is a gather too.
//!
//! The gradient of Burn's `select` adds row by row with one thread per column: for as many rows as
//! a batch has tokens, that takes longer than everything else done with them. The row numbers are
//! passed as launch parameters, since uploading them would submit all pending work. Shader:
//! `shaders/rows.wgsl`.

use std::sync::Arc;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, SourceTemplate, into_contiguous},
    },
    tensor::{Shape, TensorData},
};

use super::{
    autodiff::with_gradient,
    formats::{Element, Width},
    launch::{Arrays, THREADS, in_two_dimensions, launch, like},
    params::{params, with_params},
    shader::Shader,
};

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowsConfig {
    pub element: Element,
    pub width: Width,
}

params! {
    /// Which rows to take.
    pub struct RowsParams {
        /// Rows of the matrix.
        pub rows: u32,
        /// Elements in a row, counted in scalars or vec4.
        pub places: u32,
        /// Number of rows taken.
        pub count: u32,
        pub numbers: Vec<u32>,
    }
}

impl Shader for RowsConfig {
    type Params = RowsParams;

    fn text(self) -> String {
        let values = match (self.element, self.width) {
            (Element::F32, width) => width.floats(),
            (Element::F16, width) => width.halves(),
        };
        let enable = self.element.enable();
        let text = include_str!("../../shaders/rows.wgsl");
        let text = SourceTemplate::new(format!("{enable}{text}"))
            .register("values", values)
            .complete();
        with_params::<RowsParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Element::ALL
            .into_iter()
            .flat_map(|element| Width::ALL.map(|width| Self { element, width }))
            .collect()
    }
}

/// The row selection as a backend operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait RowsOps: Backend {
    /// Returns the rows of `x` `[rows, columns]` with these numbers, `[numbers, columns]`; a number
    /// equal to the row count gives a row of zeros.
    fn rows(x: FloatTensor<Self>, numbers: Arc<[u32]>) -> FloatTensor<Self> {
        reference::<Self>(x, &numbers)
    }
}

/// Plain-tensor reference.
fn reference<B: Backend>(x: FloatTensor<B>, numbers: &[u32]) -> FloatTensor<B> {
    let (shape, device) = (x.shape(), x.device());
    let [rows, columns] = [shape[0], shape[1]];
    let x = match numbers.iter().any(|&number| number as usize == rows) {
        false => x,
        true => {
            let zeros = Shape::new([1, columns]);
            let zeros = B::float_zeros(zeros, &device, x.dtype().into());
            B::float_cat(vec![x, zeros], 0)
        }
    };
    let index: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
    let index = TensorData::new(index, [numbers.len()]);
    B::float_select(x, 0, B::int_from_data(index, &device))
}

impl RowsOps for Flex {}

impl RowsOps for CubeBackend {
    fn rows(x: FloatTensor<Self>, numbers: Arc<[u32]>) -> FloatTensor<Self> {
        let Some(element) = Element::of(x.dtype).filter(|_| !numbers.is_empty()) else {
            return reference::<Self>(x, &numbers);
        };
        let x = into_contiguous(x);
        let [rows, columns] = [x.shape()[0], x.shape()[1]];
        let width = Width::of(columns);
        let (places, count) = ((columns / width.count()) as u32, numbers.len() as u32);
        let y = like(&x, Shape::new([numbers.len(), columns]), element);
        launch(
            &x.client,
            RowsConfig { element, width },
            in_two_dimensions((count * places).div_ceil(THREADS)),
            &RowsParams {
                rows: rows as u32,
                places,
                count,
                numbers: numbers.to_vec(),
            },
            Arrays {
                read: &[&x],
                written: &[&y],
                ..Arrays::default()
            },
        );
        y
    }
}

/// Inverts `numbers`: the position of each row in it, or `numbers.len()` if the row is absent.
fn places(numbers: &[u32], rows: usize) -> Arc<[u32]> {
    let nowhere = numbers.len() as u32;
    let mut places = vec![nowhere; rows];
    for (place, &number) in numbers.iter().enumerate() {
        let twice = std::mem::replace(&mut places[number as usize], place as u32);
        assert_eq!(twice, nowhere, "row {number} is taken twice");
    }
    places.into()
}

impl<B: RowsOps, C: CheckpointStrategy> RowsOps for Autodiff<B, C> {
    fn rows(x: FloatTensor<Self>, numbers: Arc<[u32]>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let count = x.shape()[0];
        let taken = B::rows(x, numbers.clone());
        with_gradient::<B, C, _, _>(
            [node],
            taken,
            || places(&numbers, count),
            |places, grad, _| [Some(B::rows(grad, places))],
        )
    }
}

/// Returns the rows of `x` `[rows, columns]` with these numbers, `[numbers, columns]`;
/// differentiable if no row is taken twice.
pub fn rows(x: Tensor<2>, numbers: Arc<[u32]>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::rows(x.into_dispatch(), numbers))
}
