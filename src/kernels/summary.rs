//! What the answerability head sees of each sequence: its first row, and beside it the mean of its
//! rows weighted by `softmax(logits)` over the sequence's own tokens.
//!
//! Rows may be f32 or f16; logits, weights and sums are f32. Shaders: `shaders/summary_*.wgsl`.

use burn::{
    Tensor,
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::{Shape, Slice},
};

use super::{
    dense::products::{cast, full},
    head_shader::{Direction, HeadShader},
    launch::{Arrays, WIDEST_DISPATCH, in_two_dimensions, launch, like},
    shader::{Element, Shader},
};
use crate::packed::sequences::Sequences;

/// Threads of a workgroup, as the shaders have them.
const THREADS: u32 = 64;

/// The summary and its gradients as backend operations; `rows` `[tokens, columns]`, `logits`
/// `[tokens]` in f32.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait SummaryOps: Backend {
    /// `[sequences, 2 · columns]` in the format of the rows, and the weights, `[tokens]`.
    fn summary(
        rows: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        twin::<Self>(rows, logits, &sequences)
    }

    /// Gradients of the rows and logits, given weights, summaries and the summaries' gradient.
    fn summary_backward(
        rows: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        summaries: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        backward_twin::<Self>([rows, weights, summaries, grad], &sequences)
    }
}

/// In plain tensors, one sequence after the other.
fn twin<B: Backend>(
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

fn backward_twin<B: Backend>(
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

/// Some rows of a matrix that lie side by side.
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
            return twin::<Self>(rows, logits, &sequences);
        };
        let [rows, logits] = [rows, logits].map(into_contiguous);
        let columns = rows.shape()[1];
        let shape = Shape::new([sequences.len(), 2 * columns]);
        let summaries = like(&rows, shape, element);
        let weights = like(&logits, logits.shape(), Element::F32);
        let blocks = (columns as u32).div_ceil(THREADS);
        run(
            HeadShader::Summary(Direction::Forward, element),
            [blocks, sequences.len() as u32],
            [columns as u32]
                .into_iter()
                .chain(sequences.offsets().iter().copied()),
            &[&logits, &rows],
            &[&summaries, &weights],
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
            return backward_twin::<Self>([rows, weights, summaries, grad], &sequences);
        };
        let inputs = [rows, weights, summaries, grad].map(into_contiguous);
        let [rows, weights, summaries, grad] = &inputs;
        let shape = rows.shape();
        let row_grads = like(rows, shape.clone(), element);
        let logit_grads = like(weights, weights.shape(), Element::F32);
        let numbers = sequences.lengths().enumerate();
        let numbers = numbers.flat_map(|(number, length)| vec![number as u32; length]);
        run(
            HeadShader::Summary(Direction::Backward, element),
            in_two_dimensions(shape[0] as u32),
            [shape[0] as u32, shape[1] as u32]
                .into_iter()
                .chain(numbers),
            &[rows, weights, summaries, grad],
            &[&row_grads, &logit_grads],
        );
        (row_grads, logit_grads)
    }
}

/// The format of the rows, where the shaders take them.
fn element(rows: &CubeTensor, sequences: &Sequences) -> Option<Element> {
    Element::of(rows.dtype).filter(|_| sequences.len() <= WIDEST_DISPATCH as usize)
}

fn run(
    shader: HeadShader,
    groups: [u32; 2],
    info: impl IntoIterator<Item = u32>,
    read: &[&CubeTensor],
    written: &[&CubeTensor],
) {
    launch(
        &read[0].client,
        Shader::Head(shader),
        [THREADS, 1],
        groups,
        info,
        Arrays {
            read,
            written,
            ..Arrays::default()
        },
    );
}

impl<B: SummaryOps, C: CheckpointStrategy> SummaryOps for Autodiff<B, C> {
    fn summary(
        rows: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        #[derive(Debug)]
        struct Summary;

        /// Rows, weights, summaries, and where the sequences lie.
        type State<B> = ([FloatTensor<B>; 3], Sequences);

        impl<B: SummaryOps> Backward<B, 2> for Summary {
            type State = State<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let ([rows, weights, summaries], sequences) = ops.state;
                let (row_grads, logit_grads) =
                    B::summary_backward(rows, weights, summaries, grad, sequences);
                for (parent, gradient) in ops.parents.into_iter().zip([row_grads, logit_grads]) {
                    if let Some(node) = parent {
                        grads.register::<B>(node.id, gradient);
                    }
                }
            }
        }

        let nodes = [rows.node(), logits.node()];
        let [rows, logits] = [rows, logits].map(|tensor| tensor.into_primitive());
        let (summaries, weights) = B::summary(rows.clone(), logits, sequences.clone());
        let weights_out = Self::from_inner(weights.clone());
        let summaries = match Summary.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(([rows, weights, summaries.clone()], sequences), summaries)
            }
            OpsKind::UnTracked(prep) => prep.finish(summaries),
        };
        (summaries, weights_out)
    }

    fn summary_backward(
        _rows: FloatTensor<Self>,
        _weights: FloatTensor<Self>,
        _summaries: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _sequences: Sequences,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("gradients are computed outside the graph")
    }
}

/// Of each sequence its first row beside the mean of its rows weighted by `softmax(logits)`:
/// `rows` `[tokens, columns]`, `logits` `[tokens]` → `[sequences, 2 · columns]`, differentiable.
pub fn summary(rows: Tensor<2>, logits: Tensor<1>, sequences: &Sequences) -> Tensor<2> {
    let (rows, logits) = (rows.into_dispatch(), logits.into_dispatch());
    let (summaries, _) = Dispatch::summary(rows, logits, sequences.clone());
    Tensor::from_dispatch(summaries)
}
