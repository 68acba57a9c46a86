//! Autotunes attention: times the cooperative-matrix configurations that a device offers against
//! the kernels that use one thread per row. Their shaders without a mask, which predictions run, are
//! only checked.

mod heads;

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
};

use self::heads::Heads;
use super::{
    Attended, Layout, attention, attention_backward,
    config::{AttentionConfigs, CooperativeConfig},
    cooperative::candidates,
};
use crate::{
    device::AdapterInfo,
    kernels::{
        autotune::{
            attempts::Attempts,
            error::Error,
            timing::{Comparison, Form, Timing},
        },
        formats::Element,
    },
    packed::{random::Mask, sequences::Sequences},
};

/// Most tokens in a timed sequence, deliberately not a multiple of any tile, and most sequences.
const LENGTH: usize = 383;
const SEQUENCES: usize = 8;

/// Fewest tokens: with a single one, the gradients of queries and keys are zero.
const SHORTEST: usize = 16;

/// How the names of the operations start.
pub(in crate::kernels) const OPERATION: &str = "attention";

/// Most sequences on a software adapter, which is slow.
const SOFTWARE_SEQUENCES: usize = 1;

/// Times the attention configurations for this format on sequences of `tokens` tokens in total.
///
/// # Errors
/// If none is correct, the device is lost or the user asks to stop.
pub(in crate::kernels) fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    attempts: &mut Attempts,
    operand: Element,
    tokens: usize,
    [heads, hidden]: [usize; 2],
) -> Result<(AttentionConfigs, Vec<Timing>), Error> {
    let most = if adapter.is_software() {
        SOFTWARE_SEQUENCES
    } else {
        SEQUENCES
    };
    let length = tokens.clamp(SHORTEST, LENGTH);
    let lengths = vec![length; (tokens / length).clamp(1, most)];
    let offered = match operand {
        Element::F16 => candidates(adapter, hidden / heads),
        Element::F32 => Vec::new(),
    };
    let configs: Vec<Option<CooperativeConfig>> = [None]
        .into_iter()
        .chain(offered.into_iter().map(Some))
        .collect();
    let layout = |mask, config: Option<CooperativeConfig>| Layout {
        sequences: Sequences::new(&lengths, 0),
        heads,
        mask,
        configs: AttentionConfigs {
            forward: config,
            backward: config,
        },
    };
    let mask = Some(Mask::new(1, 0.1));
    let rows = lengths.iter().sum::<usize>();
    let random = || {
        let values = Tensor::<2>::random([rows, hidden], Distribution::Uniform(-1.0, 1.0), device);
        match operand {
            Element::F16 => values.cast(FloatDType::F16),
            Element::F32 => values,
        }
    };
    let inputs = [(); 4].map(|()| random());
    let [expected, unmasked] = [
        Heads::of(&inputs, &layout(mask, None))?,
        Heads::of(&inputs, &layout(None, None))?,
    ];
    let [q, k, v, grad] = &inputs;
    let comparison = |way: &str, products: usize, expected| Comparison {
        device,
        operation: format!("{OPERATION} {way}, {length} tokens"),
        settles: !adapter.is_software(),
        kind: match operand {
            Element::F16 => format!("attention {way}"),
            Element::F32 => format!("attention {way} of f32"),
        },
        flops: (2 * products * rows * length * hidden) as f64,
        expected,
        tolerance: match operand {
            // Probabilities and score gradients are rounded to f16 before they are multiplied.
            Element::F16 => 5e-3,
            // Allows for another order of summation and the device's exponential.
            Element::F32 => 1e-4,
        },
    };
    let name = CooperativeConfig::name;
    let attend = |mask, config| attention(q.clone(), k.clone(), v.clone(), layout(mask, config));
    let without_mask = [Form {
        name: "without a mask",
        expected: unmasked.context(),
        run: Box::new(|config| vec![attend(None, config).context]),
    }];
    let (forward, mut timings) = comparison("forward", 2, expected.context()).fastest(
        attempts,
        &configs,
        name,
        |config| vec![attend(mask, config).context],
        &without_mask,
    )?;
    if timings.iter().all(|timing| timing.flops.is_none()) {
        return Ok((AttentionConfigs::default(), timings));
    }
    let [attended, plain] = [attend(mask, forward), attend(None, forward)];
    let backward = |attended: &Attended, mask, config| {
        attention_backward(attended.clone(), grad.clone(), layout(mask, config)).to_vec()
    };
    let without_mask = [Form {
        name: "without a mask",
        expected: unmasked.gradients(),
        run: Box::new(|config| backward(&plain, None, config)),
    }];
    let (backward, more) = comparison("backward", 5, expected.gradients()).fastest(
        attempts,
        &configs,
        name,
        |config| backward(&attended, mask, config),
        &without_mask,
    )?;
    timings.extend(more);
    Ok((AttentionConfigs { forward, backward }, timings))
}
