//! Autotunes attention: times the cooperative-matrix configurations that a device offers against
//! the kernels that use one thread per row.

mod heads;

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
};

use self::heads::Heads;
use super::{
    Layout, attention, attention_backward,
    config::{AttentionConfigs, CooperativeConfig},
    cooperative::candidates,
};
use crate::{
    device::AdapterInfo,
    kernels::autotune::{
        attempts::Attempts,
        error::Error,
        timing::{Comparison, Timing},
    },
    packed::{random::Mask, sequences::Sequences},
};

/// Most tokens in a timed sequence, deliberately not a multiple of any tile, and most sequences.
const LENGTH: usize = 383;
const SEQUENCES: usize = 8;

/// Most sequences on a software adapter, which is slow.
const SOFTWARE_SEQUENCES: usize = 1;

/// Times the f16 attention configurations on sequences of `tokens` tokens in total.
///
/// # Errors
/// If the device is lost or the user asks to stop.
pub(in crate::kernels) fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    attempts: &mut Attempts,
    tokens: usize,
    heads: usize,
    hidden: usize,
) -> Result<(AttentionConfigs, Vec<Timing>), Error> {
    let most = if adapter.is_software() {
        SOFTWARE_SEQUENCES
    } else {
        SEQUENCES
    };
    let length = tokens.clamp(1, LENGTH);
    let lengths = vec![length; (tokens / length).clamp(1, most)];
    let configs: Vec<Option<CooperativeConfig>> = [None]
        .into_iter()
        .chain(candidates(adapter, hidden / heads).into_iter().map(Some))
        .collect();
    if configs.len() == 1 {
        return Ok((AttentionConfigs::default(), Vec::new()));
    }
    let layout = Layout {
        sequences: Sequences::new(&lengths, 0),
        heads,
        mask: Some(Mask::new(1, 0.1)),
        configs: AttentionConfigs::default(),
    };
    let rows = layout.sequences.tokens();
    let random = || {
        let values = Tensor::<2>::random([rows, hidden], Distribution::Uniform(-1.0, 1.0), device);
        values.cast(FloatDType::F16)
    };
    let inputs = [(); 4].map(|()| random());
    let expected = Heads::of(&inputs, &layout)?;
    let [q, k, v, grad] = &inputs;
    let with = |config: Option<CooperativeConfig>| Layout {
        configs: AttentionConfigs {
            forward: config,
            backward: config,
        },
        ..layout.clone()
    };
    let comparison = |way: &str, products: usize, expected| Comparison {
        device,
        operation: format!("attention {way}, {length} tokens"),
        settles: !adapter.is_software(),
        kind: format!("attention {way}"),
        flops: (2 * products * rows * length * hidden) as f64,
        expected,
        // Probabilities and score gradients are rounded to f16 before they are multiplied.
        tolerance: 5e-3,
    };
    let name = CooperativeConfig::name;
    let attend = |layout| attention(q.clone(), k.clone(), v.clone(), layout);
    let (forward, mut timings) = comparison("forward", 2, expected.context()).fastest(
        attempts,
        &configs,
        name,
        |config| vec![attend(with(config)).context],
    )?;
    let attended = attend(layout.clone());
    let (backward, more) = comparison("backward", 5, expected.gradients()).fastest(
        attempts,
        &configs,
        name,
        |config| attention_backward(attended.clone(), grad.clone(), with(config)).to_vec(),
    )?;
    timings.extend(more);
    Ok((AttentionConfigs { forward, backward }, timings))
}
