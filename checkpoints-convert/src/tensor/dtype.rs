//! The types of a checkpoint's values, and the widening of floating-point types to the record's
//! float32.

use std::fmt;

use half::{bf16, f16};

/// The type of a variable's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// IEEE 32-bit float.
    F32,
    /// IEEE 16-bit float.
    F16,
    /// The upper half of an IEEE 32-bit float.
    BF16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// Any other of TensorFlow's types, by its number: named in reports, never read.
    Other(i32),
}

impl DType {
    /// Returns the bytes per value; `None` for a type that is not read.
    pub fn width(self) -> Option<u64> {
        match self {
            Self::F16 | Self::BF16 => Some(2),
            Self::F32 | Self::I32 => Some(4),
            Self::I64 => Some(8),
            Self::Other(_) => None,
        }
    }

    /// Returns whether a parameter of the model can be made from it.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// Appends `bytes`, little-endian values of this type, to `values` as little-endian float32.
    /// Both 16-bit types widen exactly; other types append nothing.
    pub(crate) fn widen(self, bytes: &[u8], values: &mut Vec<u8>) {
        match self {
            Self::F32 => values.extend_from_slice(bytes),
            Self::F16 => values.extend(
                pairs(bytes).flat_map(|pair| f16::from_le_bytes(pair).to_f32().to_le_bytes()),
            ),
            Self::BF16 => values.extend(
                pairs(bytes).flat_map(|pair| bf16::from_le_bytes(pair).to_f32().to_le_bytes()),
            ),
            Self::I32 | Self::I64 | Self::Other(_) => {}
        }
    }
}

/// Splits `bytes` into two-byte values.
pub(super) fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> + '_ {
    bytes.as_chunks::<2>().0.iter().copied()
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("float32"),
            Self::F16 => f.write_str("float16"),
            Self::BF16 => f.write_str("bfloat16"),
            Self::I32 => f.write_str("int32"),
            Self::I64 => f.write_str("int64"),
            Self::Other(0) => f.write_str("a type that TensorFlow does not have"),
            Self::Other(2) => f.write_str("float64"),
            Self::Other(4) => f.write_str("uint8"),
            Self::Other(5) => f.write_str("int16"),
            Self::Other(6) => f.write_str("int8"),
            Self::Other(7) => f.write_str("string"),
            Self::Other(8) => f.write_str("complex64"),
            Self::Other(10) => f.write_str("bool"),
            Self::Other(17) => f.write_str("uint16"),
            Self::Other(22) => f.write_str("uint32"),
            Self::Other(23) => f.write_str("uint64"),
            Self::Other(24) => f.write_str("float8_e5m2"),
            Self::Other(25) => f.write_str("float8_e4m3fn"),
            Self::Other(number) => write!(f, "TensorFlow type {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(dtype: DType, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        dtype.widen(bytes, &mut values);
        values
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&value| f32::from_le_bytes(value))
            .collect()
    }

    #[test]
    fn sixteen_bit_floats_widen_exactly() {
        // 1.5 and the smallest subnormal of float16, 2^-24.
        let halves: Vec<u8> = [0x3e00u16, 0x0001]
            .iter()
            .flat_map(|h| h.to_le_bytes())
            .collect();
        assert_eq!(widened(DType::F16, &halves), [1.5, 2f32.powi(-24)]);
        // 1.0 and -2.5 in bfloat16.
        let brains: Vec<u8> = [0x3f80u16, 0xc020]
            .iter()
            .flat_map(|b| b.to_le_bytes())
            .collect();
        assert_eq!(widened(DType::BF16, &brains), [1.0, -2.5]);
    }
}
