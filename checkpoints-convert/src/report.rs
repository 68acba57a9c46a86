//! `conversion.json`: what became of every variable of the checkpoint, with statistics by which two
//! copies can be compared. Built from a plan and the facts found while reading.

use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::content::Content;
use crate::plan::{Plan, Use};
use crate::record::{FORMAT, PRODUCER};
use crate::tensor::Facts;

/// The content of `conversion.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of the record's layout.
    pub format: &'static str,
    pub producer: &'static str,
    pub source: SourceReport,
    pub totals: Totals,
    pub config: RecordConfig,
    /// The no-answer threshold that the checkpoint brings, on the scale of its head's score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Identity of the weights in `model.bpk`.
    pub record: Option<String>,
    pub warnings: Vec<String>,
    /// Parameters that no variable filled.
    pub unfilled: Vec<String>,
    pub variables: Vec<VariableReport>,
}

/// The checkpoint that was read.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    /// The path as it was given.
    pub path: String,
    /// "zip" or "folder" for a TensorFlow checkpoint, "hugging-face" for a Hugging Face model.
    pub kind: &'static str,
    /// Name of the checkpoint in its folder.
    pub prefix: String,
    /// Names of its data files.
    pub data_files: Vec<String>,
    /// Identity of the checkpoint's content, independent of its location; not computed by
    /// `inspect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// Counts over all variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub variables: usize,
    /// Variables that fill a parameter.
    pub used: usize,
    pub ignored: usize,
    /// Values in the record.
    pub values: u64,
    /// Bytes of all variables in the data files.
    pub bytes: u64,
}

/// One variable of the checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct VariableReport {
    pub name: String,
    pub shape: Vec<u64>,
    pub dtype: String,
    /// Bytes in the data file.
    pub size: u64,
    pub shard: u32,
    pub offset: u64,
    /// CRC32C of the bytes, masked as TensorFlow stores it: the stored one, otherwise that of the
    /// bytes that were read; null if there is neither.
    pub crc32c: Option<String>,
    /// Whether the stored checksum was verified. Types that are not read are not verified, Hugging
    /// Face's files store none, and `inspect` reads no values.
    pub checked: bool,
    /// Sum of the values in float64; null if it was not computed or is not finite.
    pub sum: Option<f64>,
    /// The parameter that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Why it fills no parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

impl SourceReport {
    pub(crate) fn new(checkpoint: &Checkpoint) -> Self {
        Self {
            path: checkpoint.path().display().to_string(),
            kind: checkpoint.kind(),
            prefix: checkpoint.prefix().into(),
            data_files: checkpoint.data_files(),
            content: None,
        }
    }
}

impl Report {
    pub(crate) fn new(
        checkpoint: &Checkpoint,
        plan: &Plan,
        content: Content,
        record: Option<String>,
        variables: Vec<VariableReport>,
        vocabulary_warning: Option<String>,
    ) -> Self {
        let mut warnings = checkpoint.warnings().to_vec();
        warnings.extend(plan.warnings.iter().cloned());
        warnings.extend(vocabulary_warning);
        warnings.extend(
            variables
                .iter()
                .filter(|v| v.parameter.is_some() || v.checked)
                .filter(|v| v.sum.is_none())
                .map(|v| format!("variable {:?} holds values that are not finite", v.name)),
        );
        Self {
            format: FORMAT,
            producer: PRODUCER,
            source: SourceReport {
                content: Some(content),
                ..SourceReport::new(checkpoint)
            },
            totals: Totals::new(&variables),
            config: plan.config.clone(),
            threshold: plan.threshold,
            record,
            warnings,
            unfilled: plan.unfilled.clone(),
            variables,
        }
    }
}

impl Totals {
    pub(crate) fn new(variables: &[VariableReport]) -> Self {
        let used = || variables.iter().filter(|v| v.parameter.is_some());
        Self {
            variables: variables.len(),
            used: used().count(),
            ignored: variables.len() - used().count(),
            values: used().map(|v| v.shape.iter().product::<u64>()).sum(),
            bytes: variables.iter().map(|v| v.size).sum(),
        }
    }
}

/// Returns a row for each variable of the checkpoint; without a plan, none has a parameter.
pub(crate) fn variables(
    checkpoint: &Checkpoint,
    plan: Option<&Plan>,
    facts: &[Option<Facts>],
) -> Vec<VariableReport> {
    let rows = checkpoint.index.variables.iter().enumerate();
    rows.map(|(number, variable)| {
        let facts = facts.get(number).copied().flatten();
        let (parameter, ignored) = match plan.map(|plan| (plan, &plan.uses[number])) {
            Some((plan, Use::Parameter(p))) => (Some(plan.parameters[*p].path.clone()), None),
            Some((_, Use::Ignored(why))) => (None, Some(why.clone())),
            None => (None, Some("the model could not be determined".into())),
        };
        VariableReport {
            name: variable.name.clone(),
            shape: variable.shape.clone(),
            dtype: variable.dtype.to_string(),
            size: variable.size,
            shard: variable.shard,
            offset: variable.offset,
            crc32c: variable
                .crc32c
                .or(facts.map(|facts| facts.crc32c))
                .map(|crc| format!("{crc:08x}")),
            checked: facts.is_some_and(|facts| facts.checked),
            sum: facts.and_then(|facts| facts.sum),
            parameter,
            ignored,
        }
    })
    .collect()
}
