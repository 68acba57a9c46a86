//! The tensors of a `transformers` model and how each is computed. Takes a record's parameters; yields names,
//! shapes and bytes.
//!
//! A classification or regression head with one layer, `z = h·W + b`, is written in the form of
//! `transformers`' classifier, two layers with a GELU in between, using
//! `gelu(z) − gelu(−z) = z·(Φ(z) + Φ(−z)) = z`: the hidden layer computes each output and its negative, and
//! the last layer takes their difference. The rest of the hidden layer is 0.

use std::io::{self, Write};

use super::super::ExportedTensor;
use super::super::head::Head;
use crate::Error;
use crate::config::RecordConfig;
use crate::framework::Framework;
use crate::head_shape::{DenseKind, DenseShape, HeadShape};
use crate::hugging_face::Class;
use crate::names::{self, Parameter};
use crate::stored_record::StoredRecord;
use crate::transpose::transpose;

/// A tensor to write.
pub(super) struct Planned {
    pub exported: ExportedTensor,
    /// The parameters that its values come from, in this order.
    pub parts: Vec<Parameter>,
    form: Form,
}

/// How its values are computed.
enum Form {
    /// Concatenates the parts.
    Joined,
    /// Transposes the only part.
    Transposed,
    /// Each output of a layer with this many, and its negative, as rows of a hidden layer.
    Opposed { outputs: usize },
    /// Transposes a matrix, and maps each value to `factor · value + offset`.
    Scaled { factor: f32, offset: f32 },
    /// These values; there are no parts.
    Fixed(Vec<f32>),
}

/// All tensors of a model with this head.
pub(super) fn plan(config: &RecordConfig, head: Option<&Head>) -> Vec<Planned> {
    let encoder = names::encoder_parameters(config).into_iter().map(single);
    let mut planned: Vec<Planned> = encoder.collect();
    let Some(head) = head else {
        return planned;
    };
    let parameters = names::head_parameters(config, &head.task, &head.shape);
    match (&head.shape, head.class) {
        (HeadShape::Span(_), _) => planned.extend(questions(config, &head.task, parameters)),
        (HeadShape::Dense(dense), Class::Texts) if !dense.hidden_layer => {
            planned.extend(linear(config, dense, parameters));
        }
        (HeadShape::Dense(dense), Class::Texts) => {
            planned.extend(
                parameters
                    .into_iter()
                    .map(|parameter| scaled(dense, parameter)),
            );
        }
        (HeadShape::Dense(_), _) => planned.extend(parameters.into_iter().map(single)),
    }
    planned
}

/// A tensor equal to one parameter.
pub(super) fn single(parameter: Parameter) -> Planned {
    let framework = Framework::HuggingFace;
    let is_transposed = framework.is_transposed(&parameter.variable) && parameter.shape.len() == 2;
    Planned {
        exported: ExportedTensor {
            name: framework.name(&parameter.variable),
            shape: framework.shape(&parameter.variable, &parameter.shape),
            parameter: parameter.path.clone(),
        },
        form: match is_transposed {
            true => Form::Transposed,
            false => Form::Joined,
        },
        parts: vec![parameter],
    }
}

/// The start and the end of answers as the two outputs of one layer. A layer with one output has the same
/// bytes in either layout.
fn questions(config: &RecordConfig, task: &str, parameters: Vec<Parameter>) -> Vec<Planned> {
    let hidden = config.model.hidden_size as u64;
    [("weight", vec![2, hidden]), ("bias", vec![2])]
        .map(|(part, shape)| {
            let paths = ["start", "end"].map(|layer| format!("heads.{task}.{layer}.{part}"));
            let own = |path: &String| parameters.iter().find(|p| p.path == *path).cloned();
            Planned {
                parts: paths.iter().filter_map(own).collect(),
                exported: ExportedTensor {
                    name: format!("qa_outputs.{part}"),
                    shape,
                    parameter: paths.join(" + "),
                },
                form: Form::Joined,
            }
        })
        .into()
}

/// The four tensors of a classifier equivalent to a single layer.
fn linear(config: &RecordConfig, dense: &DenseShape, parameters: Vec<Parameter>) -> Vec<Planned> {
    let (hidden, outputs) = (config.model.hidden_size, dense.outputs);
    let [factor, offset] = scale(dense);
    let mut last = vec![0.0; outputs * hidden];
    for output in 0..outputs {
        let row = output * hidden + 2 * output;
        last[row] = factor;
        last[row + 1] = -factor;
    }
    let fixed = |part: &str, shape: Vec<u64>, values: Vec<f32>| Planned {
        exported: ExportedTensor {
            name: format!("classifier.out_proj.{part}"),
            shape,
            parameter: "made, so that the two layers are the record's one".into(),
        },
        parts: Vec::new(),
        form: Form::Fixed(values),
    };
    let (width, rows) = (hidden as u64, outputs as u64);
    let mut planned: Vec<Planned> = parameters
        .into_iter()
        .map(|parameter| {
            let (part, shape) = match parameter.shape.len() {
                2 => ("weight", vec![width, width]),
                _ => ("bias", vec![width]),
            };
            Planned {
                exported: ExportedTensor {
                    name: format!("classifier.dense.{part}"),
                    shape,
                    parameter: parameter.path.clone(),
                },
                parts: vec![parameter],
                form: Form::Opposed { outputs },
            }
        })
        .collect();
    planned.push(fixed("weight", vec![rows, width], last));
    planned.push(fixed("bias", vec![rows], vec![offset; outputs]));
    planned
}

