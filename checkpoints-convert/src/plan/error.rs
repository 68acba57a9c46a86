//! Errors of a checkpoint that is to become a record.

/// A checkpoint that is intact as a bundle but is not an ELECTRA model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: variable {name:?} is missing; {why}")]
    Missing {
        file: String,
        name: String,
        why: &'static str,
    },
    #[error(
        "{file}: variable {name:?} has shape {found:?}, expected {expected:?} by the shapes of the others"
    )]
    Shape {
        file: String,
        name: String,
        expected: Vec<u64>,
        found: Vec<u64>,
    },
    #[error("{file}: variable {name:?} has shape {found:?}, expected two sizes above zero")]
    Matrix {
        file: String,
        name: String,
        found: Vec<u64>,
    },
    #[error(
        "{file}: variable {name:?} holds {dtype} values; a parameter needs float32, float16 or bfloat16"
    )]
    Type {
        file: String,
        name: String,
        dtype: String,
    },
    #[error(
        "{file}: variable {name:?} would take {bytes} bytes in the record, which holds at most {limit} a tensor"
    )]
    TooLarge {
        file: String,
        name: String,
        bytes: u64,
        limit: u64,
    },
    #[error(
        "{file}: variable {name:?} exists, though embedding and hidden size are both {size}; the model of such a checkpoint is not known"
    )]
    Projection {
        file: String,
        name: String,
        size: u64,
    },
}
