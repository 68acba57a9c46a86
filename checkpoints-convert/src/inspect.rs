//! Shows what a checkpoint holds and where each variable would go, from its index alone, and what a
//! record holds. Reads no values and writes nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::names;
use crate::plain_file;
use crate::plan::Plan;
use crate::record_files::{RECORD_FILE, REPORT_FILE};
use crate::report::{self, SourceReport, Totals, VariableReport};
use crate::stored_record::{StoredRecord, StoredTensor};

/// Enough for a report of a hundred thousand variables.
const MAX_REPORT_BYTES: u64 = 64 << 20;

/// The variables of a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    pub source: SourceReport,
    pub totals: Totals,
    /// The model inferred from names and shapes; null if that is impossible.
    pub config: Option<RecordConfig>,
    /// Why this checkpoint could not be converted.
    pub problem: Option<String>,
    pub warnings: Vec<String>,
    /// Parameters of incomplete heads that no variable would fill.
    pub unfilled: Vec<String>,
    pub variables: Vec<VariableReport>,
}

/// Reads the index of the checkpoint at `input`.
///
/// # Errors
/// If there is no checkpoint or its index is damaged. A checkpoint of another model is not an
/// error: its variables are listed, and [`Inspection::problem`] says what is wrong.
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

/// The tensors of a record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordInspection {
    /// The path as it was given.
    pub path: String,
    /// Always "record".
    pub kind: &'static str,
    pub config: RecordConfig,
    /// The checkpoint that it was converted from, according to `conversion.json`; null for a record
    /// that was trained.
    pub converted_from: Option<String>,
    pub values: u64,
    pub bytes: u64,
    /// Parameters of `config.json` that are missing from the record, or have another shape in it.
    pub missing: Vec<String>,
    /// Why this record could not be loaded.
    pub problem: Option<String>,
    pub tensors: Vec<StoredTensor>,
}

/// Returns whether there is a record at `path`: a folder that holds one, or its file.
pub fn is_record(path: &Path) -> bool {
    path.join(RECORD_FILE).exists() || (path.ends_with(RECORD_FILE) && path.exists())
}

/// Inspects the record at `path`: a folder, or `model.bpk` in it. The checkpoints of a run have
/// their `config.json` one folder up.
///
/// # Errors
/// If there is no record or it is damaged. A record that lacks parameters is not an error:
/// [`RecordInspection::problem`] reports it.
pub fn inspect_record(path: &Path) -> Result<RecordInspection, Error> {
    let folder = match path.ends_with(RECORD_FILE) && !path.is_dir() {
        true => path.parent().unwrap_or(Path::new("")),
        false => path,
    };
    let record = StoredRecord::open(folder)?;
    let parameters = names::parameters(&record.config);
    let missing: Vec<String> = parameters
        .iter()
        .filter(|parameter| record.check(parameter).is_err())
        .map(|parameter| parameter.path.clone())
        .collect();
    let wrong = parameters.iter().find_map(|p| record.check(p).err());
    let tensors = record.tensors(&parameters);
    Ok(RecordInspection {
        path: path.display().to_string(),
        kind: "record",
        converted_from: converted_from(folder),
        values: tensors
            .iter()
            .map(|t| t.shape.iter().product::<u64>())
            .sum(),
        bytes: tensors.iter().map(|t| t.size).sum(),
        missing,
        problem: wrong.map(|error| error.to_string()),
        tensors,
        config: record.config,
    })
}

/// Returns the path of the checkpoint that the record was converted from, if its report states it.
fn converted_from(folder: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Report {
        source: Source,
    }
    #[derive(Deserialize)]
    struct Source {
        path: String,
    }
    let text = plain_file::read(&folder.join(REPORT_FILE), MAX_REPORT_BYTES).ok()??;
    let report: Report = serde_json::from_slice(plain_file::without_mark(&text)).ok()?;
    Some(report.source.path)
}
