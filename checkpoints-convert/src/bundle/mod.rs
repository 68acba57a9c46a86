//! TensorFlow's tensor bundle, the file format of every TF 1.x and 2.x checkpoint: a sorted table
//! `<prefix>.index` that names each variable, and data files `<prefix>.data-iiiii-of-nnnnn` that
//! hold the values. `index` and `table` turn bytes into checked variables; `writer` does the
//! reverse. Follows TensorFlow's `core/util/tensor_bundle` and `core/lib/io/table_format.txt`.

mod dtype;
mod error;
mod index;
mod proto;
mod table;
mod table_writer;
mod writer;

pub use error::Error;
pub use index::MAX_INDEX_BYTES;
pub use table_writer::TableWriter;
pub(crate) use writer::TEMPORARY;
pub use writer::{BundleWriter, write_checkpoint_state};

/// Returns the file name of one data file of a bundle, in TensorFlow's format.
pub fn shard_file_name(prefix: &str, shard: u32, shards: u32) -> String {
    format!("{prefix}.data-{shard:05}-of-{shards:05}")
}

#[cfg(test)]
mod hostile;
