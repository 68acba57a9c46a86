//! The hidden states of two towers side by side: a token is guessed from the left-to-right tower's state
//! before it and from the right-to-left tower's state after it.
//!
//! At the ends of a sequence the shift wraps round. Reproduces `TwoTowerClozeTransformer`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L284-L310>

use std::sync::Arc;

use burn::Tensor;

use super::vocabulary_loss::row_numbers;
use crate::{
    kernels::{
        lookup::{Ids, add_by_id},
        rows::rows,
    },
    packed::sequences::Sequences,
};

/// Which rows of the towers' states each token is guessed from.
#[derive(Debug, Clone)]
pub struct Joined {
    before: Arc<[u32]>,
    after: Arc<[u32]>,
    /// Rows of the towers, padding included.
    rows: usize,
}

impl Joined {
    /// The first `real` tokens of each of `sequences`; the rest is padding.
    pub fn new(sequences: &Sequences, real: &[usize]) -> Self {
        let places = |shift: &dyn Fn(usize, usize) -> usize| {
            row_numbers(real.iter().enumerate().flat_map(|(number, &real)| {
                let rows = sequences.rows(number);
                let (first, length) = (rows.start, rows.len());
                (0..real)
                    .map(move |place| (first, place, length))
                    .map(|(first, place, length)| first + shift(place, length))
            }))
        };
        Self {
            before: places(&|place, length| (place + length - 1) % length),
            after: places(&|place, length| (place + 1) % length),
            rows: sequences.tokens(),
        }
    }

    /// `[rows, hidden]` of each tower → `[tokens, 2 · hidden]`
    pub fn forward(&self, left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
        let parts = vec![
            rows(left, self.before.clone()),
            rows(right, self.after.clone()),
        ];
        Tensor::cat(parts, 1)
    }

    /// The gradients of the two towers' states, `[rows, hidden]`, given that of the result in f32.
    pub fn backward(&self, grad: Tensor<2>) -> [Tensor<2>; 2] {
        let [tokens, width] = grad.dims();
        let (hidden, device) = (width / 2, grad.device());
        let side = |columns: std::ops::Range<usize>, numbers: &Arc<[u32]>| {
            let part = grad.clone().slice([0..tokens, columns]);
            let zeros = Tensor::zeros([self.rows, hidden], &device);
            add_by_id(zeros, Ids::new(numbers.clone(), &device), part)
        };
        [
            side(0..hidden, &self.before),
            side(hidden..width, &self.after),
        ]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn a_token_is_guessed_from_its_neighbours() {
        let sequences = Sequences::new(&[3, 4], 0);
        // The second sequence has two tokens of padding.
        let joined = Joined::new(&sequences, &[3, 2]);
        assert_eq!(joined.before[..], [2, 0, 1, 6, 3]);
        assert_eq!(joined.after[..], [1, 2, 0, 4, 5]);
        let device = Device::flex();
        let states = |first: f32| {
            let values: Vec<f32> = (0..7).map(|row| first + row as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [7, 1]), &device)
        };
        let whole = joined.forward(states(0.0), states(10.0));
        let expected = [2.0, 11.0, 0.0, 12.0, 1.0, 10.0, 6.0, 14.0, 3.0, 15.0];
        assert_eq!(whole.clone().try_into_vec_as::<f32>().unwrap(), expected);
        let [left, right] = joined.backward(whole);
        let left = left.try_into_vec_as::<f32>().unwrap();
        let right = right.try_into_vec_as::<f32>().unwrap();
        assert_eq!(left, [0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 6.0]);
        assert_eq!(right, [10.0, 11.0, 12.0, 0.0, 14.0, 15.0, 0.0]);
    }
}
