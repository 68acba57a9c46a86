//! Which configurations of attention are fastest on a device, found by trying: those with cooperative
//! matrices that it offers against a thread for each row.

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
};

use super::{
    Layout, attention, attention_backward,
    config::{AttentionConfigs, CooperativeConfig},
    cooperative::candidates,
};
use crate::{
    device::AdapterInfo,
    kernels::autotune::timing::{Comparison, Timing},
    packed::{random::Mask, sequences::Sequences},
};

/// Tokens of a sequence that is tried, and sequences, at most.
const LENGTH: usize = 384;
const SEQUENCES: usize = 8;

/// Sequences on a software adapter, which is slow.
const SOFTWARE_SEQUENCES: usize = 1;

/// Tries the configurations of attention in f16 over sequences of `tokens` tokens in all.
///
/// # Errors
/// When the device does not give its results back.
pub(in crate::kernels) fn choose(
    device: &Device,
    adapter: &AdapterInfo,
    tokens: usize,
    heads: usize,
    hidden: usize,
) -> Result<(AttentionConfigs, Vec<Timing>), String> {
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
    let [q, k, v, grad] = [(); 4].map(|()| random());
    let with = |config: Option<CooperativeConfig>| Layout {
        configs: AttentionConfigs {
            forward: config,
            backward: config,
        },
        ..layout.clone()
    };
    let comparison = |operation: &str, products: usize| Comparison {
        device,
        operation: format!("attention {operation}, {length} tokens"),
        flops: (2 * products * rows * length * hidden) as f64,
        // Probabilities and slopes are rounded to f16 where they are factors.
        tolerance: 5e-3,
    };
    let name = CooperativeConfig::name;
    let (forward, mut timings) = comparison("forward", 2).fastest(&configs, name, |config| {
        vec![attention(q.clone(), k.clone(), v.clone(), with(config)).context]
    })?;
    let attended = attention(q.clone(), k.clone(), v.clone(), layout.clone());
    let (backward, more) = comparison("backward", 5).fastest(&configs, name, |config| {
        attention_backward(attended.clone(), grad.clone(), with(config)).to_vec()
    })?;
    timings.extend(more);
    Ok((AttentionConfigs { forward, backward }, timings))
}
