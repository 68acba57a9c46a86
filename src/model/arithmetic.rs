//! The number formats in which a model computes, and the matmul kernels that it uses.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{DType, FloatDType},
};

use crate::{
    config::{EncoderConfig, Precision},
    device::{self, Chosen, half::HalfConversion},
    kernels::{
        attention::config::AttentionConfigs,
        autotune::{AutotuneCache, AutotuneResult, ModelShape},
        dense::packed_kernel::PackedKernel,
        formats::Element,
        matmul::{MatmulTilings, bf16::Instructions},
    },
};

/// How a model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// Format of the layers' hidden states and of their matmul operands. Sums, weights, layer
    /// norms, softmaxes and losses are f32 either way.
    pub layers: Element,
    /// The instructions that multiply dense layers in bf16, if they do: only on the CPU, for layers
    /// in f32.
    pub bf16: Option<Instructions>,
    /// Matmuls with f32 operands.
    pub full: MatmulTilings,
    /// Matmuls with f16 operands.
    pub half: MatmulTilings,
    /// Attention in f16.
    pub attention: AttentionConfigs,
}

impl Arithmetic {
    /// Resolves `precision` on a device for this encoder. `auto` means f16 on a hardware GPU that
    /// supports it and f32 otherwise: a CPU or a software adapter gains nothing from f16, and one
    /// whose f16 does not overflow to infinity would train wrongly. bf16 is for CPUs that multiply it
    /// faster than f32.
    ///
    /// On a GPU this autotunes the kernels at the encoder's shape, on at most `tokens` rows, unless
    /// `cache` has the result.
    ///
    /// # Errors
    /// If f16 or bf16 was requested and the device does not support it, or the device fails.
    pub fn on(
        chosen: &Chosen,
        precision: Precision,
        encoder: &EncoderConfig,
        tokens: usize,
        cache: &AutotuneCache,
    ) -> Result<Self, device::Error> {
        let hardware = chosen.adapter.is_some() && !chosen.is_software;
        let layers = match precision {
            Precision::F32 => Element::F32,
            Precision::F16 if chosen.f16 => Element::F16,
            Precision::F16 => {
                return Err(device::Error::NoF16 {
                    name: chosen.name.clone(),
                });
            }
            Precision::Auto if hardware && chosen.f16 => Element::F16,
            Precision::Auto | Precision::Bf16 => Element::F32,
        };
        let mut arithmetic = Self {
            layers,
            bf16: match precision {
                Precision::Bf16 => Some(bf16_of(chosen)?),
                _ => None,
            },
            ..Self::default()
        };
        if let Some(adapter) = &chosen.adapter {
            let shape = ModelShape {
                tokens,
                hidden: encoder.hidden_size,
                inner: encoder.intermediate_size,
                heads: encoder.num_attention_heads,
            };
            let choose = |layers| {
                cache
                    .choose(&chosen.device, adapter, layers, shape)
                    .map_err(|error| error.on(&chosen.name))
            };
            let mut choice = choose(layers)?;
            // Unasked, f16 is only used where it is right.
            let unasked = precision == Precision::Auto && layers == Element::F16;
            if unasked && let Some(fault) = unfit(&choice) {
                log::warn!("{}: {fault}: the layers are computed in f32", chosen.name);
                arithmetic.layers = Element::F32;
                choice = choose(Element::F32)?;
            }
            if let Some((operation, found)) = choice.not_computed() {
                return Err(device::Error::NoKernel {
                    name: chosen.name.clone(),
                    operation: operation.to_owned(),
                    found,
                    advice: match arithmetic.layers {
                        Element::F32 => "--device cpu",
                        Element::F16 => "--precision f32 or --device cpu",
                    },
                });
            }
            if let Some(fault) = choice.conversion.and_then(HalfConversion::fault) {
                log::warn!("{}: {fault}", chosen.name);
            }
            for timing in &choice.timings {
                log::info!("{timing}");
            }
            match arithmetic.layers {
                Element::F32 => arithmetic.full = choice.tilings,
                Element::F16 => arithmetic.half = choice.tilings,
            }
            arithmetic.attention = choice.attention;
        }
        Ok(arithmetic)
    }

