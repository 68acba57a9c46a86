//! In which number formats a model computes, and with which products.

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
        autotune::{AutotuneCache, ModelShape},
        dense::packed_kernel::PackedKernel,
        formats::Element,
        matmul::{MatmulTilings, bf16::Instructions},
    },
};

/// How a model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arithmetic {
    /// Format of the layers' hidden states and of the operands of their products. Sums, weights,
    /// layer norms, softmaxes and losses are f32 in both formats.
    pub layers: Element,
    /// What multiplies the operands of dense layers, rounded to bf16, if they are: on the CPU, of layers
    /// in f32.
    pub bf16: Option<Instructions>,
    /// Products of f32 operands.
    pub full: MatmulTilings,
    /// Products of f16 operands.
    pub half: MatmulTilings,
    /// Attention in f16.
    pub attention: AttentionConfigs,
}

impl Arithmetic {
    /// What `precision` means on a device for this encoder. `auto` is f16 on a hardware GPU that
    /// computes with it, else f32: a CPU and a software adapter gain nothing from it. bf16 is for a CPU
    /// that multiplies it faster than f32.
    ///
    /// On a GPU the forms of kernels are tried at the encoder's shape, over `tokens` rows at most, and
    /// the fastest are taken, unless `cache` knows them.
    ///
    /// # Errors
    /// When f16 or bf16 was asked for and the device does not compute with it, or the device fails.
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
            let choice = cache
                .choose(&chosen.device, adapter, layers, shape)
                .map_err(|error| error.on(&chosen.name))?;
            if let Some(fault) = choice.conversion.and_then(HalfConversion::fault) {
                log::warn!("{}: {fault}", chosen.name);
            }
            for timing in &choice.timings {
                log::info!("{timing}");
            }
            match layers {
                Element::F32 => arithmetic.full = choice.tilings,
                Element::F16 => arithmetic.half = choice.tilings,
            }
            arithmetic.attention = choice.attention;
        }
        Ok(arithmetic)
    }

    /// What bf16 would bring on this device, where f32 is taken because nothing was asked for.
    pub fn offer(chosen: &Chosen, precision: Precision) -> Option<String> {
        let unasked = precision == Precision::Auto && chosen.adapter.is_none();
        let by = Instructions::best().filter(|_| unasked)?;
        Some(format!(
            "--precision bf16 would multiply faster here, by {by}"
        ))
    }

    /// The format's name.
    pub fn word(&self) -> &'static str {
        match self.bf16 {
            None => self.layers.word(),
            Some(_) => Precision::Bf16.word(),
        }
    }

    /// Memory for a dense layer's kernel as products in bf16 take it, if they do.
    pub fn packed_kernel(&self) -> Option<Arc<PackedKernel>> {
        self.bf16.map(|by| Arc::new(PackedKernel::new(by)))
    }

    /// The format and the products in one line.
    pub fn line(&self) -> String {
        if let Some(instructions) = self.bf16 {
            return format!("layers in f32; products in bf16 by {instructions}");
        }
        match self.layers {
            Element::F32 => format!("layers in f32; products: {}", self.full),
            Element::F16 => format!(
                "layers in f16; products: {}; attention: {}",
                self.half, self.attention
            ),
        }
    }

    /// Hidden states in the format of the encoder's layers.
    pub fn narrow(self, hidden: Tensor<2>) -> Tensor<2> {
        match self.layers {
            Element::F32 => hidden,
            Element::F16 => hidden.cast(FloatDType::F16),
        }
    }

    /// Values in f32.
    pub fn widen(self, hidden: Tensor<2>) -> Tensor<2> {
        match hidden.dtype() {
            DType::F32 => hidden,
            _ => hidden.cast(FloatDType::F32),
        }
    }
}

/// What multiplies bf16 on the device.
fn bf16_of(chosen: &Chosen) -> Result<Instructions, device::Error> {
    let missing = match (&chosen.adapter, chosen.f16) {
        (Some(_), true) => "WGSL has none; give --precision f16, or --device cpu".to_owned(),
        (Some(_), false) => "WGSL has none; give --precision f32, or --device cpu".to_owned(),
        (None, _) => format!(
            "it takes AMX (Intel Xeon, on Linux) or AVX-512-BF16 (AMD), and found {}; give \
             --precision f32",
            Instructions::found()
        ),
    };
    let by = Instructions::best().filter(|_| chosen.adapter.is_none());
    by.ok_or_else(|| device::Error::NoBf16 {
        name: chosen.name.clone(),
        reason: missing,
    })
}
