//! Hyper-parameters that take one of a few words.

use crate::ranks::Wire;

/// Defines an enum whose variants are written as fixed words, in JSON and on the command line.
macro_rules! choice {
    (
        $(#[$attr:meta])*
        pub enum $name:ident { $( $(#[$variant_attr:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$attr])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_attr])* $variant, )+ }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Every word, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The variant's word.
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err(format!("expected one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}

pub(super) use choice;

choice! {
    /// Sizes in which pre-trained ELECTRA was released.
    pub enum ModelSize {
        /// 12 layers of width 256, embeddings of width 128.
        Small = "small",
        /// 12 layers of width 768.
        Base = "base",
        /// 24 layers of width 1,024.
        Large = "large",
    }
}

impl ModelSize {
    /// Returns the hidden size and the number of layers.
    pub fn shape(self) -> (usize, usize) {
        match self {
            ModelSize::Small => (256, 12),
            ModelSize::Base => (768, 12),
            ModelSize::Large => (1024, 24),
        }
    }
}

choice! {
    /// Number format of the operands of matrix products; weights stay f32.
    pub enum Precision {
        /// Chosen to suit the device.
        Auto = "auto",
        F32 = "f32",
        /// f16 operands, f32 accumulation.
        F16 = "f16",
        /// bf16 operands, f32 accumulation; on CPUs that have instructions for it.
        Bf16 = "bf16",
    }
}

choice! {
    /// Whether activations are recomputed in the backward pass instead of kept.
    pub enum GradientCheckpointing {
        /// Chosen according to the available memory.
        Auto = "auto",
        On = "on",
        Off = "off",
    }
}

choice! {
    /// Which power of `layerwise_lr_decay` a layer's rate is multiplied by.
    pub enum LrDecayVariant {
        /// As in the released code: the square for the top layer.
        Released = "released",
        /// As in the paper: the first power for the top layer.
        Paper = "paper",
    }
}

choice! {
    /// How the learning rate decays from its peak over all steps.
    pub enum LrSchedule {
        /// Linearly to 0, as in the reference.
        Linear = "linear",
        /// Along half a cosine wave to 0.
        Cosine = "cosine",
        /// Not at all.
        Constant = "constant",
    }
}

choice! {
    /// Storage format of Adam's two moments of a parameter; Adam computes in f32.
    pub enum OptimizerMoments {
        F32 = "f32",
        /// bfloat16 with stochastic rounding: half the memory.
        Bf16 = "bf16",
        /// Eight bits, by blocks, rounded as bfloat16 is. Word tables and vectors keep f32.
        EightBit = "8bit",
    }
}

impl OptimizerMoments {
    /// Bytes of both moments of a value, but for what a block of those in eight bits has in common.
    pub fn bytes(self) -> u64 {
        match self {
            OptimizerMoments::F32 => 8,
            OptimizerMoments::Bf16 => 4,
            OptimizerMoments::EightBit => 2,
        }
    }
}

choice! {
    /// Number format in which ranks exchange gradients; they are added in f32.
    pub enum GradientExchange {
        F32 = "f32",
        /// bfloat16: half the bytes.
        Bf16 = "bf16",
    }
}

impl GradientExchange {
    /// The format for the ranks.
    pub fn wire(self) -> Wire {
        match self {
            GradientExchange::F32 => Wire::F32,
            GradientExchange::Bf16 => Wire::Bf16,
        }
    }
}
