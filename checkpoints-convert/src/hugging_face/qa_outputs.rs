//! Splits the head of an `ElectraForQuestionAnswering`, one layer whose two outputs are a token's
//! start logit and end logit, into two layers of one output each. Each row of the weight is
//! contiguous, so the values stay untouched.

use super::Placed;
use crate::tensor::Variable;

/// Returns the name of one output's part of a tensor.
fn row(tensor: &str, output: usize) -> String {
    format!("{tensor}[{output}]")
}

/// Splits `qa_outputs.weight`, `[2, hidden]`, and `qa_outputs.bias`, `[2]`, into their rows.
///
/// # Errors
/// The reason, as text, if they are not the start and the end; nothing is split then.
pub(super) fn part(tensors: &mut Vec<Placed>) -> Result<(), String> {
    let is_own = |placed: &Placed| placed.variable.name.starts_with("qa_outputs.");
    // In the order of their names, so that errors are always about the same one.
    let mut all: Vec<&Placed> = tensors.iter().filter(|placed| is_own(placed)).collect();
    all.sort_by(|a, b| a.variable.name.cmp(&b.variable.name));
    for placed in all {
        check(placed)?;
    }
    let (own, others): (Vec<_>, Vec<_>) = tensors.drain(..).partition(is_own);
    *tensors = others;
    for Placed { variable, .. } in own {
        let size = variable.size / 2;
        tensors.extend((0..2).map(|output| Placed {
            variable: Variable {
                name: row(&variable.name, output),
                shape: [&[1], &variable.shape[1..]].concat(),
                offset: variable.offset + output as u64 * size,
                size,
                ..variable.clone()
            },
            column_major: false,
        }));
    }
    Ok(())
}

fn check(placed: &Placed) -> Result<(), String> {
    let Placed {
        variable,
        column_major,
    } = placed;
    let expected = match variable.name.as_str() {
        "qa_outputs.weight" => "[2, hidden]",
        "qa_outputs.bias" => "[2]",
        other => return Err(format!("{other} belongs to no known head")),
    };
    let has_rows = variable.shape.first() == Some(&2) && variable.size.is_multiple_of(2);
    if !has_rows || variable.shape.len() != expected.split(',').count() {
        return Err(format!(
            "{} has shape {:?}; expected {expected}, a start and an end",
            variable.name, variable.shape
        ));
    }
    match column_major {
        true => Err(format!(
            "the values of {} are stored column by column; save the model with safetensors",
            variable.name
        )),
        false => Ok(()),
    }
}

/// Returns the reference's name of one output's part of the head of `task`; the layers are those of
/// a head without joint prediction.
pub(super) fn reference(name: &str, task: &str) -> Option<String> {
    let rest = name.strip_prefix("qa_outputs.")?;
    let (part, kind) = match rest.split_once('[')? {
        ("weight", output) => (output, "kernel"),
        ("bias", output) => (output, "bias"),
        _ => return None,
    };
    let layer = match part {
        "0]" => "dense",
        "1]" => "dense_1",
        _ => return None,
    };
    Some(format!("task_specific/{task}/{layer}/{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn placed(name: &str, shape: &[u64], offset: u64, column_major: bool) -> Placed {
        Placed {
            variable: Variable {
                name: name.into(),
                dtype: DType::F16,
                shape: shape.to_vec(),
                shard: 3,
                offset,
                size: 2 * shape.iter().product::<u64>(),
                crc32c: None,
            },
            column_major,
        }
    }

    #[test]
    fn each_output_has_its_own_bytes() {
        let mut tensors = vec![
            placed("qa_outputs.weight", &[2, 64], 100, false),
            placed("electra.x", &[2, 64], 500, true),
            placed("qa_outputs.bias", &[2], 400, false),
        ];
        part(&mut tensors).unwrap();
        let found: Vec<_> = tensors
            .iter()
            .map(|placed| &placed.variable)
            .map(|v| (v.name.as_str(), &v.shape[..], v.offset, v.size, v.shard))
            .collect();
        assert_eq!(
            found,
            [
                ("electra.x", &[2, 64][..], 500, 256, 3),
                ("qa_outputs.weight[0]", &[1, 64], 100, 128, 3),
                ("qa_outputs.weight[1]", &[1, 64], 228, 128, 3),
                ("qa_outputs.bias[0]", &[1], 400, 2, 3),
                ("qa_outputs.bias[1]", &[1], 402, 2, 3),
            ]
        );
        assert!(tensors[0].column_major);
        let names = found.iter().map(|row| reference(row.0, "squad"));
        assert_eq!(
            names.flatten().collect::<Vec<_>>(),
            [
                "task_specific/squad/dense/kernel",
                "task_specific/squad/dense_1/kernel",
                "task_specific/squad/dense/bias",
                "task_specific/squad/dense_1/bias",
            ]
        );
    }

    #[test]
    fn what_is_no_start_and_end_stays_whole_and_is_said() {
        for (tensor, expected) in [
            (
                placed("qa_outputs.weight", &[3, 64], 0, false),
                "qa_outputs.weight has shape [3, 64]; expected [2, hidden]",
            ),
            (
                placed("qa_outputs.weight", &[2], 0, false),
                "qa_outputs.weight has shape [2]; expected [2, hidden]",
            ),
            (
                placed("qa_outputs.bias", &[2, 1], 0, false),
                "qa_outputs.bias has shape [2, 1]; expected [2]",
            ),
            (
                placed("qa_outputs.weight", &[2, 64], 0, true),
                "stored column by column",
            ),
            (
                placed("qa_outputs.dense.weight", &[2, 64], 0, false),
                "qa_outputs.dense.weight belongs to no known head",
            ),
        ] {
            let mut tensors = vec![tensor];
            let error = part(&mut tensors).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert_eq!(tensors.len(), 1);
        }
        for other in ["qa_outputs.weight", "qa_outputs.weight[2]", "qa_outputs[0]"] {
            assert_eq!(reference(other, "squad"), None);
        }
    }
}
