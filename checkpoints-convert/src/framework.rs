//! The framework that wrote a checkpoint. Names and layouts of either framework are translated to
//! and from those of the reference's variables: Google's TensorFlow names with dense kernels
//! `[in, out]`, which is also the record's layout. Hugging Face stores dense weights as
//! `[out, in]`, as PyTorch does.

use crate::{hugging_face, names};

/// The framework whose files a checkpoint consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    TensorFlow,
    HuggingFace,
}

impl Framework {
    /// Returns this framework's name for the reference's variable `reference`.
    pub fn name(self, reference: &str) -> String {
        match self {
            Self::TensorFlow => reference.into(),
            Self::HuggingFace => hugging_face::name(reference),
        }
    }

    /// Converts the shape of the reference's variable to this framework's, or back.
    pub fn shape(self, reference: &str, shape: &[u64]) -> Vec<u64> {
        let mut shape = shape.to_vec();
        if self.is_transposed(reference) && shape.len() == 2 {
            shape.reverse();
        }
        shape
    }

    /// Returns whether this framework stores the variable transposed.
    pub fn is_transposed(self, reference: &str) -> bool {
        self == Self::HuggingFace && reference.ends_with("/kernel")
    }

    /// Returns why a variable with this name is left out if no parameter takes it; `None` for a
    /// name that this crate does not know.
    pub fn reason(self, name: &str) -> Option<&'static str> {
        match self {
            Self::TensorFlow => names::reason(name),
            Self::HuggingFace => hugging_face::reason(name),
        }
    }
}
