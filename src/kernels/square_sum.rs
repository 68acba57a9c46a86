//! Sums of squares, for the norm over all gradients: one pass over each and nothing of its size.
//!
//! Shader: `shaders/square_sum.wgsl`.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
        wgpu::{CubeBackend, into_contiguous},
    },
    tensor::{Device, Shape, TensorData},
};
use pulp::Arch;

use super::{
    launch::{Arrays, launch},
    shader::Shader,
};

/// Partial sums that are kept apart, so that as many workgroups add side by side.
pub(super) const PARTS: usize = 64;

/// Threads of a workgroup, as the shader has them.
const THREADS: u32 = 256;

/// The operation; `sums` `[PARTS]`, `x` `[elements]` in f32. Together the sums grow by Σ x².
#[backend_extension(Cube, Flex, Fusion: cfg(feature = "fusion"))]
pub trait SquareSumOps: Backend {
    #[fusion(dtype = sums, shape = sums)]
    fn add_square_sum(sums: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let square = Self::float_mul(x.clone(), x);
        let share = Self::float_div_scalar(Self::float_sum(square), (PARTS as f64).into());
        Self::float_add(sums, Self::float_reshape(share, Shape::new([1])))
    }
}

impl SquareSumOps for Flex {
    fn add_square_sum(sums: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (sums, x) = (sums.to_contiguous(), x.to_contiguous());
        let mut parts = sums.as_slice::<f32>().expect("f32").to_vec();
        Arch::new().dispatch(|| {
            // Sums of sums, so that few values are added to a large one.
            for values in x.as_slice::<f32>().expect("f32").chunks(1_024 * PARTS) {
                let mut sums = [0.0_f32; PARTS];
                for block in values.chunks(PARTS) {
                    for (sum, x) in sums.iter_mut().zip(block) {
                        *sum += x * x;
                    }
                }
                for (part, sum) in parts.iter_mut().zip(sums) {
                    *part += sum;
                }
            }
        });
        FlexTensor::from_data(TensorData::new(parts, [PARTS]))
    }
}

impl SquareSumOps for CubeBackend {
    fn add_square_sum(sums: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = into_contiguous(x);
        // Added to in place, so no one else may hold them.
        let sums = into_contiguous(sums);
        let sums = if sums.can_mut() { sums } else { sums.copy() };
        launch(
            &x.client,
            Shader::SquareSum,
            [THREADS, 1],
            [PARTS as u32, 1],
            [x.shape().num_elements() as u32],
            Arrays {
                updated: &[&sums],
                read: &[&x],
                ..Arrays::default()
            },
        );
        sums
    }
}

/// A sum of squares that grows value by value, outside any graph.
pub struct SquareSum(Tensor<1>);

impl SquareSum {
    pub fn new(device: &Device) -> Self {
        Self(Tensor::zeros([PARTS], device))
    }

    /// Adds Σ x².
    pub fn add<const D: usize>(&mut self, x: Tensor<D>) {
        let elements = x.dims().iter().product::<usize>();
        let sums = std::mem::replace(&mut self.0, Tensor::empty([0], &x.device()));
        self.0 = Tensor::from_dispatch(Dispatch::add_square_sum(
            sums.into_dispatch(),
            x.reshape([elements]).into_dispatch(),
        ));
    }

    /// `[1]`
    pub fn total(self) -> Tensor<1> {
        self.0.sum()
    }
}
