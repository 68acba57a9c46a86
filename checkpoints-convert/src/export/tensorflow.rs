//! A TensorFlow checkpoint that Google's code reads (as `init_checkpoint`, or as the folder of a run to
//! resume). Takes parameters, and the optimiser's state if there is one; yields `model.ckpt` with the
//! reference's variable names, and the file `checkpoint`.

use super::ExportedTensor;
use super::head::owner;
use super::moments::Moments;
use crate::Error;
use crate::bundle::{BundleWriter, shard_file_name, write_checkpoint_state};
use crate::config::RecordConfig;
use crate::head_shape::HeadShape;
use crate::names::{self, Parameter};
use crate::staging::Staging;
use crate::stored_record::StoredRecord;
use crate::tensor::DType;

const PREFIX: &str = "model.ckpt";
/// Name of the step counter.
const STEP: &str = "global_step";

/// The parameters that Google's code supports, of all heads or of that of one `task`.
pub(super) fn parameters(config: &RecordConfig, task: Option<&str>) -> Vec<Parameter> {
    let mut parameters = names::encoder_parameters(config);
    for (name, head) in &config.heads {
        if task.is_none_or(|task| task == name) && !has_hidden_layer(head) {
            parameters.extend(names::head_parameters(config, name, head));
        }
    }
    parameters
}

/// Whether Google's code does not have this kind of head.
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
        Some(_) => "head of a task: --task selects another one",
    }
}

/// Size of a parameter's values in bytes; small enough, because it is known to be in the record.
fn byte_length(parameter: &Parameter) -> u64 {
    4 * parameter.shape.iter().product::<u64>()
}

/// Writes everything except the vocabulary; calls `progress` with the bytes done and the total.
pub(super) fn write(
    record: &mut StoredRecord,
    parameters: &[Parameter],
    moments: Option<&mut Moments>,
    staging: &Staging,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Vec<String>, Vec<ExportedTensor>), Error> {
    let of_moments = match moments {
        Some(_) => Moments::of_parameters(parameters),
        None => Vec::new(),
    };
    let all = parameters.iter().chain(&of_moments);
    let (mut done, total): (u64, u64) = (0, all.map(byte_length).sum());
    let mut bundle = BundleWriter::create(staging.folder(), PREFIX, 1)?;
    let mut tensors = Vec::new();
    let mut add = |record: &mut StoredRecord, bundle: &mut BundleWriter, parameter: &Parameter| {
        let (name, shape) = (&parameter.variable, &parameter.shape);
        let values = record.take(parameter)?;
        bundle.add(0, name, DType::F32, shape, &values)?;
        done += byte_length(parameter);
        progress(done, total);
        tensors.push(ExportedTensor {
            name: name.clone(),
            shape: shape.clone(),
            parameter: parameter.path.clone(),
        });
        Ok::<(), Error>(())
    };
    for parameter in parameters {
        add(record, &mut bundle, parameter)?;
    }
    if let Some(moments) = moments {
        for moment in &of_moments {
            add(&mut moments.record, &mut bundle, moment)?;
        }
        bundle.add(0, STEP, DType::I64, &[], &moments.step.to_le_bytes())?;
        tensors.push(ExportedTensor {
            name: STEP.into(),
            shape: Vec::new(),
            parameter: "the number of steps in state.json".into(),
        });
    }
    bundle.finish()?;
    write_checkpoint_state(staging.folder(), PREFIX)?;
    // The file that names the checkpoint comes last: if it exists, so do the others.
    let files = vec![
        shard_file_name(PREFIX, 0, 1),
        format!("{PREFIX}.index"),
        "checkpoint".into(),
    ];
    Ok((files, tensors))
}
