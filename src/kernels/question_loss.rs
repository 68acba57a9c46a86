//! The loss of windows that may have no answer, as one operation: `(CE(start) + CE(end)) / 2 +
//! weight · sigmoid-CE(impossible)`.
//!
//! Only the logits are kept; the backward pass recomputes the softmaxes. Shaders:
//! `shaders/question_loss_*.wgsl`.

use std::sync::Arc;

use burn::{
    Tensor,
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{Shape, Slice},
};

use super::{
    autodiff::with_gradient,
    formats::Element,
    launch::{Arrays, WIDEST_DISPATCH, launch, like},
    params::{params, with_params},
    shader::{Direction, Shader},
    span_loss::{SpanLossOps, TargetRows},
    wgsl::reduction,
};
use crate::packed::sequences::Sequences;

/// Workgroup size; matches the WGSL.
const THREADS: u32 = 64;

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionLossConfig {
    pub direction: Direction,
}

params! {
    /// The windows whose losses are computed.
    pub struct QuestionLossParams {
        pub weight: f32,
        pub windows: Vec<Window>,
    }
}

params! {
    /// A window's rows, its target rows, and 1 if it has no answer.
    pub struct Window {
        pub first: u32,
        pub end: u32,
        pub start_row: u32,
        pub end_row: u32,
        pub impossible: u32,
    }
}

impl Shader for QuestionLossConfig {
    type Params = QuestionLossParams;

    fn text(self) -> String {
        let softmax = include_str!("../../shaders/question_softmax.wgsl");
        let pass = match self.direction {
            Direction::Forward => include_str!("../../shaders/question_loss_forward.wgsl"),
            Direction::Backward => include_str!("../../shaders/question_loss_backward.wgsl"),
        };
        let reduction = reduction("vec2<f32>");
        with_params::<QuestionLossParams>(format!("{reduction}{softmax}{pass}"))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Direction::ALL.map(|direction| Self { direction }).to_vec()
    }
}

/// The targets of each window.
#[derive(Debug, Clone)]
pub struct QuestionTargets {
    pub starts: TargetRows,
    pub ends: TargetRows,
    /// 1 for a window without an answer, otherwise 0.
    pub impossible: Arc<[u32]>,
    /// Weight of the answerability loss relative to the span loss.
    pub weight: f64,
}

impl QuestionTargets {
    /// Returns the targets of the two-way softmaxes over (0, logit), one per window.
    fn pairs(&self) -> TargetRows {
        let pairs = vec![2; self.impossible.len()];
        TargetRows::new(&Sequences::new(&pairs, 0), &self.impossible)
    }

    fn params(&self) -> QuestionLossParams {
        let ends = self.starts.sequences().offsets().windows(2);
        let rows = self.starts.rows().iter().zip(self.ends.rows().iter());
        let windows = ends.zip(rows).zip(self.impossible.iter());
        QuestionLossParams {
            weight: self.weight as f32,
            windows: windows
                .map(|((ends, (&start_row, &end_row)), &impossible)| Window {
                    first: ends[0],
                    end: ends[1],
                    start_row,
                    end_row,
                    impossible,
                })
                .collect(),
        }
    }
}

/// The loss and its gradient as backend operations, in f32; `starts` and `ends` are `[tokens]`,
/// `impossible` is `[windows]`.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait QuestionLossOps: SpanLossOps {
    /// Returns the loss of each window, `[windows]`.
    fn question_loss(
        starts: FloatTensor<Self>,
        ends: FloatTensor<Self>,
        impossible: FloatTensor<Self>,
        targets: QuestionTargets,
    ) -> FloatTensor<Self> {
        reference::<Self>([starts, ends, impossible], targets)
    }

    /// Returns the gradients of the logits, given those of the losses, `[windows]`.
    fn question_loss_backward(
        starts: FloatTensor<Self>,
        ends: FloatTensor<Self>,
        impossible: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        targets: QuestionTargets,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        backward_reference::<Self>([starts, ends, impossible], grad, targets)
    }
}

/// Interleaves 0 with each logit, `[2 · windows]`.
fn paired<B: Backend>(logits: FloatTensor<B>) -> FloatTensor<B> {
    let count = logits.shape()[0];
    let column = Shape::new([count, 1]);
    let zeros = B::float_zeros(column.clone(), &logits.device(), logits.dtype().into());
    let pairs = B::float_cat(vec![zeros, B::float_reshape(logits, column)], 1);
    B::float_reshape(pairs, Shape::new([2 * count]))
}

/// Plain-tensor reference, built from span losses.
fn reference<B: SpanLossOps>(
    [starts, ends, impossible]: [FloatTensor<B>; 3],
    targets: QuestionTargets,
) -> FloatTensor<B> {
    let pairs = B::span_loss(paired::<B>(impossible), targets.pairs());
    let starts = B::span_loss(starts, targets.starts);
    let ends = B::span_loss(ends, targets.ends);
    let span = B::float_div_scalar(B::float_add(starts, ends), 2.0.into());
    B::float_add(span, B::float_mul_scalar(pairs, targets.weight.into()))
}

