//! How a file is read, according to a run's settings.

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Whether to read only the first 100 lines, including the header; for users' own tables, the
    /// first 100 rows.
    pub debug: bool,
    /// Most examples to read, from the beginning of the file.
    pub most: Option<usize>,
    /// Whether to append the training examples of mrpc and sts again with their texts swapped.
    pub double_unordered: bool,
}

/// Lines read in debug mode.
pub(super) const DEBUG_LINES: usize = 100;
