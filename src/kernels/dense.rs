//! A dense layer on rows as one operation: `y = x · W + b`, both ways.
//!
//! Operands may be f32 or f16, sums are f32. With f16 operands the kernel comes twice: the f32
//! master that is trained, and its f16 copy; the master's gradient is f32.

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
        wgpu::CubeBackend,
    },
    tensor::{DType, FloatDType, Shape},
};

use super::{
    product::{Products, product},
    shader::{Element, Orientation},
};

/// Dense layers and the products of their gradients as backend operations.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait DenseOps: Backend {
    /// `x` `[rows, in]`, `kernel` `[in, out]` of the same format and `bias` `[out]` in f32 →
    /// `[rows, out]` in that format. `master` is the trained f32 kernel, of which `kernel` is a
    /// copy or the same.
    #[fusion(dtype = x, shape = { let mut shape = x.clone(); shape[1] = kernel[1]; shape })]
    fn dense(
        x: FloatTensor<Self>,
        master: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let _ = (master, products);
        dense_twin::<Self>(x, kernel, bias)
    }

    /// Gradient of the input, `[rows, in]` in the format of `grad` `[rows, out]`.
    #[fusion(dtype = grad, shape = { let mut shape = grad.clone(); shape[1] = kernel[0]; shape })]
    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let _ = products;
        input_gradient_twin::<Self>(grad, kernel)
    }

    /// Gradient of the kernel, `[in, out]` in f32.
    #[fusion(dtype = DType::F32, shape = { let mut shape = x.clone(); shape[0] = x[1]; shape[1] = grad[1]; shape })]
    fn dense_kernel_gradient(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let _ = products;
        kernel_gradient_twin::<Self>(x, grad)
    }
}

fn dense_twin<B: Backend>(
    x: FloatTensor<B>,
    kernel: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let format = x.dtype();
    let bias = B::float_reshape(bias, Shape::new([1, kernel.shape()[1]]));
    let product = B::float_matmul(full::<B>(x), full::<B>(kernel));
    cast::<B>(B::float_add(product, bias), format)
}

fn input_gradient_twin<B: Backend>(grad: FloatTensor<B>, kernel: FloatTensor<B>) -> FloatTensor<B> {
    let format = grad.dtype();
    let transposed = B::float_swap_dims(full::<B>(kernel), 0, 1);
    cast::<B>(B::float_matmul(full::<B>(grad), transposed), format)
}

fn kernel_gradient_twin<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(B::float_swap_dims(full::<B>(x), 0, 1), full::<B>(grad))
}

/// The values in f32.
pub(super) fn full<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    cast::<B>(tensor, DType::F32)
}

/// The values in the format `dtype`, f32 or f16.
pub(super) fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    match (tensor.dtype() == dtype, dtype) {
        (true, _) => tensor,
        (false, DType::F16) => B::float_cast(tensor, FloatDType::F16),
        (false, _) => B::float_cast(tensor, FloatDType::F32),
    }
}

impl DenseOps for Flex {}

impl DenseOps for CubeBackend {
    fn dense(
        x: FloatTensor<Self>,
        _master: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::Plain;
        match (
            products.fitting(&x, &kernel, orientation),
            Element::of(x.dtype),
        ) {
            (Some(form), Some(result)) => product(form, x, kernel, Some(bias), orientation, result),
            _ => dense_twin::<Self>(x, kernel, bias),
        }
    }

    fn dense_input_gradient(
        grad: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::RightTransposed;
        match (
            products.fitting(&grad, &kernel, orientation),
            Element::of(grad.dtype),
        ) {
            (Some(form), Some(result)) => product(form, grad, kernel, None, orientation, result),
            _ => input_gradient_twin::<Self>(grad, kernel),
        }
    }

    fn dense_kernel_gradient(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        let orientation = Orientation::LeftTransposed;
        match products.fitting(&x, &grad, orientation) {
            Some(form) => product(form, x, grad, None, orientation, Element::F32),
            None => kernel_gradient_twin::<Self>(x, grad),
        }
    }
}

impl<B: DenseOps, C: CheckpointStrategy> DenseOps for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        master: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        products: Products,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Dense;

        /// Input, kernel, products.
        type State<B> = (FloatTensor<B>, FloatTensor<B>, Products);

        impl<B: DenseOps> Backward<B, 3> for Dense {
            type State = State<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let (x, kernel, products) = ops.state;
                let [input, master, bias] = ops.parents;
                if let Some(node) = master {
                    let gradient = B::dense_kernel_gradient(x, grad.clone(), products);
                    grads.register::<B>(node.id, gradient);
                }
                if let Some(node) = bias {
                    let columns = grad.shape()[1];
                    let sum = B::float_sum_dim(full::<B>(grad.clone()), 0);
                    let gradient = B::float_reshape(sum, Shape::new([columns]));
                    grads.register::<B>(node.id, gradient);
                }
                if let Some(node) = input {
                    let gradient = B::dense_input_gradient(grad, kernel, products);
                    grads.register::<B>(node.id, gradient);
                }
            }
        }

        let nodes = [x.node(), master.node(), bias.node()];
        let [x, master, kernel, bias] =
            [x, master, kernel, bias].map(|tensor| tensor.into_primitive());
        let y = B::dense(x.clone(), master, kernel.clone(), bias, products);
        match Dense.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, kernel, products), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn dense_input_gradient(
        _grad: FloatTensor<Self>,
        _kernel: FloatTensor<Self>,
        _products: Products,
    ) -> FloatTensor<Self> {
        unreachable!("gradients are computed outside the graph")
    }

    fn dense_kernel_gradient(
        _x: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _products: Products,
    ) -> FloatTensor<Self> {
        unreachable!("gradients are computed outside the graph")
    }
}

/// A kernel `[in, out]` and what its products run with.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Trained, in f32.
    pub master: Tensor<2>,
    /// The copy in f16 that products take, where they take one.
    pub half: Option<Tensor<2>>,
    pub products: Products,
}

/// `x` `[rows, in]` → `[rows, out]` in the same format, differentiable in `x`, `kernel.master` and
/// `bias` `[out]`. Rows in f16 need the kernel's f16 copy.
pub fn dense(x: Tensor<2>, kernel: Kernel, bias: Tensor<1>) -> Tensor<2> {
    let master = kernel.master;
    let operand = kernel.half.unwrap_or_else(|| master.clone().detach());
    Tensor::from_dispatch(Dispatch::dense(
        x.into_dispatch(),
        master.into_dispatch(),
        operand.into_dispatch(),
        bias.into_dispatch(),
        kernel.products,
    ))
}
