//! A rank's gradients, read from its device to be summed with those of the other ranks.

use burn::{
    Tensor,
    module::{Module, ParamId},
    tensor::{Device, TensorData},
};

use super::gradients::{Gradients, WordTable};
use crate::{
    device::DeviceError,
    kernels::square_sum::{PARTS, SquareSum},
    model::record::for_each_parameter,
    ranks::Ranks,
};

/// All gradients of a model in one list. Every rank has as many values, in the same order: a parameter
/// without a gradient, as that of a head whose task has no example here, has zeros.
pub struct ReadGradients {
    /// Figures of the step; the partial sums of squares of each word table; the gradients in the order
    /// of the modules.
    values: Vec<f32>,
    figures: usize,
    /// The tables whose rows are counted separately.
    tables: Vec<ParamId>,
    parameters: Vec<(ParamId, Vec<usize>)>,
}

impl ReadGradients {
    /// Reads the gradients of every trained parameter, and `figures` `[figures]`, which the ranks sum
    /// with them.
    ///
    /// # Errors
    /// If the device fails. Nothing was exchanged then, and the rank may compute its share again.
    pub fn read(
        mut gradients: Gradients,
        figures: Tensor<1>,
        model: &impl Module,
        tasks: &[String],
    ) -> Result<Self, DeviceError> {
        let mut values = read(figures)?;
        let count = values.len();
        let mut tables = Vec::new();
        for table in &gradients.word_tables {
            tables.push(table.id);
            values.extend(read(table.rows_square.clone().into_sums())?);
        }
        let mut parameters: Vec<(ParamId, Vec<usize>)> = Vec::new();
        let mut result = Ok(());
        for_each_parameter(model, tasks, |parameter| {
            let is_read = parameters.iter().any(|(id, _)| *id == parameter.id);
            if !parameter.trained || is_read || result.is_err() {
                return;
            }
            let gradient = match *parameter.shape {
                [_] => gradients.take::<1>(parameter.id),
                _ => gradients.take::<2>(parameter.id),
            };
            let elements = parameter.shape.iter().product::<usize>();
            match gradient.map(read) {
                Some(Ok(gradient)) => values.extend(gradient),
                Some(Err(error)) => result = Err(error),
                None => values.resize(values.len() + elements, 0.0),
            }
            parameters.push((parameter.id, parameter.shape.to_vec()));
        });
        result.map(|()| Self {
            values,
            figures: count,
            tables,
            parameters,
        })
    }

    /// Sums over the ranks, and puts the sums on this one's device. Returns the figures `[figures]`,
    /// too.
    pub fn sum(mut self, ranks: &Ranks, device: &Device) -> (Gradients, Tensor<1>) {
        ranks.sum(&mut self.values);
        let mut rest = self.values.as_slice();
        let mut next = |elements: usize| -> Tensor<1> {
            let (values, others) = rest.split_at(elements);
            rest = others;
            let data = TensorData::new(values.to_vec(), [elements]);
            Tensor::from_data(data, device)
        };
        let figures = next(self.figures);
        let squares: Vec<_> = self.tables.iter().map(|_| next(PARTS)).collect();
        let mut gradients = Gradients::default();
        for (id, shape) in self.parameters {
            let values = next(shape.iter().product());
            let table = self.tables.iter().position(|table| *table == id);
            match (shape.as_slice(), table) {
                (&[rows, columns], Some(number)) => gradients.word_tables.push(WordTable {
                    id,
                    sum: values.reshape([rows, columns]),
                    rows_square: SquareSum::of_sums(squares[number].clone()),
                }),
                (&[rows, columns], None) => {
                    let values = values.reshape([rows, columns]);
                    gradients.parameters.put(id, values);
                }
                _ => gradients.parameters.put(id, values),
            }
        }
        (gradients, figures)
    }
}

fn read(values: Tensor<1>) -> Result<Vec<f32>, DeviceError> {
    values.try_into_vec_as::<f32>().map_err(DeviceError::new)
}
