//! What the answerability head sees of each sequence: its first row, concatenated with the mean of
//! its rows weighted by `softmax(logits)` over the sequence's own tokens.
//!
//! Rows are f32 or f16; logits, weights and sums are f32. Shaders: `shaders/summary_*.wgsl`.

use burn::{
    Tensor,
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
    },
    tensor::{Shape, Slice},
};

use super::{
    autodiff::with_gradient,
    formats::{Element, cast, full},
    launch::{Arrays, WIDEST_DISPATCH, in_two_dimensions, launch, like},
    params::{self, params, with_params},
    shader::Shader,
    wgsl::{reduction, softmax},
};
use crate::packed::sequences::Sequences;

/// Workgroup size; matches the WGSL.
const THREADS: u32 = 64;

/// Specialisation of the forward shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SummaryForward {
    /// Format of the rows and summaries.
    pub element: Element,
}

params! {
    /// The sequences to summarise.
    pub struct SummaryForwardParams {
        pub columns: u32,
        /// First row of each sequence, followed by the total number of rows.
        pub offsets: Vec<u32>,
    }
}

impl Shader for SummaryForward {
    type Params = SummaryForwardParams;

    fn text(self) -> String {
        let pass = include_str!("../../shaders/summary_forward.wgsl");
        text::<Self::Params>(self.element, format!("{}{pass}", softmax()))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Element::ALL.map(|element| Self { element }).to_vec()
    }
}

/// Specialisation of the backward shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SummaryBackward {
    /// Format of the rows, summaries and gradients.
    pub element: Element,
}

params! {
    /// The rows whose gradients are computed.
    pub struct SummaryBackwardParams {
        pub rows: u32,
        pub columns: u32,
        /// The sequence number of each row.
        pub sequences: Vec<u32>,
    }
}

impl Shader for SummaryBackward {
    type Params = SummaryBackwardParams;

    fn text(self) -> String {
        let pass = include_str!("../../shaders/summary_backward.wgsl");
        text::<Self::Params>(self.element, format!("{}{pass}", reduction("f32")))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Element::ALL.map(|element| Self { element }).to_vec()
    }
}

fn text<P: params::Params>(element: Element, template: String) -> String {
    let text = SourceTemplate::new(format!("{}{template}", element.enable()))
        .register("element", element.name())
        .complete();
    with_params::<P>(text)
}

/// The summary and its gradients as backend operations; `rows` is `[tokens, columns]`, `logits` is
/// `[tokens]` in f32.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait SummaryOps: Backend {
    /// Returns the summaries, `[sequences, 2 · columns]` in the format of the rows, and the
    /// weights, `[tokens]`.
    fn summary(
        rows: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::<Self>(rows, logits, &sequences)
    }

    /// Returns the gradients of the rows and logits, given weights, summaries and the summaries'
    /// gradient.
    fn summary_backward(
        rows: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        summaries: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        backward_reference::<Self>([rows, weights, summaries, grad], &sequences)
    }
}

/// Plain-tensor reference, one sequence at a time.
fn reference<B: Backend>(
    rows: FloatTensor<B>,
    logits: FloatTensor<B>,
    sequences: &Sequences,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let format = rows.dtype();
    let rows = full::<B>(rows);
    let (mut summaries, mut all_weights) = (Vec::new(), Vec::new());
    for number in 0..sequences.len() {
        let range = sequences.rows(number);
        let logits = B::float_slice(logits.clone(), &[Slice::from(range.clone())]);
        let weights = B::softmax(logits, 0);
        let states = lines::<B>(&rows, range.clone());
        let line = B::float_reshape(weights.clone(), Shape::new([1, range.len()]));
        summaries.push(B::float_cat(
            vec![lines::<B>(&states, 0..1), B::float_matmul(line, states)],
            1,
        ));
        all_weights.push(weights);
    }
    (
        cast::<B>(B::float_cat(summaries, 0), format),
        B::float_cat(all_weights, 0),
    )
}

fn backward_reference<B: Backend>(
    [rows, weights, summaries, grad]: [FloatTensor<B>; 4],
    sequences: &Sequences,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let format = rows.dtype();
    let columns = rows.shape()[1];
    let [rows, summaries, grad] = [rows, summaries, grad].map(full::<B>);
    let halves = [0..columns, columns..2 * columns];
    let half = |tensor: &FloatTensor<B>, number: usize, half: usize| {
        let slices = [
            Slice::from(number..number + 1),
            Slice::from(halves[half].clone()),
        ];
        B::float_slice(tensor.clone(), &slices)
    };
    let (mut row_grads, mut logit_grads) = (Vec::new(), Vec::new());
    for number in 0..sequences.len() {
        let range = sequences.rows(number);
        let length = range.len();
        let states = lines::<B>(&rows, range.clone());
        let weights = B::float_slice(weights.clone(), &[Slice::from(range)]);
        let weights = B::float_reshape(weights, Shape::new([length, 1]));
        let (first_grad, mean_grad) = (half(&grad, number, 0), half(&grad, number, 1));
        let spread = B::float_mul(weights.clone(), mean_grad.clone());
        row_grads.push(B::float_add(lines::<B>(&spread, 0..1), first_grad));
        if length > 1 {
            row_grads.push(lines::<B>(&spread, 1..length));
        }
        let distance = B::float_sub(states, half(&summaries, number, 1));
        let along = B::float_matmul(distance, B::float_swap_dims(mean_grad, 0, 1));
        let slopes = B::float_mul(weights, along);
        logit_grads.push(B::float_reshape(slopes, Shape::new([length])));
    }
    (
        cast::<B>(B::float_cat(row_grads, 0), format),
        B::float_cat(logit_grads, 0),
    )
}

