//! Number formats of tensors and shaders, and conversions between them.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{DType, FloatDType},
};

/// Format of the values that a shader reads or writes; arithmetic is always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Element {
    #[default]
    F32,
    F16,
}

impl Element {
    pub const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// Returns the format of tensors of this dtype, if shaders support it.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Self::F32),
            DType::F16 => Some(Self::F16),
            _ => None,
        }
    }

    /// Returns the tensor dtype of this format.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Returns the directives that a shader using this format begins with.
    pub(super) fn enable(self) -> &'static str {
        match self {
            Self::F32 => "",
            Self::F16 => "enable f16;\n",
        }
    }

    /// Returns the WGSL type.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Returns the bytes per value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Values that a thread reads and writes at once. An array of vec4 ends at the last whole vector,
/// so vec4 fits only if the number of values is a multiple of four; the arrays themselves are
/// aligned to at least 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    One,
    Four,
}

impl Width {
    pub const ALL: [Self; 2] = [Self::Four, Self::One];

    /// Returns the widest access that fits this number of values.
    pub(super) fn of(elements: usize) -> Self {
        match elements % 4 {
            0 => Self::Four,
            _ => Self::One,
        }
    }

    /// Returns the number of values.
    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    /// Returns the WGSL type of this many f32.
    pub(super) fn floats(self) -> &'static str {
        match self {
            Self::One => "f32",
            Self::Four => "vec4<f32>",
        }
    }

    /// Returns the WGSL type of this many f16.
    pub(super) fn halves(self) -> &'static str {
        match self {
            Self::One => "f16",
            Self::Four => "vec4<f16>",
        }
    }

    /// Returns the WGSL type of this many u32.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::One => "u32",
            Self::Four => "vec4<u32>",
        }
    }
}

/// Casts to f32.
pub(super) fn full<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    cast::<B>(tensor, DType::F32)
}

/// Casts to `dtype`, f32 or f16.
pub(super) fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    match (tensor.dtype() == dtype, dtype) {
        (true, _) => tensor,
        (false, DType::F16) => B::float_cast(tensor, FloatDType::F16),
        (false, _) => B::float_cast(tensor, FloatDType::F32),
    }
}
