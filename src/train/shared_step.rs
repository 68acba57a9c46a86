//! The gradients of a step whose examples several ranks share.

use burn::{Tensor, module::ParamId, tensor::Device};

use super::{
    gradients::{Gradients, WordTable},
    outgoing::Outgoing,
};
use crate::{
    device::DeviceError,
    kernels::square_sum::{PARTS, SquareSum},
    ranks::Ranks,
};

/// A rank's share of a step, all of which it has given to the sums.
pub struct Share {
    outgoing: Outgoing,
    /// The tables that are only looked up.
    tables: Vec<ParamId>,
}

impl Share {
    /// Gives the gradients that a rank has computed, of which the backward pass has given some before, and
    /// figures of the step, `[figures]`. The tables that are only looked up must be there in every rank.
    ///
    /// # Errors
    /// If the device fails. The rank may compute its share again, and give what is still missing.
    pub fn give(
        mut outgoing: Outgoing,
        mut gradients: Gradients,
        figures: Option<Tensor<1>>,
    ) -> Result<Self, (Outgoing, DeviceError)> {
        let squares = |place| {
            let mut tables = gradients.word_tables.iter();
            let table = tables.find(|table| table.id == place)?;
            Some((place, table.rows_square.clone().into_sums()))
        };
        let places = outgoing.places().iter();
        // In the order of the parameters, which all ranks have.
        let (tables, squares): (Vec<_>, Vec<_>) =
            places.filter_map(|place| squares(place.id)).unzip();
        let more = squares.into_iter().chain(figures).collect();
        let given = outgoing.finish(
            |place| match *place.shape.as_slice() {
                [_] => gradients.take::<1>(place.id),
                _ => gradients.take::<2>(place.id),
            },
            more,
        );
        match given {
            Ok(()) => Ok(Self { outgoing, tables }),
            Err(error) => Err((outgoing, error)),
        }
    }

    /// Sums the shares of all ranks to the gradients of the step, on this one's device. Returns the sums of
    /// the figures, too.
    pub fn sum(self, ranks: &Ranks, device: &Device) -> (Gradients, Vec<f32>) {
        let Self { outgoing, tables } = self;
        let mut gradients = Gradients::default();
        let mut sums: Vec<Option<Tensor<2>>> = tables.iter().map(|_| None).collect();
        let more = outgoing.sums(ranks, |place, values| {
            let &[rows, columns] = place.shape.as_slice() else {
                return gradients.parameters.put(place.id, values);
            };
            let values = values.reshape([rows, columns]);
            match tables.iter().position(|&id| id == place.id) {
                None => gradients.parameters.put(place.id, values),
                Some(table) => sums[table] = Some(values),
            }
        });
        let mut rest = more.as_slice();
        for (id, sum) in tables.into_iter().zip(sums) {
            let squares;
            (squares, rest) = rest.split_at(PARTS);
            let squares = Tensor::from_floats(squares, device);
            gradients.word_tables.extend(sum.map(|sum| WordTable {
                id,
                sum,
                rows_square: SquareSum::of_sums(squares),
            }));
        }
        (gradients, rest.to_vec())
    }
}
