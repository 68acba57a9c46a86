//! An example: the ids that go into the model, and where their second segment begins.

/// `[CLS] first [SEP]`, and `second [SEP]` if there is a second segment; no padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    pub ids: Vec<u32>,
    /// Ids of segment 0; the others are of segment 1.
    pub first: usize,
}

impl Example {
    /// The segment of each id.
    pub fn segments(&self) -> impl Iterator<Item = u8> {
        (0..self.ids.len()).map(|at| u8::from(at >= self.first))
    }
}
