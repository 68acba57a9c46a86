//! Three dense layers on the same rows, such as queries, keys and values. The forward pass is one
//! launch; the backward pass is one for the gradients of the rows and one for those of the
//! parameters.
//!
//! The weights remain separate arrays: a launch binds all three, and each workgroup picks its own.
//! Nothing here uses autodiff.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, ExtensionType, Flex, backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor},
    },
};

use super::{
    cpu,
    layer::DenseLayer,
    matmuls::{DenseMatmuls, fused},
    products::DenseProducts,
};
use crate::kernels::matmul::{EpilogueTensors, config::Orientation};

/// One tensor for each of three layers, all of one shape and format.
#[derive(ExtensionType)]
pub struct Three<B: Backend>(pub FloatTensor<B>, pub FloatTensor<B>, pub FloatTensor<B>);

impl<B: Backend> Three<B> {
    fn tensors(self) -> [FloatTensor<B>; 3] {
        [self.0, self.1, self.2]
    }
}

impl<B: Backend> From<[FloatTensor<B>; 3]> for Three<B> {
    fn from([first, second, third]: [FloatTensor<B>; 3]) -> Self {
        Self(first, second, third)
    }
}

/// Matmuls of three dense layers `[in, out]`; rows, gradients and formats are as for
/// [`DenseMatmuls`].
#[backend_extension(Cube, Flex)]
pub trait ThreeDense: DenseMatmuls {
    /// Returns `x · kernel + bias` for each layer, `[rows, out]`.
    fn three_forward(
        x: FloatTensor<Self>,
        #[extension_type] kernels: Three<Self>,
        #[extension_type] biases: Three<Self>,
        products: [DenseProducts; 3],
    ) -> Three<Self> {
        forward_one_by_one::<Self>(x, kernels, biases, products)
    }

    /// Adds each layer's gradient of the rows to `sum` `[rows, in]`.
    fn three_input_gradients_onto(
        #[extension_type] grads: Three<Self>,
        #[extension_type] kernels: Three<Self>,
        sum: FloatTensor<Self>,
        products: [DenseProducts; 3],
    ) -> FloatTensor<Self> {
        input_one_by_one::<Self>(grads, kernels, sum, products)
    }

    /// Returns the gradients of each kernel, `[in, out]`, and each bias, `[out]`, in f32.
    fn three_parameter_gradients(
        x: FloatTensor<Self>,
        #[extension_type] grads: Three<Self>,
        products: [DenseProducts; 3],
    ) -> (Three<Self>, Three<Self>) {
        parameters_one_by_one::<Self>(x, grads, products)
    }
}

fn forward_one_by_one<B: DenseMatmuls>(
    x: FloatTensor<B>,
    kernels: Three<B>,
    biases: Three<B>,
    products: [DenseProducts; 3],
) -> Three<B> {
    let Three(q, k, v) = kernels;
    let Three(of_q, of_k, of_v) = biases;
    let [by_q, by_k, by_v] = products;
    let forward = |kernel, bias, by| B::dense_forward(x.clone(), kernel, bias, by);
    Three(
        forward(q, of_q, by_q),
        forward(k, of_k, by_k),
        forward(v, of_v, by_v),
    )
}

fn input_one_by_one<B: DenseMatmuls>(
    grads: Three<B>,
    kernels: Three<B>,
    sum: FloatTensor<B>,
    products: [DenseProducts; 3],
) -> FloatTensor<B> {
    let pairs = grads.tensors().into_iter().zip(kernels.tensors());
    pairs.zip(products).fold(sum, |sum, ((grad, kernel), by)| {
        B::dense_input_gradient_onto(grad, kernel, sum, by)
    })
}

fn parameters_one_by_one<B: DenseMatmuls>(
    x: FloatTensor<B>,
    grads: Three<B>,
    products: [DenseProducts; 3],
) -> (Three<B>, Three<B>) {
    let [products, ..] = products;
    let gradients = |grad| B::dense_parameter_gradients(x.clone(), grad, products.clone());
    let [(q, of_q), (k, of_k), (v, of_v)] = grads.tensors().map(gradients);
    (Three(q, k, v), Three(of_q, of_k, of_v))
}

impl ThreeDense for Flex {
    fn three_forward(
        x: FloatTensor<Self>,
        kernels: Three<Self>,
        biases: Three<Self>,
        products: [DenseProducts; 3],
    ) -> Three<Self> {
        let (kernels, biases) = (kernels.tensors(), biases.tensors());
        match cpu::forward_of_three(&x, &kernels, &biases, &products) {
            Some(results) => results.into(),
            None => forward_one_by_one::<Self>(x, kernels.into(), biases.into(), products),
        }
    }
}

