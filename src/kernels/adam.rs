//! One step of ELECTRA's Adam on one parameter, in place and in one pass.
//!
//! `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `w ← w − rate · (m / (√v + ε) + decay · w)`: no
//! bias correction, epsilon outside the root, decoupled weight decay (the reference's
//! `AdamWeightDecayOptimizer`). In plain tensors the word table of a large model needs six more
//! of its size while it is updated; here none. Shader: `shaders/adam.wgsl`.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, into_contiguous},
    },
};
use pulp::Arch;

use super::{
    launch::{Arrays, launch_elementwise},
    shader::Shader,
};

pub const BETA_1: f64 = 0.9;
pub const BETA_2: f64 = 0.999;
pub const EPSILON: f64 = 1e-6;

/// What differs from parameter to parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Learning rate, the layer's factor included.
    pub rate: f64,
    /// Weight decay; 0 spares the parameter.
    pub decay: f64,
}

/// Adam as a backend operation on flat values, `[elements]` each; `clip_factor` `[1]` scales the
/// gradient. Returns the weight, the first and the second moment.
#[backend_extension(Cube, Flex, Fusion: cfg(feature = "fusion"))]
pub trait AdamOps: Backend {
    #[fusion(meta = |w, m, v, _g, _f, _step| (w.clone(), m.clone(), v.clone()))]
    fn adam_step(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        clip_factor: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        twin::<Self>(weight, first, second, gradient, clip_factor, step)
    }
}

/// The step in plain tensors.
fn twin<B: Backend>(
    weight: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    gradient: FloatTensor<B>,
    clip_factor: FloatTensor<B>,
    step: Step,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let times = |tensor, factor: f64| B::float_mul_scalar(tensor, factor.into());
    let gradient = B::float_mul(gradient, clip_factor);
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let second = B::float_add(times(second, BETA_2), times(square, 1.0 - BETA_2));
    let first = B::float_add(times(first, BETA_1), times(gradient, 1.0 - BETA_1));
    let root = B::float_add_scalar(B::float_sqrt(second.clone()), EPSILON.into());
    let update = B::float_div(first.clone(), root);
    let update = B::float_add(update, times(weight.clone(), step.decay));
    let weight = B::float_sub(weight, times(update, step.rate));
    (weight, first, second)
}

impl AdamOps for Flex {
    fn adam_step(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        clip_factor: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let gradient = gradient.to_contiguous();
        let [mut weight, mut first, mut second] = [weight, first, second].map(whole);
        let (Some(g), Some(&[factor])) =
            (gradient.as_slice::<f32>(), clip_factor.as_slice::<f32>())
        else {
            return twin::<Self>(weight, first, second, gradient, clip_factor, step);
        };
        let (w, m, v) = (
            weight.storage_mut::<f32>(),
            first.storage_mut::<f32>(),
            second.storage_mut::<f32>(),
        );
        let [rate, decay] = [step.rate as f32, step.decay as f32];
        let [beta_1, rest_1] = [BETA_1 as f32, (1.0 - BETA_1) as f32];
        let [beta_2, rest_2] = [BETA_2 as f32, (1.0 - BETA_2) as f32];
        Arch::new().dispatch(|| {
            for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
                let g = g * factor;
                *m = *m * beta_1 + g * rest_1;
                *v = *v * beta_2 + g * g * rest_2;
                *w -= (*m / (v.sqrt() + EPSILON as f32) + *w * decay) * rate;
            }
        });
        (weight, first, second)
    }
}

/// A tensor whose storage is its values and nothing else, in order.
fn whole(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
    let tensor = tensor.to_contiguous();
    let values = tensor.shape().num_elements();
    if tensor.storage::<f32>().len() == values {
        return tensor;
    }
    FloatTensor::<Flex>::from_data(tensor.into_data())
}

impl AdamOps for CubeBackend {
    fn adam_step(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        clip_factor: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        // Written in place, so no one else may hold them.
        let [weight, first, second] = [weight, first, second].map(|tensor| {
            let tensor = into_contiguous(tensor);
            if tensor.can_mut() {
                tensor
            } else {
                tensor.copy()
            }
        });
        let gradient = into_contiguous(gradient);
        let elements = weight.shape().num_elements();
        let figures = [
            step.rate,
            step.decay,
            BETA_1,
            1.0 - BETA_1,
            BETA_2,
            1.0 - BETA_2,
            EPSILON,
        ];
        launch_elementwise(
            &weight.client,
            Shader::Adam,
            elements,
            [elements as u32]
                .into_iter()
                .chain(figures.map(|figure| (figure as f32).to_bits())),
            Arrays {
                updated: &[&weight, &first, &second],
                read: &[&gradient, &clip_factor],
                ..Arrays::default()
            },
        );
        (weight, first, second)
    }
}

/// One step, `[elements]` each, outside any graph: the new weight, first and second moment.
pub fn adam_step(
    weight: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    gradient: Tensor<1>,
    clip_factor: Tensor<1>,
    step: Step,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let (weight, first, second) = Dispatch::adam_step(
        weight.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        gradient.into_dispatch(),
        clip_factor.into_dispatch(),
        step,
    );
    let [weight, first, second] = [weight, first, second].map(Tensor::from_dispatch);
    (weight, [first, second])
}
