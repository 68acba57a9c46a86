//! Logits of packed rows on the GPU (`shaders/token_logits_*.wgsl`), of the rows alone or given
//! starts.

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

/// Starts `[sequences · ranks, columns]`, those of a sequence consecutive.
pub(in crate::kernels) struct Starts {
    pub states: CubeTensor,
    pub ranks: usize,
}

/// Returns the configuration that fits these rows, with `ranks` starts per sequence, or `None` if
/// only plain tensors do.
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

/// Returns the logits `[ranks, tokens]` of `x`; the inputs are `x`, weight, bias and terms.
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

/// Returns the gradients of `x`, of one start per sequence, and of the weight, given `x`, weight
/// and the logits' gradient.
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
    // Without starts, their gradients are not written: one value suffices for the binding.
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

/// Returns the starts and their number per sequence; without starts the binding is not read, so any
/// array will do.
fn given(x: &CubeTensor, starts: Option<Starts>) -> (CubeTensor, usize) {
    match starts {
        None => (x.clone(), 1),
        Some(Starts { states, ranks }) => (into_contiguous(states), ranks),
    }
}

/// Returns a whole sequence as one tile.
fn tile(sequences: &Sequences, number: usize) -> RowTile {
    let rows = sequences.rows(number);
    RowTile {
        first: rows.start as u32,
        end: rows.end as u32,
        number: number as u32,
    }
}

/// Divides the sequences into tiles of [`TILE`] rows.
fn tiles(sequences: &Sequences) -> impl Iterator<Item = RowTile> {
    (0..sequences.len()).flat_map(move |number| {
        let starts = sequences.rows(number).step_by(TILE);
        starts.map(move |first| RowTile {
            first: first as u32,
            ..tile(sequences, number)
        })
    })
}
