//! Three dense layers of the same rows, as queries, keys and values are: forward in one launch, and
//! backward in one for the gradients of the rows and one for those of the parameters.
//!
//! The weights stay arrays of their own: a launch binds all three, and its workgroups take theirs.
//! All without autodiff.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, ExtensionType, Flex, backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor},
    },
};

use super::{
    layer::DenseLayer,
    matmuls::{DenseMatmuls, fused},
};
use crate::kernels::matmul::{EpilogueTensors, MatmulTilings, config::Orientation};

/// A tensor for each of three layers, of one shape and format.
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

/// Products of three dense layers `[in, out]`; rows, gradients and formats as of [`DenseMatmuls`].
#[backend_extension(Cube, Flex)]
pub trait ThreeDense: DenseMatmuls {
    /// `x · kernel + bias` of each, `[rows, out]`.
    fn three_forward(
        x: FloatTensor<Self>,
        #[extension_type] kernels: Three<Self>,
        #[extension_type] biases: Three<Self>,
        tilings: MatmulTilings,
    ) -> Three<Self> {
        forward_one_by_one::<Self>(x, kernels, biases, tilings)
    }

    /// `sum` `[rows, in]` with the gradients of the rows by each added.
    fn three_input_gradients_onto(
        #[extension_type] grads: Three<Self>,
        #[extension_type] kernels: Three<Self>,
        sum: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        input_one_by_one::<Self>(grads, kernels, sum, tilings)
    }

    /// Gradients of each kernel, `[in, out]`, and of each bias, `[out]`, in f32.
    fn three_parameter_gradients(
        x: FloatTensor<Self>,
        #[extension_type] grads: Three<Self>,
        tilings: MatmulTilings,
    ) -> (Three<Self>, Three<Self>) {
        parameters_one_by_one::<Self>(x, grads, tilings)
    }
}

fn forward_one_by_one<B: DenseMatmuls>(
    x: FloatTensor<B>,
    kernels: Three<B>,
    biases: Three<B>,
    tilings: MatmulTilings,
) -> Three<B> {
    let Three(q, k, v) = kernels;
    let Three(of_q, of_k, of_v) = biases;
    let forward = |kernel, bias| B::dense_forward(x.clone(), kernel, bias, tilings);
    Three(forward(q, of_q), forward(k, of_k), forward(v, of_v))
}

fn input_one_by_one<B: DenseMatmuls>(
    grads: Three<B>,
    kernels: Three<B>,
    sum: FloatTensor<B>,
    tilings: MatmulTilings,
) -> FloatTensor<B> {
    let pairs = grads.tensors().into_iter().zip(kernels.tensors());
    pairs.fold(sum, |sum, (grad, kernel)| {
        B::dense_input_gradient_onto(grad, kernel, sum, tilings)
    })
}

fn parameters_one_by_one<B: DenseMatmuls>(
    x: FloatTensor<B>,
    grads: Three<B>,
    tilings: MatmulTilings,
) -> (Three<B>, Three<B>) {
    let gradients = |grad| B::dense_parameter_gradients(x.clone(), grad, tilings);
    let [(q, of_q), (k, of_k), (v, of_v)] = grads.tensors().map(gradients);
    (Three(q, k, v), Three(of_q, of_k, of_v))
}

impl ThreeDense for Flex {}

impl ThreeDense for CubeBackend {
    fn three_forward(
        x: FloatTensor<Self>,
        kernels: Three<Self>,
        biases: Three<Self>,
        tilings: MatmulTilings,
    ) -> Three<Self> {
        let (left, right) = ([x], kernels.tensors());
        let plain = Orientation::Plain;
        if tilings.fitting([&left, &right], plain).is_none() {
            let [x] = left;
            return forward_one_by_one::<Self>(x, right.into(), biases, tilings);
        }
        let bias = EpilogueTensors::Bias(biases.tensors().into());
        let [results, _] = fused(tilings, [left.into(), right.into()], plain, bias);
        three(results)
    }

    fn three_input_gradients_onto(
        grads: Three<Self>,
        kernels: Three<Self>,
        sum: FloatTensor<Self>,
        tilings: MatmulTilings,
    ) -> FloatTensor<Self> {
        let (left, right) = (grads.tensors(), kernels.tensors());
        let transposed = Orientation::RightTransposed;
        if tilings.fitting([&left, &right], transposed).is_none() {
            return input_one_by_one::<Self>(left.into(), right.into(), sum, tilings);
        }
        let onto = EpilogueTensors::Onto(sum);
        let [mut sums, _] = fused(tilings, [left.into(), right.into()], transposed, onto);
        sums.remove(0)
    }

    fn three_parameter_gradients(
        x: FloatTensor<Self>,
        grads: Three<Self>,
        tilings: MatmulTilings,
    ) -> (Three<Self>, Three<Self>) {
        let (left, right) = ([x], grads.tensors());
        let transposed = Orientation::LeftTransposed;
        if tilings.fitting([&left, &right], transposed).is_none() {
            let [x] = left;
            return parameters_one_by_one::<Self>(x, right.into(), tilings);
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

/// Three layers of the same rows, of one shape and with the same tilings.
pub struct ThreeLayers(pub [DenseLayer; 3]);

impl ThreeLayers {
    /// `[rows, in]` → `[rows, out]` of each.
    pub fn forward(&self, x: Tensor<2>) -> [Tensor<2>; 3] {
        let biases = self.0.each_ref();
        let biases = biases.map(|layer| layer.bias.clone().into_dispatch());
        tensors(Dispatch::three_forward(
            x.into_dispatch(),
            self.kernels(),
            biases.into(),
            self.tilings(),
        ))
    }

    /// `sum` `[rows, in]` with the gradients of the rows added, given the results', `[rows, out]` each.
    pub fn input_gradients_onto(&self, grads: [Tensor<2>; 3], sum: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(Dispatch::three_input_gradients_onto(
            grads.map(Tensor::into_dispatch).into(),
            self.kernels(),
            sum.into_dispatch(),
            self.tilings(),
        ))
    }

    /// Gradients of the kernels, `[in, out]`, and of the biases, `[out]`, in f32, given the rows
    /// `[rows, in]` and the results' gradients `[rows, out]`.
    pub fn parameter_gradients(
        &self,
        x: Tensor<2>,
        grads: [Tensor<2>; 3],
    ) -> ([Tensor<2>; 3], [Tensor<1>; 3]) {
        let (kernels, biases) = Dispatch::three_parameter_gradients(
            x.into_dispatch(),
            grads.map(Tensor::into_dispatch).into(),
            self.tilings(),
        );
        (tensors(kernels), tensors(biases))
    }

    fn kernels(&self) -> Three<Dispatch> {
        let kernels = self.0.each_ref();
        kernels
            .map(|layer| layer.kernel.clone().into_dispatch())
            .into()
    }

    fn tilings(&self) -> MatmulTilings {
        self.0[0].tilings
    }
}

fn tensors<const D: usize>(three: Three<Dispatch>) -> [Tensor<D>; 3] {
    three.tensors().map(Tensor::from_dispatch)
}
