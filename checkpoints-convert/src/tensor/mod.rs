//! The tensors of a checkpoint, whichever framework saved them: their types, places in data files
//! and values. A file format names its variables in these terms; [`ShardReader`] reads them.

mod dtype;
mod reader;

pub use dtype::DType;
pub use reader::{Facts, ShardReader};
