//! Compares a record with the checkpoint that it came from, bit by bit, and returns counts and
//! differences. The checkpoint's checksums are verified again at the same time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn_pack::{DType, Reader, Tensor};
use serde::Serialize;

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::counted::counted;
use crate::pack;
use crate::plan::{Plan, Use};
use crate::record_files::{CONFIG_FILE, RECORD_FILE, VOCABULARY_FILE};

/// Bytes of a tensor compared at a time, so that the record's copy is not held in memory.
const PIECE: usize = 8 << 20;

/// What the comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Variables of the checkpoint whose checksum is correct.
    pub checked: usize,
    /// Parameters that are bitwise equal.
    pub equal: usize,
    /// Number of values of those parameters.
    pub values: u64,
    /// Everything that differs, as text; empty for an exact copy.
    pub differences: Vec<String>,
}

impl Verification {
    /// Returns whether the record is an exact copy.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Reads the checkpoint at `input` again and compares it with the record in the folder `out`.
///
/// # Errors
/// If the checkpoint is damaged, or the record cannot be read at all; a record that differs is not
/// an error but a result.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// let (zip, record) = (Path::new("electra_small.zip"), Path::new("electra_small"));
/// let verification = checkpoints_convert::verify(zip, record, &mut |_, _| {})?;
/// assert!(verification.is_equal(), "{:?}", verification.differences);
/// # Ok::<(), checkpoints_convert::Error>(())
/// ```
pub fn verify(
    input: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, Error> {
    let mut checkpoint = Checkpoint::open(input)?;
    let plan = Plan::new(&checkpoint)?;
    let path = out.join(RECORD_FILE);
    // Opened without verifying its checksums: which value differs is more informative.
    let tensors = Reader::from_file_exact(&path)
        .and_then(Reader::into_tensors)
        .map_err(|source| Error::ReadRecord {
            file: path.display().to_string(),
            source,
        })?;
    let named = tensors.into_iter().map(|t| (t.name.clone(), t));
    let mut record: BTreeMap<String, Tensor> = named.collect();

    let mut differences = Vec::new();
    if let Err(error) = pack::open(&path) {
        let reason = pack::reason(&error);
        differences.push(format!("{RECORD_FILE} is damaged: {reason}"));
    }
    let vocabulary = checkpoint.vocabulary(plan.config.model.vocab_size)?;
    if vocabulary.is_some_and(|bytes| !holds(&out.join(VOCABULARY_FILE), &bytes)) {
        differences.push(format!("{VOCABULARY_FILE} is not the checkpoint's"));
    }
    let config = RecordConfig::read(&out.join(CONFIG_FILE))?;
    if config != plan.config {
        differences.push(format!("{CONFIG_FILE} is not the checkpoint's"));
    }

    let (mut checked, mut equal, mut count) = (0, 0, 0);
    let wanted = |number: usize| matches!(plan.uses[number], Use::Parameter(_));
    checkpoint.stream(
        &wanted,
        &mut |number, facts, values| {
            checked += usize::from(facts.checked);
            let (Use::Parameter(parameter), Some(values)) = (&plan.uses[number], values) else {
                return Ok(());
            };
            let parameter = &plan.parameters[*parameter];
            let difference = match record.remove(&parameter.path) {
                None => Some("is not in the record".into()),
                Some(tensor) => difference(tensor, &parameter.shape, &values)?,
            };
            match difference {
                Some(difference) => differences.push(format!("{} {difference}", parameter.path)),
                None => {
                    equal += 1;
                    count += values.len() as u64 / 4;
                }
            }
            Ok(())
        },
        progress,
    )?;
    differences.extend(
        record
            .into_keys()
            .map(|path| format!("{path} is in the record but not in the checkpoint")),
    );
    Ok(Verification {
        checked,
        equal,
        values: count,
        differences,
    })
}

/// Returns whether the file at `path` holds these bytes.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let length = fs::metadata(path).map(|data| data.len());
    length.is_ok_and(|length| length == bytes.len() as u64)
        && fs::read(path).is_ok_and(|found| found == bytes)
}

/// Describes how a tensor of the record differs from `values`, little-endian float32.
fn difference(tensor: Tensor, shape: &[u64], values: &[u8]) -> Result<Option<String>, Error> {
    let found: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
    if tensor.dtype != DType::F32 || found != shape {
        let dtype = tensor.dtype;
        return Ok(Some(format!(
            "is {dtype:?} {found:?} in the record, expected F32 {shape:?}"
        )));
    }
    let name = tensor.name.clone();
    let unreadable = |source| Error::ReadRecord {
        file: name.clone(),
        source,
    };
    let bytes = tensor.into_bytes().map_err(unreadable)?;
    let mut unequal = 0;
    let mut first = None;
    for (piece, expected) in values.chunks(PIECE).enumerate() {
        let start = piece * PIECE;
        let found = bytes.view(start, start + expected.len()).map_err(|error| {
            unreadable(burn_pack::Error::IoError(format!(
                "cannot view its bytes: {error:?}"
            )))
        })?;
        if *found == *expected {
            continue;
        }
        let pairs = expected
            .as_chunks::<4>()
            .0
            .iter()
            .zip(found.as_chunks::<4>().0);
        for (place, (&expected, &found)) in pairs.enumerate() {
            if expected != found {
                unequal += 1;
                first.get_or_insert((start / 4 + place, expected, found));
            }
        }
    }
    Ok(first.map(|(place, expected, found)| {
        let [expected, found] = [expected, found].map(f32::from_le_bytes);
        let unequal = counted(unequal, "value");
        format!("differs in {unequal}, first at {place}: {expected} in the checkpoint, {found} in the record")
    }))
}
