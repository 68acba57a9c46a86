//! What pre-training has besides the encoder: a TensorFlow checkpoint enters, a record of the generator
//! and of the heads leaves, or one of the optimiser's moments.

use std::path::Path;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::names::{Parameter, pretraining_path};
use crate::plan::{Plan, Use};
use crate::record;

/// Which variables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The generator, its head and the discriminator's.
    Generator,
    /// Adam's moments of every variable, as `m/<path>` and `v/<path>`.
    Moments,
}

/// Writes the `kept` parts of the checkpoint at `input` to the record `file`, and returns the number of
/// parameters.
///
/// # Errors
/// If the input is not a complete ELECTRA checkpoint, a checksum differs, or the record cannot be written.
pub fn write_pretraining(input: &Path, kept: Kept, file: &Path) -> Result<usize, Error> {
    let mut checkpoint = Checkpoint::open(input)?;
    let mut plan = Plan::new(&checkpoint)?;
    plan.parameters.clear();
    for (variable, becomes) in checkpoint.index.variables.iter().zip(&mut plan.uses) {
        *becomes = match path(&variable.name, kept) {
            None => Use::Ignored("not asked for".to_owned()),
            Some(path) => {
                plan.parameters.push(Parameter {
                    path,
                    variable: variable.name.clone(),
                    shape: variable.shape.clone(),
                });
                Use::Parameter(plan.parameters.len() - 1)
            }
        };
    }
    record::write(&mut checkpoint, &plan, file, &mut |_, _| {})?;
    Ok(plan.parameters.len())
}

fn path(variable: &str, kept: Kept) -> Option<String> {
    match kept {
        Kept::Generator => pretraining_path(variable).filter(|path| !path.starts_with("electra.")),
        Kept::Moments => {
            let (name, slot) = variable.rsplit_once('/')?;
            let kind = slot.strip_prefix("adam_")?;
            let path = pretraining_path(name)?;
            matches!(kind, "m" | "v").then(|| format!("{kind}/{path}"))
        }
    }
}