/// Returns a contiguous range of a matrix's rows.
fn lines<B: Backend>(matrix: &FloatTensor<B>, rows: std::ops::Range<usize>) -> FloatTensor<B> {
    let columns = matrix.shape()[1];
    B::float_slice(
        matrix.clone(),
        &[Slice::from(rows), Slice::from(0..columns)],
    )
}

impl SummaryOps for Flex {}

impl SummaryOps for CubeBackend {
    fn summary(
        rows: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let Some(element) = element(&rows, &sequences) else {
            return reference::<Self>(rows, logits, &sequences);
        };
        let [rows, logits] = [rows, logits].map(into_contiguous);
        let columns = rows.shape()[1];
        let shape = Shape::new([sequences.len(), 2 * columns]);
        let summaries = like(&rows, shape, element);
        let weights = like(&logits, logits.shape(), Element::F32);
        let blocks = (columns as u32).div_ceil(THREADS);
        launch(
            &rows.client,
            SummaryForward { element },
            [blocks, sequences.len() as u32],
            &SummaryForwardParams {
                columns: columns as u32,
                offsets: sequences.offsets().to_vec(),
            },
            Arrays {
                read: &[&logits, &rows],
                written: &[&summaries, &weights],
                ..Arrays::default()
            },
        );
        (summaries, weights)
    }

    fn summary_backward(
        rows: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        summaries: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let alike = rows.dtype == summaries.dtype && rows.dtype == grad.dtype;
        let Some(element) = element(&rows, &sequences).filter(|_| alike) else {
            return backward_reference::<Self>([rows, weights, summaries, grad], &sequences);
        };
        let inputs = [rows, weights, summaries, grad].map(into_contiguous);
        let [rows, weights, summaries, grad] = &inputs;
        let shape = rows.shape();
        let row_grads = like(rows, shape.clone(), element);
        let logit_grads = like(weights, weights.shape(), Element::F32);
        let numbers = sequences.lengths().enumerate();
        let numbers = numbers.flat_map(|(number, length)| vec![number as u32; length]);
        launch(
            &rows.client,
            SummaryBackward { element },
            in_two_dimensions(shape[0] as u32),
            &SummaryBackwardParams {
                rows: shape[0] as u32,
                columns: shape[1] as u32,
                sequences: numbers.collect(),
            },
            Arrays {
                read: &[rows, weights, summaries, grad],
                written: &[&row_grads, &logit_grads],
                ..Arrays::default()
            },
        );
        (row_grads, logit_grads)
    }
}

/// Returns the format of the rows if the shaders support it.
fn element(rows: &CubeTensor, sequences: &Sequences) -> Option<Element> {
    Element::of(rows.dtype).filter(|_| sequences.len() <= WIDEST_DISPATCH as usize)
}

impl<B: SummaryOps, C: CheckpointStrategy> SummaryOps for Autodiff<B, C> {
    fn summary(
        rows: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let ((rows, rows_node), (logits, logits_node)) = (rows.into_parts(), logits.into_parts());
        let (summaries, weights) = B::summary(rows.clone(), logits, sequences.clone());
        let weights_out = Self::from_inner(weights.clone());
        let kept = summaries.clone();
        let summaries = with_gradient::<B, C, _, _>(
            [rows_node, logits_node],
            summaries,
            || ([rows, weights, kept], sequences),
            |([rows, weights, summaries], sequences), grad, _| {
                let gradients = B::summary_backward(rows, weights, summaries, grad, sequences);
                <[_; 2]>::from(gradients).map(Some)
            },
        );
        (summaries, weights_out)
    }
}

/// Returns each sequence's first row concatenated with the mean of its rows weighted by
/// `softmax(logits)`: `rows` `[tokens, columns]`, `logits` `[tokens]` → `[sequences, 2 · columns]`,
/// differentiable.
pub fn summary(rows: Tensor<2>, logits: Tensor<1>, sequences: &Sequences) -> Tensor<2> {
    let (rows, logits) = (rows.into_dispatch(), logits.into_dispatch());
    let (summaries, _) = Dispatch::summary(rows, logits, sequences.clone());
    Tensor::from_dispatch(summaries)
}
