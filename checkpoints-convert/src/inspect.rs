//! What a checkpoint holds and where each variable would go, from its index alone: no values
//! are read and nothing is written.

use std::path::Path;

use serde::Serialize;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::plan::Plan;
use crate::report::{self, SourceReport, Totals, VariableReport};

/// The variables of a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    pub source: SourceReport,
    pub totals: Totals,
    /// The model that names and shapes tell; null where they do not.
    pub config: Option<RecordConfig>,
    /// Why this checkpoint could not be converted.
    pub problem: Option<String>,
    pub warnings: Vec<String>,
    /// Parameters of incomplete heads that nothing would fill.
    pub unfilled: Vec<String>,
    pub variables: Vec<VariableReport>,
}

/// Reads the index of the checkpoint at `input`.
///
/// # Errors
/// No checkpoint there, or a damaged index. A checkpoint of another model is no error: its
/// variables are listed, and [`Inspection::problem`] says what is wrong.
pub fn inspect(input: &Path) -> Result<Inspection, Error> {
    let checkpoint = Checkpoint::open(input)?;
    let plan = Plan::new(&checkpoint);
    let variables = report::variables(&checkpoint, plan.as_ref().ok(), &[]);
    let mut warnings = checkpoint.warnings().to_vec();
    let (config, problem, unfilled) = match plan {
        Ok(plan) => {
            for warning in &plan.warnings {
                log::warn!("{}: {warning}", input.display());
            }
            warnings.extend(plan.warnings);
            (Some(plan.config), None, plan.unfilled)
        }
        Err(error) => (None, Some(error.to_string()), Vec::new()),
    };
    Ok(Inspection {
        source: SourceReport::new(&checkpoint),
        totals: Totals::new(&variables),
        config,
        problem,
        warnings,
        unfilled,
        variables,
    })
}
