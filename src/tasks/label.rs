//! What a feature should be answered with, whatever its task: the seam between the tasks, which
//! make labels and read them, and batches, which carry them.

/// One feature's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// An answer's first and last token, both 0 where the window does not hold it, and whether the
    /// question has none.
    Span {
        start: u32,
        end: u32,
        impossible: bool,
    },
}

impl Label {
    /// The label as checksums take it.
    pub fn words(self) -> [u32; 3] {
        match self {
            Self::Span {
                start,
                end,
                impossible,
            } => [start, end, impossible.into()],
        }
    }
}
