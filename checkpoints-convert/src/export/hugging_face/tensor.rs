//! The tensors of a model of `transformers` and what each is made of: a record's parameters enter; names,
//! shapes and bytes leave.
//!
//! A classification or regression head of one layer `z = h·W + b` has the form of `transformers`'
//! classifier, two layers with GELU between, by `gelu(z) − gelu(−z) = z·(Φ(z) + Φ(−z)) = z`: the hidden
//! layer holds each output and its opposite, the last one takes their difference. What is left of the
//! hidden layer is 0.

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

/// A tensor that is to be written.
pub(super) struct Planned {
    pub exported: ExportedTensor,
    /// What its values come from, in this order.
    pub parts: Vec<Parameter>,
    form: Form,
}

/// How values become those of the tensor.
enum Form {
    /// One part after the other.
    Joined,
    /// The axes of the only part exchanged.
    Transposed,
    /// Each output of a layer with so many, and its opposite, as rows of a hidden layer.
    Opposed { outputs: usize },
    /// The axes exchanged if it is a matrix, and each value as `factor · value + offset`.
    Scaled { factor: f32, offset: f32 },
    /// These values; there are no parts.
    Fixed(Vec<f32>),
}

/// Every tensor of a model with this head.
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

/// A tensor that is one parameter.
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

/// The start and the end of questions as the two outputs of one layer. A layer of one output is the same
/// bytes either way round.
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

/// The four tensors of a classifier that computes what one layer does.
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

/// A parameter of a classifier that has the form of `transformers` already. Its numbers are those of the
/// labels there.
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

/// What the last layer is multiplied with and what is added, so that a regression gives the numbers of
/// the labels.
fn scale(dense: &DenseShape) -> [f32; 2] {
    match (dense.kind, dense.range) {
        (Some(DenseKind::Regression), Some([min, max])) => [(max - min) as f32, min as f32],
        _ => [1.0, 0.0],
    }
}

impl Planned {
    /// Bytes of the values.
    pub fn size(&self) -> u64 {
        4 * self.exported.shape.iter().product::<u64>()
    }

    /// Writes the little-endian float32 values, which are taken out of the record; `failed` makes an
    /// error of what goes wrong with `out`.
    ///
    /// # Errors
    /// A part cannot be read, or `out` cannot be written.
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

/// The columns of a `[rows, outputs]` matrix as rows, each with its opposite behind it, and zeros up to
/// `size` bytes. A bias is a matrix of one row.
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
        // [3, 2], to be [6, 3].
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
