//! Erf GELU, `x · Φ(x)`, exact in both directions.
//!
//! Burn's own `gelu` has an exact forward pass on every backend, but its GPU gradient is that of
//! the tanh approximation (off by up to 1e-3). Here the forward pass keeps only `x`, and the
//! gradient is `Φ(x) + x · φ(x)` on every backend.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
    },
};

use super::{
    autodiff::with_gradient,
    cpu_loops::{by_rows, in_order, tensor, values, whole},
    formats::{Element, cast, full},
    launch::{Arrays, THREADS, launch_elementwise, like},
    normal::{density, distribution},
    params::{params, with_params},
    shader::{Direction, Shader},
    wgsl::NORMAL,
};

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GeluConfig {
    pub direction: Direction,
    pub element: Element,
}

params! {
    /// Values of any shape.
    pub struct GeluParams {
        pub elements: u32,
    }
}

impl Shader for GeluConfig {
    type Params = GeluParams;

    fn text(self) -> String {
        let (enable, text) = (
            self.element.enable(),
            include_str!("../../shaders/gelu.wgsl"),
        );
        let backward = self.direction == Direction::Backward;
        let text = SourceTemplate::new(format!("{enable}{NORMAL}{text}"))
            .register("element", self.element.name())
            .register("backward", backward.to_string())
            .complete();
        with_params::<GeluParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Element::ALL
            .into_iter()
            .flat_map(|element| Direction::ALL.map(|direction| Self { direction, element }))
            .collect()
    }
}

/// GELU and its gradient as backend operations.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait GeluOps: Backend {
    /// Returns `x · Φ(x)`, in the shape and format of `x`.
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Returns `grad · (Φ(x) + x · φ(x))`; `x`, `grad` and the result share one shape and format.
    fn erf_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        backward_reference::<Self>(x, grad)
    }
}

/// Plain-tensor reference of the forward pass.
fn forward_reference<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let format = x.dtype();
    cast::<B>(B::gelu(full::<B>(x)), format)
}

fn backward_reference<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let format = grad.dtype();
    let (x, grad) = (full::<B>(x), full::<B>(grad));
    // Φ(x) = (1 + erf(x / √2)) / 2
    let distribution = B::float_erf(B::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into()));
    let distribution =
        B::float_mul_scalar(B::float_add_scalar(distribution, 1.0.into()), 0.5.into());
    // φ(x) = exp(−x² / 2) / √(2π)
    let square = B::float_mul(x.clone(), x.clone());
    let density = B::float_exp(B::float_mul_scalar(square, (-0.5).into()));
    let density = B::float_mul_scalar(density, (1.0 / (2.0 * PI).sqrt()).into());
    let slope = B::float_add(distribution, B::float_mul(x, density));
    cast::<B>(B::float_mul(grad, slope), format)
}

impl GeluOps for Flex {
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let format = x.dtype();
        let x = in_order(x);
        let mut y = vec![0.0; x.shape().num_elements()];
        by_rows(
            &mut y,
            1,
            #[inline(always)]
            |first, y| {
                for (y, &x) in y.iter_mut().zip(&values(&x)[first..]) {
                    *y = x * distribution(x);
                }
            },
        );
        cast::<Self>(tensor(y, x.shape()), format)
    }

    fn erf_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let format = grad.dtype();
        let (x, mut grad) = (in_order(x), whole(full::<Self>(grad)));
        by_rows(
            grad.storage_mut::<f32>(),
            1,
            #[inline(always)]
            |first, grads| {
                for (grad, &x) in grads.iter_mut().zip(&values(&x)[first..]) {
                    *grad *= distribution(x) + x * density(x);
                }
            },
        );
        cast::<Self>(grad, format)
    }
}

impl GeluOps for CubeBackend {
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let Some(element) = Element::of(x.dtype) else {
            return forward_reference::<Self>(x);
        };
        let x = into_contiguous(x);
        // The forward shader does not read the gradient binding, so any array will do.
        run(Direction::Forward, element, &x, &x)
    }

    fn erf_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, grad) = (into_contiguous(x), into_contiguous(grad));
        match Element::of(x.dtype).filter(|_| x.dtype == grad.dtype) {
            None => backward_reference::<Self>(x, grad),
            Some(element) => run(Direction::Backward, element, &x, &grad),
        }
    }
}

fn run(direction: Direction, element: Element, x: &CubeTensor, grad: &CubeTensor) -> CubeTensor {
    let y = like(x, x.shape(), element);
    let elements = x.shape().num_elements();
    launch_elementwise(
        &x.client,
        GeluConfig { direction, element },
        elements,
        &GeluParams {
            elements: elements as u32,
        },
        Arrays {
            read: &[x, grad],
            written: &[&y],
            ..Arrays::default()
        },
    );
    y
}

impl<B: GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
    fn erf_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let y = B::erf_gelu(x.clone());
        with_gradient::<B, C, _, _>(
            [node],
            y,
            || x,
            |x, grad, _| [Some(B::erf_gelu_backward(x, grad))],
        )
    }
}

/// Returns `grad · (Φ(x) + x · φ(x))`, given the values before GELU, without autodiff.
pub fn gelu_backward<const D: usize>(x: Tensor<D>, grad: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::erf_gelu_backward(
        x.into_dispatch(),
        grad.into_dispatch(),
    ))
}

/// Applies `x · Φ(x)` elementwise to a tensor of any shape; differentiable.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::erf_gelu(x.into_dispatch()))
}
