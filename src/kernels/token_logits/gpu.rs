//! Logits of packed rows on the GPU (`shaders/token_logits_*.wgsl`), of the rows as they are or
//! given starts.

use burn::{
    backend::{
        TensorMetadata,
        ops::FloatTensorOps,
        wgpu::{CubeBackend, CubeTensor, into_contiguous},
    },
    tensor::Shape,
};

use super::config::{LogitConfig, LogitParams, LogitShader, RowTile, THREADS, TILE};
use crate::{
    kernels::{
        formats::Element,
        launch::{Arrays, WIDEST_DISPATCH, launch, like},
        shader::Direction,
    },
    packed::sequences::Sequences,
};

/// Starts `[sequences · ranks, columns]` of each sequence, one after the other.
pub(in crate::kernels) struct Starts {
    pub states: CubeTensor,
    pub ranks: usize,
}

/// The configuration that fits these rows, with `ranks` starts for each sequence, or `None` if only
/// plain tensors do.
pub(in crate::kernels) fn fitting(
    x: &CubeTensor,
    ranks: Option<usize>,
    sequences: &Sequences,
) -> Option<LogitConfig> {
    let element = Element::of(x.dtype)?;
    let groups = tiles(sequences).count().max(sequences.len());
    (groups <= WIDEST_DISPATCH as usize).then_some(LogitConfig {
        element,
        ranks: ranks.map(|ranks| ranks.min(LogitConfig::MOST_RANKS)),
    })
}

/// Logits `[ranks, tokens]` of `x`, weight, bias and terms.
pub(in crate::kernels) fn forward(
    config: LogitConfig,
    inputs: [CubeTensor; 4],
    starts: Option<Starts>,
    sequences: &Sequences,
) -> CubeTensor {
    let [x, weight, bias, terms] = inputs.map(into_contiguous);
    let (states, ranks) = given(&x, starts);
    let shape = x.shape();
    let logits = like(&terms, Shape::new([ranks, shape[0]]), Element::F32);
    let params = LogitParams {
        tokens: shape[0] as u32,
        columns: shape[1] as u32,
        ranks: ranks as u32,
        tiles: tiles(sequences).collect(),
    };
    let at_once = config.ranks.unwrap_or(1);
    launch(
        &x.client,
        LogitShader {
            direction: Direction::Forward,
            config,
        },
        [params.tiles.len() as u32, ranks.div_ceil(at_once) as u32],
        &params,
        Arrays {
            read: &[&x, &states, &weight, &bias, &terms],
            written: &[&logits],
            ..Arrays::default()
        },
    );
    logits
}

/// Gradients of `x`, of one start a sequence, and of the weight, given `x`, weight and the
/// logits' gradient.
pub(in crate::kernels) fn backward(
    config: LogitConfig,
    inputs: [CubeTensor; 3],
    starts: Option<Starts>,
    sequences: &Sequences,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let [x, weight, grad] = inputs.map(into_contiguous);
    let (states, ranks) = given(&x, starts);
    let [rows, columns] = [x.shape()[0], x.shape()[1]];
    let by_sequence = Shape::new([sequences.len(), columns]);
    let x_grad = like(&x, x.shape(), config.element);
    let shares = like(&weight, by_sequence.clone(), Element::F32);
    // Without starts theirs are not written: one value stands for the binding.
    let start_grads = match config.ranks {
        Some(_) => like(&x, by_sequence, config.element),
        None => like(&x, Shape::new([1, 1]), config.element),
    };
    launch(
        &x.client,
        LogitShader {
            direction: Direction::Backward,
            config,
        },
        [
            (columns as u32).div_ceil(THREADS[0]),
            sequences.len() as u32,
        ],
        &LogitParams {
            tokens: rows as u32,
            columns: columns as u32,
            ranks: ranks as u32,
            tiles: (0..sequences.len())
                .map(|number| tile(sequences, number))
                .collect(),
        },
        Arrays {
            read: &[&x, &states, &weight, &grad],
            written: &[&x_grad, &start_grads, &shares],
            ..Arrays::default()
        },
    );
    let weight_grad = CubeBackend::float_sum_dim(shares, 0);
    let weight_grad = CubeBackend::float_reshape(weight_grad, weight.shape());
    (x_grad, start_grads, weight_grad)
}

/// The starts and how many each sequence has; without any their binding is not read, and any
/// array will do.
fn given(x: &CubeTensor, starts: Option<Starts>) -> (CubeTensor, usize) {
    match starts {
        None => (x.clone(), 1),
        Some(Starts { states, ranks }) => (into_contiguous(states), ranks),
    }
}

/// A sequence as one tile.
fn tile(sequences: &Sequences, number: usize) -> RowTile {
    let rows = sequences.rows(number);
    RowTile {
        first: rows.start as u32,
        end: rows.end as u32,
        number: number as u32,
    }
}

/// The sequences in tiles of [`TILE`] rows.
fn tiles(sequences: &Sequences) -> impl Iterator<Item = RowTile> {
    (0..sequences.len()).flat_map(move |number| {
        let starts = sequences.rows(number).step_by(TILE);
        starts.map(move |first| RowTile {
            first: first as u32,
            ..tile(sequences, number)
        })
    })
}
