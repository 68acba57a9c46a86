//! TensorFlow's numbers for value types (`core/framework/types.proto`).

use crate::tensor::DType;

impl DType {
    /// Converts from TensorFlow's `DataType` number.
    pub fn from_tensorflow(number: i32) -> Self {
        match number {
            1 => Self::F32,
            3 => Self::I32,
            9 => Self::I64,
            14 => Self::BF16,
            19 => Self::F16,
            other => Self::Other(other),
        }
    }

    /// Returns TensorFlow's `DataType` number.
    pub fn to_tensorflow(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::I32 => 3,
            Self::I64 => 9,
            Self::BF16 => 14,
            Self::F16 => 19,
            Self::Other(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensorflow_numbers_go_there_and_back() {
        for number in 0..32 {
            assert_eq!(DType::from_tensorflow(number).to_tensorflow(), number);
        }
        assert_eq!(DType::from_tensorflow(19), DType::F16);
    }
}
