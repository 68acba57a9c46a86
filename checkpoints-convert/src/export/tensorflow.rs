//! A TensorFlow checkpoint as Google's code reads it (`init_checkpoint`): parameters enter,
//! `model.ckpt` with the reference's variable names and the file `checkpoint` leave.

use super::ExportedTensor;
use super::head::owner;
use crate::Error;
use crate::bundle::{BundleWriter, shard_file_name, write_checkpoint_state};
use crate::config::RecordConfig;
use crate::head_shape::HeadShape;
use crate::names::{self, Parameter};
use crate::staging::Staging;
use crate::stored_record::StoredRecord;
use crate::tensor::DType;

const PREFIX: &str = "model.ckpt";

/// The parameters that Google's code has, of all heads or of that of one `task`.
pub(super) fn parameters(config: &RecordConfig, task: Option<&str>) -> Vec<Parameter> {
    let mut parameters = names::encoder_parameters(config);
    for (name, head) in &config.heads {
        if task.is_none_or(|task| task == name) && !has_hidden_layer(head) {
            parameters.extend(names::head_parameters(config, name, head));
        }
    }
    parameters
}

/// Whether a head is one that Google's code does not have.
fn has_hidden_layer(head: &HeadShape) -> bool {
    matches!(head, HeadShape::Dense(dense) if dense.hidden_layer)
}

/// Why the parameter at `path` of a record is left out.
pub(super) fn reason(config: &RecordConfig, path: &str) -> &'static str {
    match owner(config, path) {
        None => "not in config.json",
        Some((_, head)) if has_hidden_layer(head) => {
            "head of a task: Google's code has none with a hidden layer"
        }
        Some(_) => "head of a task: --task names another one",
    }
}

/// Bytes of a parameter's values; it was checked to be in the record, so they are few enough.
pub(super) fn byte_length(parameter: &Parameter) -> u64 {
    4 * parameter.shape.iter().product::<u64>()
}

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
