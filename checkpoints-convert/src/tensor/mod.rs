//! The tensors of a checkpoint, whichever framework saved it: names, types and shapes, positions in
//! the data files, and values that are read in the order of their bytes, with checksums and sums. A
//! file format (`bundle`, `hugging_face`) builds an [`Index`]; [`ShardReader`] reads what it lists.

mod checksum;
mod dtype;
mod error;
mod index;
mod reader;
mod variable;

pub(crate) use checksum::mask_crc;
pub use dtype::DType;
pub use error::Error;
pub use index::Index;
pub use reader::{Facts, ShardReader};
pub use variable::Variable;
