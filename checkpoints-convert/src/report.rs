//! `conversion.json`: what became of every variable of the checkpoint, with figures by which
//! two copies can be compared. A plan and the facts that reading showed enter, a report leaves.

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
    /// The no-answer threshold that the checkpoint brings, on the score of its head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Identity of the weights in `model.bpk`.
    pub record: Option<String>,
    pub warnings: Vec<String>,
    /// Parameters that nothing filled.
    pub unfilled: Vec<String>,
    pub variables: Vec<VariableReport>,
}

/// Which checkpoint was read.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    /// As it was given.
    pub path: String,
    /// "zip" or "folder" for a TensorFlow checkpoint, "hugging-face" for such a model.
    pub kind: &'static str,
    /// Name of the checkpoint in its folder.
    pub prefix: String,
    /// Names of its data files.
    pub data_files: Vec<String>,
    /// What the checkpoint is, wherever it lies; `inspect` does not ask.
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
    /// CRC32C of the bytes, masked as TensorFlow stores it: the stored one, else that of what was
    /// read; null where neither is.
    pub crc32c: Option<String>,
    /// Whether the stored checksum was compared. Types that are not read are not compared,
    /// Hugging Face's files store none, and `inspect` reads no values.
    pub checked: bool,
    /// Sum of the values in float64; null where it was not taken or is not finite.
    pub sum: Option<f64>,
    /// The parameter that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Why it fills none.
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

/// A row for each variable of the checkpoint; without a plan none has a parameter.
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
            None => (None, Some("the model could not be made out".into())),
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
