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
    /// Figures of the step; then the gradients in the order of the modules, that of a table whose rows
    /// are counted separately after its partial sums of squares.
    values: Vec<f32>,
    figures: usize,
    parameters: Vec<Place>,
}

/// Where a parameter's values are.
struct Place {
    id: ParamId,
    shape: Vec<usize>,
    /// Whether it is a table that is only looked up.
    is_table: bool,
}

impl ReadGradients {
    /// Reads the gradients of every trained parameter, and takes `figures` of the step, which the ranks
    /// sum with them. The tables that are only looked up must be there in every rank.
    ///
    /// # Errors
    /// If the device fails. Nothing was exchanged then, and the rank may compute its share again.
    pub fn read(
        mut gradients: Gradients,
        figures: Vec<f32>,
        model: &impl Module,
        tasks: &[String],
    ) -> Result<Self, DeviceError> {
        let count = figures.len();
        let mut values = figures;
        let mut parameters: Vec<Place> = Vec::new();
        let mut result = Ok(());
        for_each_parameter(model, tasks, |parameter| {
            let (id, shape) = (parameter.id, parameter.shape.to_vec());
            let is_read = parameters.iter().any(|it| it.id == id);
            if !parameter.trained || is_read || result.is_err() {
                return;
            }
            let table = gradients.word_tables.iter().find(|it| it.id == id);
            let squares = table.map(|table| table.rows_square.clone().into_sums());
            let is_table = squares.is_some();
            let gradient = match shape.as_slice() {
                [_] => gradients.take::<1>(id),
                _ => gradients.take::<2>(id),
            };
            if gradient.is_none() {
                values.resize(values.len() + shape.iter().product::<usize>(), 0.0);
            }
            for part in squares.into_iter().chain(gradient) {
                match read(part) {
                    Ok(part) => values.extend(part),
                    Err(error) => result = Err(error),
                }
            }
            parameters.push(Place {
                id,
                shape,
                is_table,
            });
        });
        result.map(|()| Self {
            values,
            figures: count,
            parameters,
        })
    }

    /// Sums over the ranks, and puts the sums on this one's device. Returns the figures, too.
    pub fn sum(mut self, ranks: &Ranks, device: &Device) -> (Gradients, Vec<f32>) {
        ranks.sum(&mut self.values);
        let (figures, mut rest) = self.values.split_at(self.figures);
        let mut next = |elements: usize| -> Tensor<1> {
            let (values, others) = rest.split_at(elements);
            rest = others;
            let data = TensorData::new(values.to_vec(), [elements]);
            Tensor::from_data(data, device)
        };
        let mut gradients = Gradients::default();
        for place in &self.parameters {
            let id = place.id;
            let squares = place.is_table.then(|| next(PARTS));
            let values = next(place.shape.iter().product());
            let &[rows, columns] = place.shape.as_slice() else {
                gradients.parameters.put(id, values);
                continue;
            };
            let values = values.reshape([rows, columns]);
            match squares {
                None => gradients.parameters.put(id, values),
                Some(squares) => gradients.word_tables.push(WordTable {
                    id,
                    sum: values,
                    rows_square: SquareSum::of_sums(squares),
                }),
            }
        }
        (gradients, figures.to_vec())
    }
}

/// The values of a tensor on a device, `[elements]`.
pub fn read(values: Tensor<1>) -> Result<Vec<f32>, DeviceError> {
    values.try_into_vec_as::<f32>().map_err(DeviceError::new)
}
