//! How a file is read, of what a run is given.

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Only the first 100 lines, the header counted; of people's own tables the first 100 rows.
    pub debug: bool,
    /// Only so many examples, the first of the file.
    pub most: Option<usize>,
    /// Whether the training examples of mrpc and sts follow once more with their texts swapped.
    pub double_unordered: bool,
}

/// Lines that debugging reads.
pub(super) const DEBUG_LINES: usize = 100;
