//! Some rows of a matrix, each at most once, so that the gradient is a look-up as well.
//!
//! The gradient of Burn's `select` adds row by row, one thread a column: for as many rows as a
//! batch has tokens that takes longer than everything else that happens to them.

use std::sync::Arc;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy, backend_extension, tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::{Shape, TensorData},
};

use super::autodiff::with_gradient;

/// The look-up as a backend operation.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait RowsOps: Backend {
    /// Rows of `x` `[rows, columns]` by number, `[numbers, columns]`; the number of rows stands
    /// for a row of zeros.
    fn rows(x: FloatTensor<Self>, numbers: Arc<[u32]>) -> FloatTensor<Self> {
        let (shape, device) = (x.shape(), x.device());
        let [rows, columns] = [shape[0], shape[1]];
        let x = match numbers.iter().any(|&number| number as usize == rows) {
            false => x,
            true => {
                let zeros = Shape::new([1, columns]);
                let zeros = Self::float_zeros(zeros, &device, x.dtype().into());
                Self::float_cat(vec![x, zeros], 0)
            }
        };
        let index: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
        let index = TensorData::new(index, [numbers.len()]);
        Self::float_select(x, 0, Self::int_from_data(index, &device))
    }
}

impl RowsOps for Flex {}

impl RowsOps for CubeBackend {}

/// Where in `numbers` each of the rows stands, `numbers.len()` for one that stands nowhere.
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

/// Rows of `x` `[rows, columns]` by number, `[numbers, columns]`; differentiable where no row is
/// taken twice.
pub fn rows(x: Tensor<2>, numbers: Arc<[u32]>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::rows(x.into_dispatch(), numbers))
}