/// A parameter of a classifier that already has the form of `transformers`. Its outputs there are in the
/// units of the labels.
fn scaled(dense: &DenseShape, parameter: Parameter) -> Planned {
    let is_last = parameter.variable.contains("/classifier/out_proj/");
    let [factor, offset] = scale(dense);
    let is_bias = parameter.shape.len() == 1;
    let mut planned = single(parameter);
    if is_last && [factor, offset] != [1.0, 0.0] {
        let offset = if is_bias { offset } else { 0.0 };
        planned.form = Form::Scaled { factor, offset };
    }
    planned
}

/// Factor and offset of the last layer, so that a regression outputs values in the units of the labels.
fn scale(dense: &DenseShape) -> [f32; 2] {
    match (dense.kind, dense.range) {
        (Some(DenseKind::Regression), Some([min, max])) => [(max - min) as f32, min as f32],
        _ => [1.0, 0.0],
    }
}

impl Planned {
    /// Size of the values in bytes.
    pub fn size(&self) -> u64 {
        4 * self.exported.shape.iter().product::<u64>()
    }

    /// Writes the little-endian float32 values, which are removed from the record; `failed` converts an error
    /// of `out`.
    ///
    /// # Errors
    /// If a part cannot be read, or `out` cannot be written.
    pub fn write(
        &self,
        record: &mut StoredRecord,
        out: &mut dyn Write,
        failed: &dyn Fn(io::Error) -> Error,
    ) -> Result<(), Error> {
        if let Form::Fixed(values) = &self.form {
            return out
                .write_all(&bytes(values.iter().copied()))
                .map_err(failed);
        }
        for part in &self.parts {
            let values = record.take(part)?;
            let matrix = match part.shape[..] {
                [rows, columns] => Some([rows as usize, columns as usize]),
                _ => None,
            };
            let exchanged = || matrix.map(|[rows, columns]| transpose(&values, rows, columns));
            match &self.form {
                Form::Joined | Form::Fixed(_) => out.write_all(&values),
                Form::Transposed => out.write_all(&exchanged().unwrap_or_else(|| values.to_vec())),
                Form::Opposed { outputs } => {
                    out.write_all(&opposed(&values, *outputs, self.size() as usize))
                }
                Form::Scaled { factor, offset } => {
                    let values = exchanged().unwrap_or_else(|| values.to_vec());
                    let scaled = floats(&values).map(|value| factor * value + offset);
                    out.write_all(&bytes(scaled))
                }
            }
            .map_err(failed)?;
        }
        Ok(())
    }
}

/// The columns of a `[rows, outputs]` matrix as rows, each followed by its negative, then zeros up to `size`
/// bytes. A bias is a matrix with one row.
fn opposed(values: &[u8], outputs: usize, size: usize) -> Vec<u8> {
    let values: Vec<f32> = floats(values).collect();
    let mut opposed = Vec::with_capacity(size);
    for output in 0..outputs {
        for sign in [1.0, -1.0] {
            let column = values.iter().skip(output).step_by(outputs);
            opposed.extend(column.flat_map(|value| (sign * value).to_le_bytes()));
        }
    }
    opposed.resize(size, 0);
    opposed
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value))
}

fn bytes(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_and_its_opposite_are_rows() {
        // [3, 2], to become [6, 3].
        let kernel = bytes([1.0, 10.0, 2.0, 20.0, 3.0, 30.0].into_iter());
        let rows: Vec<f32> = floats(&opposed(&kernel, 2, 6 * 3 * 4)).collect();
        let expected = [
            [1.0, 2.0, 3.0],
            [-1.0, -2.0, -3.0],
            [10.0, 20.0, 30.0],
            [-10.0, -20.0, -30.0],
            [0.0; 3],
            [0.0; 3],
        ];
        assert_eq!(rows, expected.concat());
        let bias = bytes([5.0, -7.0].into_iter());
        let found: Vec<f32> = floats(&opposed(&bias, 2, 6 * 4)).collect();
        assert_eq!(found, [5.0, -5.0, -7.0, 7.0, 0.0, 0.0]);
    }

    #[test]
    fn a_regression_s_last_layer_gives_the_numbers_of_the_labels() {
        let dense = |range| DenseShape {
            kind: Some(DenseKind::Regression),
            range,
            ..DenseShape::new(1)
        };
        assert_eq!(scale(&dense(Some([1.0, 5.0]))), [4.0, 1.0]);
        assert_eq!(scale(&dense(Some([0.0, 1.0]))), [1.0, 0.0]);
        assert_eq!(scale(&dense(None)), [1.0, 0.0]);
    }
}
