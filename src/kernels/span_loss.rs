//! Softmax cross-entropy over each sequence's own tokens: `−log softmax(logits)[target]`.
//!
//! Only the logits are kept; the backward pass recomputes the softmax. Shaders:
//! `shaders/span_loss_*.wgsl`.

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
    tensor::{Shape, Slice, TensorData},
};

use super::{
    autodiff::with_gradient,
    formats::Element,
    launch::{Arrays, WIDEST_DISPATCH, launch, like},
    params::{params, with_params},
    shader::{Direction, Shader},
    wgsl::softmax,
};
use crate::packed::sequences::Sequences;

/// Workgroup size; matches the WGSL.
const THREADS: u32 = 64;

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanLossConfig {
    pub direction: Direction,
}

params! {
    /// The sequences whose losses are computed.
    pub struct SpanLossParams {
        pub sequences: Vec<Target>,
    }
}

params! {
    /// A sequence's rows and its target row.
    pub struct Target {
        pub first: u32,
        pub end: u32,
        /// The target row.
        pub target_row: u32,
    }
}

impl Shader for SpanLossConfig {
    type Params = SpanLossParams;

    fn text(self) -> String {
        let pass = match self.direction {
            Direction::Forward => include_str!("../../shaders/span_loss_forward.wgsl"),
            Direction::Backward => include_str!("../../shaders/span_loss_backward.wgsl"),
        };
        with_params::<SpanLossParams>(format!("{}{pass}", softmax()))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        Direction::ALL.map(|direction| Self { direction }).to_vec()
    }
}

/// The packed row of each sequence's target token.
#[derive(Debug, Clone)]
pub struct TargetRows {
    sequences: Sequences,
    /// Packed rows, one per sequence.
    rows: Arc<[u32]>,
}

impl TargetRows {
    /// # Panics
    /// If a position is outside its sequence: a device would read beyond the logits.
    pub fn new(sequences: &Sequences, positions: &[u32]) -> Self {
        assert_eq!(sequences.len(), positions.len());
        let rows = positions.iter().enumerate().map(|(number, &position)| {
            let rows = sequences.rows(number);
            assert!((position as usize) < rows.len(), "{position} of {rows:?}");
            rows.start as u32 + position
        });
        Self {
            rows: rows.collect(),
            sequences: sequences.clone(),
        }
    }

    /// Returns the sequences that the targets belong to.
    pub fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Returns the packed rows of the targets.
    pub fn rows(&self) -> &Arc<[u32]> {
        &self.rows
    }

    fn params(&self) -> SpanLossParams {
        let ends = self.sequences.offsets().windows(2);
        let sequences = ends.zip(self.rows.iter()).map(|(ends, &row)| Target {
            first: ends[0],
            end: ends[1],
            target_row: row,
        });
        SpanLossParams {
            sequences: sequences.collect(),
        }
    }
}

/// The loss and its gradient as backend operations, in f32; `logits` is `[tokens]`.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait SpanLossOps: Backend {
    /// Returns the loss of each sequence, `[sequences]`.
    fn span_loss(logits: FloatTensor<Self>, targets: TargetRows) -> FloatTensor<Self> {
        reference::<Self>(logits, &targets)
    }

    /// Returns `(softmax(logits) − 1 at the target) · grad` of each sequence; `grad` is
    /// `[sequences]`.
    fn span_loss_backward(
        logits: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        targets: TargetRows,
    ) -> FloatTensor<Self> {
        backward_reference::<Self>(logits, grad, &targets)
    }
}

/// Plain-tensor reference, one sequence at a time.
fn reference<B: Backend>(logits: FloatTensor<B>, targets: &TargetRows) -> FloatTensor<B> {
    let losses = (0..targets.rows.len()).map(|number| {
        let rows = targets.sequences.rows(number);
        let target = targets.rows[number] as usize - rows.start;
        let logits = B::float_slice(logits.clone(), &[Slice::from(rows)]);
        let target = Slice::from(target..target + 1);
        B::float_neg(B::float_slice(B::log_softmax(logits, 0), &[target]))
    });
    B::float_cat(losses.collect(), 0)
}

fn backward_reference<B: Backend>(
    logits: FloatTensor<B>,
    grad: FloatTensor<B>,
    targets: &TargetRows,
) -> FloatTensor<B> {
    let mut right = vec![0.0_f32; logits.shape()[0]];
    for &row in targets.rows.iter() {
        right[row as usize] = 1.0;
    }
    let right = B::float_from_data(TensorData::new(right, logits.shape()), &logits.device());
    let slopes = (0..targets.rows.len()).map(|number| {
        let rows = [Slice::from(targets.sequences.rows(number))];
        let softmax = B::softmax(B::float_slice(logits.clone(), &rows), 0);
        let slope = B::float_sub(softmax, B::float_slice(right.clone(), &rows));
        let grad = B::float_slice(grad.clone(), &[Slice::from(number..number + 1)]);
        B::float_mul(slope, grad)
    });
    B::float_cat(slopes.collect(), 0)
}

impl SpanLossOps for Flex {}

impl SpanLossOps for CubeBackend {
    fn span_loss(logits: FloatTensor<Self>, targets: TargetRows) -> FloatTensor<Self> {
        if !fits(&logits, &targets) {
            return reference::<Self>(logits, &targets);
        }
        let logits = into_contiguous(logits);
        let losses = like(&logits, Shape::new([targets.rows.len()]), Element::F32);
        run(Direction::Forward, &[&logits], &losses, &targets);
        losses
    }

    fn span_loss_backward(
        logits: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        targets: TargetRows,
    ) -> FloatTensor<Self> {
        if !fits(&logits, &targets) {
            return backward_reference::<Self>(logits, grad, &targets);
        }
        let [logits, grad] = [logits, grad].map(into_contiguous);
        let slopes = like(&logits, logits.shape(), Element::F32);
        run(Direction::Backward, &[&logits, &grad], &slopes, &targets);
        slopes
    }
}

fn fits(logits: &CubeTensor, targets: &TargetRows) -> bool {
    Element::of(logits.dtype) == Some(Element::F32)
        && targets.rows.len() <= WIDEST_DISPATCH as usize
}

fn run(direction: Direction, read: &[&CubeTensor], written: &CubeTensor, targets: &TargetRows) {
    launch(
        &written.client,
        SpanLossConfig { direction },
        [targets.rows.len() as u32, 1],
        &targets.params(),
        Arrays {
            read,
            written: &[written],
            ..Arrays::default()
        },
    );
}

impl<B: SpanLossOps, C: CheckpointStrategy> SpanLossOps for Autodiff<B, C> {
    fn span_loss(logits: FloatTensor<Self>, targets: TargetRows) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        let losses = B::span_loss(logits.clone(), targets.clone());
        with_gradient::<B, C, _, _>(
            [node],
            losses,
            || (logits, targets),
            |(logits, targets), grad, _| [Some(B::span_loss_backward(logits, grad, targets))],
        )
    }
}

/// Computes `−log softmax(logits)[target]` over each sequence's tokens: `[tokens]` → `[sequences]`,
/// differentiable.
pub fn span_loss(logits: Tensor<1>, targets: TargetRows) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::span_loss(logits.into_dispatch(), targets))
}
