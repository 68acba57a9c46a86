//! What follows from the sums of squares over all gradients, in one launch: the norm, and the factor
//! that clips by it (`tf.clip_by_global_norm`).
//!
//! The host reads the norm with the losses, and the factor stays on the device. It also says whether
//! the gradients may be used, so that nothing has to wait for the host to look at them. Shader:
//! `shaders/clip.wgsl`.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, Flex, TensorMetadata, backend_extension, get_or_init_device_settings,
        tensor::FloatTensor,
        wgpu::{CubeBackend, into_contiguous},
    },
    tensor::Shape,
};

use super::{
    formats::Element,
    launch::{Arrays, THREADS, launch, like},
    params::{params, with_params},
    shader::Shader,
    square_sum::SquareSum,
    wgsl::reduction,
};

/// What gradients are clipped to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    /// The norm above which they are scaled down.
    pub norm: f64,
    /// What the loss was multiplied by, and the gradients with it.
    pub loss_scale: f64,
}

/// The factor of gradients that are not finite. [`adam_steps`](super::adam::adam_steps) leaves
/// everything as it is then; the products with any other factor would not be numbers.
pub const LEFT_OUT: f32 = -1.0;

/// What a step is told of its gradients.
#[derive(Debug, Clone)]
pub struct Clipped {
    /// The losses, and after them the norm, unscaled: `[losses + 1]`.
    pub figures: Tensor<1>,
    /// What every gradient is multiplied by, `[1]`: it clips, and takes back the loss scale. Where a
    /// figure is not finite it is [`LEFT_OUT`].
    pub factor: Tensor<1>,
}

/// The shader, which comes in one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClipConfig;

params! {
    /// How many losses and sums there are, and what gradients are clipped to.
    pub struct ClipParams {
        pub losses: u32,
        pub parts: u32,
        pub norm: f32,
        pub loss_scale: f32,
    }
}

impl Shader for ClipConfig {
    type Params = ClipParams;

    fn text(self) -> String {
        let text = include_str!("../../shaders/clip.wgsl");
        with_params::<ClipParams>(format!("{}{text}", reduction("f32")))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        vec![Self]
    }
}

/// The operation: `losses` `[losses]`, and sums of the squares of the scaled gradients, `[parts]`.
/// Returns what [`Clipped`] holds.
#[backend_extension(Cube, Flex)]
pub trait ClipOps: Backend {
    fn clip(
        losses: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        to: Clip,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::<Self>(losses, sums, to)
    }
}

/// In plain tensors.
fn reference<B: Backend>(
    losses: FloatTensor<B>,
    sums: FloatTensor<B>,
    to: Clip,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let over = |tensor, divisor: f64| B::float_div_scalar(tensor, divisor.into());
    let sum = B::float_reshape(B::float_sum(sums), Shape::new([1]));
    let norm = over(B::float_sqrt(sum), to.loss_scale);
    let above = B::float_clamp_min(norm.clone(), to.norm.into());
    let factor = B::float_mul_scalar(B::float_recip(above), to.norm.into());
    let factor = over(factor, to.loss_scale);
    let figures = B::float_cat(vec![losses, norm], 0);
    // 0, or not a number.
    let sum = B::float_sum(B::float_mul_scalar(figures.clone(), 0.0.into()));
    let settings = get_or_init_device_settings::<B>(&figures.device());
    let is_finite = B::float_equal_elem(
        B::float_reshape(sum, Shape::new([1])),
        0.0.into(),
        settings.bool_dtype,
    );
    let factor = B::float_mask_fill(factor, B::bool_not(is_finite), f64::from(LEFT_OUT).into());
    (figures, factor)
}

impl ClipOps for Flex {}

impl ClipOps for CubeBackend {
    fn clip(
        losses: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        to: Clip,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if [losses.dtype, sums.dtype].map(Element::of) != [Some(Element::F32); 2] {
            return reference::<Self>(losses, sums, to);
        }
        let [losses, sums] = [losses, sums].map(into_contiguous);
        let count = losses.shape()[0];
        let [figures, factor] =
            [count + 1, 1].map(|length| like(&sums, Shape::new([length]), Element::F32));
        launch(
            &sums.client,
            ClipConfig,
            [1, 1],
            &ClipParams {
                losses: count as u32,
                parts: sums.shape()[0] as u32,
                norm: to.norm as f32,
                loss_scale: to.loss_scale as f32,
            },
            Arrays {
                read: &[&losses, &sums],
                written: &[&figures, &factor],
                ..Arrays::default()
            },
        );
        (figures, factor)
    }
}

/// Clips gradients whose squares were summed, beside `losses` `[losses]`, without autodiff.
pub fn clip(losses: Tensor<1>, squares: SquareSum, to: Clip) -> Clipped {
    let sums = squares.into_sums();
    let (figures, factor) = Dispatch::clip(losses.into_dispatch(), sums.into_dispatch(), to);
    Clipped {
        figures: Tensor::from_dispatch(figures),
        factor: Tensor::from_dispatch(factor),
    }
}
