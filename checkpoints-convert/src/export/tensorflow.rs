//! A TensorFlow checkpoint as Google's code reads it (`init_checkpoint`): parameters enter,
//! `model.ckpt` with the reference's variable names and the file `checkpoint` leave.

use super::{ExportedTensor, byte_length};
use crate::Error;
use crate::bundle::{BundleWriter, shard_file_name, write_checkpoint_state};
use crate::names::Parameter;
use crate::staging::Staging;
use crate::stored_record::StoredRecord;
use crate::tensor::DType;

const PREFIX: &str = "model.ckpt";

/// Writes everything but the vocabulary; `on_bytes` hears of the bytes of each tensor.
pub(super) fn write(
    record: &mut StoredRecord,
    parameters: &[Parameter],
    staging: &Staging,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<(Vec<String>, Vec<ExportedTensor>), Error> {
    let mut bundle = BundleWriter::create(staging.folder(), PREFIX, 1)?;
    let mut tensors = Vec::new();
    for parameter in parameters {
        let values = record.take(parameter)?;
        bundle.add(
            0,
            &parameter.variable,
            DType::F32,
            &parameter.shape,
            &values,
        )?;
        on_bytes(byte_length(parameter));
        tensors.push(ExportedTensor {
            name: parameter.variable.clone(),
            shape: parameter.shape.clone(),
            parameter: parameter.path.clone(),
        });
    }
    bundle.finish()?;
    write_checkpoint_state(staging.folder(), PREFIX)?;
    // What names the checkpoint comes last: where it is, the other files are there too.
    let files = vec![
        shard_file_name(PREFIX, 0, 1),
        format!("{PREFIX}.index"),
        "checkpoint".into(),
    ];
    Ok((files, tensors))
}
