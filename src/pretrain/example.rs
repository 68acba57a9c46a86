//! An example: the input ids of the model, and where the second segment starts.

/// `[CLS] first [SEP]`, and `second [SEP]` if there is a second segment; no padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    pub ids: Vec<u32>,
    /// Number of ids in segment 0; the others are in segment 1.
    pub first: usize,
}

impl Example {
    /// The segment of each id.
    pub fn segments(&self) -> impl Iterator<Item = u8> {
        (0..self.ids.len()).map(|at| u8::from(at >= self.first))
    }
}