fn backward_reference<B: SpanLossOps>(
    [starts, ends, impossible]: [FloatTensor<B>; 3],
    grad: FloatTensor<B>,
    targets: QuestionTargets,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let count = impossible.shape()[0];
    let half = B::float_div_scalar(grad.clone(), 2.0.into());
    let weighted = B::float_mul_scalar(grad, targets.weight.into());
    let pairs = B::span_loss_backward(paired::<B>(impossible), weighted, targets.pairs());
    let pairs = B::float_reshape(pairs, Shape::new([count, 2]));
    let second = [Slice::from(0..count), Slice::from(1..2)];
    let impossible = B::float_reshape(B::float_slice(pairs, &second), Shape::new([count]));
    (
        B::span_loss_backward(starts, half.clone(), targets.starts),
        B::span_loss_backward(ends, half, targets.ends),
        impossible,
    )
}

impl QuestionLossOps for Flex {}

impl QuestionLossOps for CubeBackend {
    fn question_loss(
        starts: FloatTensor<Self>,
        ends: FloatTensor<Self>,
        impossible: FloatTensor<Self>,
        targets: QuestionTargets,
    ) -> FloatTensor<Self> {
        let logits = [starts, ends, impossible];
        if !fits(&logits) {
            return reference::<Self>(logits, targets);
        }
        let [starts, ends, impossible] = logits.map(into_contiguous);
        let losses = like(&impossible, impossible.shape(), Element::F32);
        let read = [&starts, &ends, &impossible];
        run(Direction::Forward, &read, &[&losses], &targets);
        losses
    }

    fn question_loss_backward(
        starts: FloatTensor<Self>,
        ends: FloatTensor<Self>,
        impossible: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        targets: QuestionTargets,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let logits = [starts, ends, impossible];
        if !fits(&logits) {
            return backward_reference::<Self>(logits, grad, targets);
        }
        let logits = logits.map(into_contiguous);
        let grad = into_contiguous(grad);
        let slopes = logits
            .each_ref()
            .map(|logits| like(logits, logits.shape(), Element::F32));
        let [starts, ends, impossible] = &logits;
        let read = [starts, ends, impossible, &grad];
        run(Direction::Backward, &read, &slopes.each_ref(), &targets);
        let [starts, ends, impossible] = slopes;
        (starts, ends, impossible)
    }
}

fn fits(logits: &[CubeTensor; 3]) -> bool {
    let f32s = |logits: &CubeTensor| Element::of(logits.dtype) == Some(Element::F32);
    logits.iter().all(f32s) && logits[2].shape()[0] <= WIDEST_DISPATCH as usize
}

fn run(
    direction: Direction,
    read: &[&CubeTensor],
    written: &[&CubeTensor],
    targets: &QuestionTargets,
) {
    launch(
        &read[0].client,
        QuestionLossConfig { direction },
        [targets.impossible.len() as u32, 1],
        &targets.params(),
        Arrays {
            read,
            written,
            ..Arrays::default()
        },
    );
}

impl<B: QuestionLossOps, C: CheckpointStrategy> QuestionLossOps for Autodiff<B, C> {
    fn question_loss(
        starts: FloatTensor<Self>,
        ends: FloatTensor<Self>,
        impossible: FloatTensor<Self>,
        targets: QuestionTargets,
    ) -> FloatTensor<Self> {
        let nodes = [starts.node(), ends.node(), impossible.node()];
        let logits = [starts, ends, impossible].map(|tensor| tensor.into_primitive());
        let [starts, ends, impossible] = logits.clone();
        let losses = B::question_loss(starts, ends, impossible, targets.clone());
        with_gradient::<B, C, _, _>(
            nodes,
            losses,
            || (logits, targets),
            |([starts, ends, impossible], targets), grad, _| {
                let (starts, ends, impossible) =
                    B::question_loss_backward(starts, ends, impossible, grad, targets);
                [starts, ends, impossible].map(Some)
            },
        )
    }
}

/// Computes the loss of each window, `[windows]`, given its tokens' logits, `[tokens]` each, and
/// its no-answer logit, `[windows]`; differentiable in all three.
///
/// # Panics
/// If the number of targets does not match the number of windows.
pub fn question_loss(
    starts: Tensor<1>,
    ends: Tensor<1>,
    impossible: Tensor<1>,
    targets: QuestionTargets,
) -> Tensor<1> {
    let windows = [targets.starts.rows().len(), targets.ends.rows().len()];
    assert_eq!(windows, [targets.impossible.len(); 2]);
    assert_eq!(impossible.dims(), [targets.impossible.len()]);
    Tensor::from_dispatch(Dispatch::question_loss(
        starts.into_dispatch(),
        ends.into_dispatch(),
        impossible.into_dispatch(),
        targets,
    ))
}
