//! Whose files a checkpoint's are. Names and layouts of either framework enter and leave in terms of
//! the reference's variables: Google's TensorFlow names with dense kernels `[in, out]`, which are
//! also the record's. Hugging Face keeps its dense weights `[out, in]`, as PyTorch does.

use crate::{hugging_face, names};

/// The program whose files a checkpoint's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    TensorFlow,
    HuggingFace,
}

impl Framework {
    /// What this framework calls the variable that the reference calls `reference`.
    pub fn name(self, reference: &str) -> String {
        match self {
            Self::TensorFlow => reference.into(),
            Self::HuggingFace => hugging_face::name(reference),
        }
    }

    /// The shape that this framework gives a variable of the reference's shape, and the other way
    /// round.
    pub fn shape(self, reference: &str, shape: &[u64]) -> Vec<u64> {
        let mut shape = shape.to_vec();
        if self.is_transposed(reference) && shape.len() == 2 {
            shape.reverse();
        }
        shape
    }

    /// Whether this framework keeps the variable with its two axes exchanged.
    pub fn is_transposed(self, reference: &str) -> bool {
        self == Self::HuggingFace && reference.ends_with("/kernel")
    }

    /// Why a variable that no parameter takes is left out, by its name; `None` for a name that
    /// this crate does not know.
    pub fn reason(self, name: &str) -> Option<&'static str> {
        match self {
            Self::TensorFlow => names::reason(name),
            Self::HuggingFace => hugging_face::reason(name),
        }
    }
}