impl ThreeDense for CubeBackend {
    fn three_forward(
        x: FloatTensor<Self>,
        kernels: Three<Self>,
        biases: Three<Self>,
        products: [DenseProducts; 3],
    ) -> Three<Self> {
        let (left, right) = ([x], kernels.tensors());
        let plain = Orientation::Plain;
        let tilings = products[0].tilings;
        if tilings.fitting([&left, &right], plain).is_none() {
            let [x] = left;
            return forward_one_by_one::<Self>(x, right.into(), biases, products);
        }
        let bias = EpilogueTensors::Bias(biases.tensors().into());
        let [results, _] = fused(tilings, [left.into(), right.into()], plain, bias);
        three(results)
    }

    fn three_input_gradients_onto(
        grads: Three<Self>,
        kernels: Three<Self>,
        sum: FloatTensor<Self>,
        products: [DenseProducts; 3],
    ) -> FloatTensor<Self> {
        let (left, right) = (grads.tensors(), kernels.tensors());
        let transposed = Orientation::RightTransposed;
        let tilings = products[0].tilings;
        if tilings.fitting([&left, &right], transposed).is_none() {
            return input_one_by_one::<Self>(left.into(), right.into(), sum, products);
        }
        let onto = EpilogueTensors::Onto(sum);
        let [mut sums, _] = fused(tilings, [left.into(), right.into()], transposed, onto);
        sums.remove(0)
    }

    fn three_parameter_gradients(
        x: FloatTensor<Self>,
        grads: Three<Self>,
        products: [DenseProducts; 3],
    ) -> (Three<Self>, Three<Self>) {
        let (left, right) = ([x], grads.tensors());
        let transposed = Orientation::LeftTransposed;
        let tilings = products[0].tilings;
        if tilings.fitting([&left, &right], transposed).is_none() {
            let [x] = left;
            return parameters_one_by_one::<Self>(x, right.into(), products);
        }
        let sums = EpilogueTensors::ColumnSums;
        let [kernels, biases] = fused(tilings, [left.into(), right.into()], transposed, sums);
        (three(kernels), three(biases))
    }
}

fn three(tensors: Vec<CubeTensor>) -> Three<CubeBackend> {
    let three: [CubeTensor; 3] = tensors.try_into().expect("three of three");
    three.into()
}

/// Three layers on the same rows, of one shape and with the same tilings.
pub struct ThreeLayers(pub [DenseLayer; 3]);

impl ThreeLayers {
    /// Applies each layer: `[rows, in]` → `[rows, out]`.
    pub fn forward(&self, x: Tensor<2>) -> [Tensor<2>; 3] {
        let biases = self.0.each_ref();
        let biases = biases.map(|layer| layer.bias.clone().into_dispatch());
        tensors(Dispatch::three_forward(
            x.into_dispatch(),
            self.kernels(),
            biases.into(),
            self.products(),
        ))
    }

    /// Adds the gradients of the rows to `sum` `[rows, in]`, given the results' gradients,
    /// `[rows, out]` each.
    pub fn input_gradients_onto(&self, grads: [Tensor<2>; 3], sum: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::three_input_gradients_onto(
            grads.map(Tensor::into_dispatch).into(),
            self.kernels(),
            sum.into_dispatch(),
            self.products(),
        ))
    }

    /// Returns the gradients of the kernels, `[in, out]`, and biases, `[out]`, in f32, given the
    /// rows `[rows, in]` and the results' gradients `[rows, out]`.
    pub fn parameter_gradients(
        &self,
        x: Tensor<2>,
        grads: [Tensor<2>; 3],
    ) -> ([Tensor<2>; 3], [Tensor<1>; 3]) {
        let (kernels, biases) = Dispatch::three_parameter_gradients(
            x.into_dispatch(),
            grads.map(Tensor::into_dispatch).into(),
            self.products(),
        );
        (tensors(kernels), tensors(biases))
    }

    fn kernels(&self) -> Three<Dispatch> {
        let kernels = self.0.each_ref();
        kernels
            .map(|layer| layer.kernel.clone().into_dispatch())
            .into()
    }

    fn products(&self) -> [DenseProducts; 3] {
        self.0.each_ref().map(|layer| layer.products.clone())
    }
}

fn tensors<const D: usize>(three: Three<Dispatch>) -> [Tensor<D>; 3] {
    three.tensors().map(Tensor::from_dispatch)
}
