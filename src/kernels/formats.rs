//! Number formats of tensors and shaders, and what changes a tensor's.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{DType, FloatDType},
};

/// Number format of the values that a shader reads or writes; it computes in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Element {
    #[default]
    F32,
    F16,
}

impl Element {
    pub const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// The format of tensors of this type, where shaders take it.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Self::F32),
            DType::F16 => Some(Self::F16),
            _ => None,
        }
    }

    /// The format of the tensor.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// How a shader that uses it begins.
    pub(super) fn enable(self) -> &'static str {
        match self {
            Self::F32 => "",
            Self::F16 => "enable f16;\n",
        }
    }

    /// As WGSL writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Values that a thread reads and writes at once. An array of vec4 ends at the last whole one, so
/// that four fit only where the number of values is a multiple of four; the arrays themselves lie at
/// multiples of at least 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    One,
    Four,
}

impl Width {
    pub const ALL: [Self; 2] = [Self::Four, Self::One];

    /// The widest that fits this number of values.
    pub(super) fn of(elements: usize) -> Self {
        match elements % 4 {
            0 => Self::Four,
            _ => Self::One,
        }
    }

    /// Values.
    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    /// The f32 values as WGSL writes them.
    pub(super) fn floats(self) -> &'static str {
        match self {
            Self::One => "f32",
            Self::Four => "vec4<f32>",
        }
    }

    /// As many f16 values.
    pub(super) fn halves(self) -> &'static str {
        match self {
            Self::One => "f16",
            Self::Four => "vec4<f16>",
        }
    }

    /// As many words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::One => "u32",
            Self::Four => "vec4<u32>",
        }
    }
}

/// The values in f32.
pub(super) fn full<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    cast::<B>(tensor, DType::F32)
}

/// The values in the format `dtype`, f32 or f16.
pub(super) fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    match (tensor.dtype() == dtype, dtype) {
        (true, _) => tensor,
        (false, DType::F16) => B::float_cast(tensor, FloatDType::F16),
        (false, _) => B::float_cast(tensor, FloatDType::F32),
    }
}