    /// Returns a hint that bf16 would be faster on this device, if the user left the precision to
    /// us.
    pub fn offer(chosen: &Chosen, precision: Precision) -> Option<String> {
        let unasked = precision == Precision::Auto && chosen.adapter.is_none();
        let by = Instructions::best().filter(|_| unasked)?;
        Some(format!(
            "--precision bf16 would multiply faster here, by {by}"
        ))
    }

    /// Returns the name of the format.
    pub fn word(&self) -> &'static str {
        match self.bf16 {
            None => self.layers.word(),
            Some(_) => Precision::Bf16.word(),
        }
    }

    /// Creates storage for a dense layer's kernel packed for bf16 matmuls, if they are used.
    pub fn packed_kernel(&self) -> Option<Arc<PackedKernel>> {
        self.bf16.map(|by| Arc::new(PackedKernel::new(by)))
    }

    /// Describes the format and the matmuls on one line.
    pub fn line(&self) -> String {
        if let Some(instructions) = self.bf16 {
            return format!("layers in f32; matmuls in bf16 by {instructions}");
        }
        match self.layers {
            Element::F32 => format!("layers in f32; matmuls: {}", self.full),
            Element::F16 => format!(
                "layers in f16; matmuls: {}; attention: {}",
                self.half, self.attention
            ),
        }
    }

    /// Casts hidden states to the format of the encoder's layers.
    pub fn narrow(self, hidden: Tensor<2>) -> Tensor<2> {
        match self.layers {
            Element::F32 => hidden,
            Element::F16 => hidden.cast(FloatDType::F16),
        }
    }

    /// Casts to f32.
    pub fn widen(self, hidden: Tensor<2>) -> Tensor<2> {
        match hidden.dtype() {
            DType::F32 => hidden,
            _ => hidden.cast(FloatDType::F32),
        }
    }
}

/// Returns why a device should not compute in f16, if it should not: a kernel is missing, or overflows
/// would stay unseen.
fn unfit(choice: &AutotuneResult) -> Option<String> {
    if let Some((operation, found)) = choice.not_computed() {
        return Some(format!(
            "no kernel computes {operation} correctly in f16 ({found})"
        ));
    }
    choice.conversion.filter(|it| !it.overflows).map(|_| {
        "f32 to f16 does not overflow to infinity, which training in f16 relies on".to_owned()
    })
}

/// Returns the instructions that multiply bf16 on the device.
fn bf16_of(chosen: &Chosen) -> Result<Instructions, device::Error> {
    let missing = match (&chosen.adapter, chosen.f16) {
        (Some(_), true) => "WGSL has none; give --precision f16, or --device cpu".to_owned(),
        (Some(_), false) => "WGSL has none; give --precision f32, or --device cpu".to_owned(),
        (None, _) => format!(
            "expected AMX (Intel Xeon, on Linux) or AVX-512-BF16 (AMD), found {}; give --precision f32",
            Instructions::found()
        ),
    };
    let by = Instructions::best().filter(|_| chosen.adapter.is_none());
    by.ok_or_else(|| device::Error::NoBf16 {
        name: chosen.name.clone(),
        reason: missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::autotune::timing::Timing;

    #[test]
    fn f16_is_unfit_without_infinity_or_without_a_kernel() {
        let of = |overflows, flops: Option<f64>| AutotuneResult {
            conversion: Some(HalfConversion {
                rounds: true,
                overflows,
            }),
            timings: vec![Timing {
                operation: "x · W".into(),
                config: "tiled".into(),
                flops,
                left_out: "failed".into(),
            }],
            ..AutotuneResult::default()
        };
        assert_eq!(unfit(&of(true, Some(1.0))), None);
        let told = unfit(&of(false, Some(1.0))).unwrap();
        assert!(told.starts_with("f32 to f16 does not overflow"), "{told}");
        let told = unfit(&of(true, None)).unwrap();
        assert_eq!(
            told,
            "no kernel computes x · W correctly in f16 (tiled: failed)"
        );
    }
}
