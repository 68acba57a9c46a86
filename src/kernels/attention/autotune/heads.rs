//! Attention of single heads in f64, forward and backward, against which autotuning checks the
//! kernels' results.

use burn::{Tensor, tensor::FloatDType};

use super::super::Layout;
use crate::{
    device::DeviceError,
    kernels::autotune::timing::Samples,
    packed::random::{attention_column, row_word},
};

/// One head's rows of a matrix, `[length, size]`.
type Rows = Vec<Vec<f64>>;

/// One head's share of the attention results.
struct Head {
    first_row: usize,
    first_column: usize,
    context: Rows,
    /// Of queries, keys and values.
    gradients: [Rows; 3],
}

/// Sampled heads of a batch: a different one in the first, the middle and the last sequence.
pub(super) struct Heads {
    heads: Vec<Head>,
    /// Columns of all heads together.
    hidden: usize,
}

impl Heads {
    /// Computes the heads from queries, keys, values and the context's gradient, `[tokens, hidden]`
    /// each.
    pub fn of(inputs: &[Tensor<2>; 4], layout: &Layout) -> Result<Self, String> {
        let hidden = inputs[0].dims()[1];
        let mut values = Vec::with_capacity(4);
        for input in inputs {
            let data = input.clone().cast(FloatDType::F32).into_data();
            let read = data.try_to_vec::<f32>();
            values.push(read.map_err(|error| DeviceError::new(error).to_string())?);
        }
        let last = layout.sequences.len() - 1;
        let mut numbers = vec![0, last / 2, last];
        numbers.dedup();
        let heads = numbers.into_iter().enumerate();
        let heads = heads.map(|(place, number)| {
            let head = (5 * place + 2) % layout.heads;
            let size = hidden / layout.heads;
            let rows = |values: &Vec<f32>| -> Rows {
                let line = |row| {
                    let first = row * hidden + head * size;
                    values[first..first + size]
                        .iter()
                        .copied()
                        .map(f64::from)
                        .collect()
                };
                layout.sequences.rows(number).map(line).collect()
            };
            let inputs = [0, 1, 2, 3].map(|input| rows(&values[input]));
            Head::compute(&inputs, layout, number, head)
        });
        Ok(Self {
            heads: heads.collect(),
            hidden,
        })
    }

    /// Returns the expected attention output.
    pub fn context(&self) -> Vec<Samples> {
        vec![self.samples(|head| &head.context)]
    }

    /// Returns the expected gradients of queries, keys and values.
    pub fn gradients(&self) -> Vec<Samples> {
        let of = |input| self.samples(move |head: &Head| &head.gradients[input]);
        vec![of(0), of(1), of(2)]
    }

    fn samples(&self, part: impl Fn(&Head) -> &Rows) -> Samples {
        let mut samples = Samples::default();
        for head in &self.heads {
            for (row, values) in part(head).iter().enumerate() {
                let first = (head.first_row + row) * self.hidden + head.first_column;
                samples.extend(first, values);
            }
        }
        samples
    }
}

impl Head {
    fn compute([q, k, v, grad]: &[Rows; 4], layout: &Layout, number: usize, head: usize) -> Self {
        let (length, size) = (q.len(), q[0].len());
        let scale = 1.0 / (size as f64).sqrt();
        let place = layout.sequences.places()[number];
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let add = |to: &mut [f64], factor: f64, values: &[f64]| {
            for (to, value) in to.iter_mut().zip(values) {
                *to += factor * value;
            }
        };
        let zeros = || vec![vec![0.0; size]; length];
        let (mut context, [mut dq, mut dk, mut dv]) = (zeros(), [zeros(), zeros(), zeros()]);
        for i in 0..length {
            let scores: Vec<f64> = k.iter().map(|key| scale * dot(&q[i], key)).collect();
            let greatest = scores.iter().copied().fold(f64::MIN, f64::max);
            let shares: Vec<f64> = scores.iter().map(|s| (s - greatest).exp()).collect();
            let total: f64 = shares.iter().sum();
            let factor = |key: usize| match layout.mask {
                None => 1.0,
                Some(mask) => {
                    let column = attention_column(head as u32, key as u32);
                    f64::from(mask.factor(row_word(place, i as u32), column))
                }
            };
            let factors: Vec<f64> = (0..length).map(factor).collect();
            // Gradients of the probabilities before dropout.
            let slopes: Vec<f64> = (0..length)
                .map(|j| factors[j] * dot(&grad[i], &v[j]))
                .collect();
            let mean: f64 = dot(&shares, &slopes) / total;
            for j in 0..length {
                let p = shares[j] / total;
                add(&mut context[i], p * factors[j], &v[j]);
                add(&mut dv[j], p * factors[j], &grad[i]);
                let slope = scale * p * (slopes[j] - mean);
                add(&mut dq[i], slope, &k[j]);
                add(&mut dk[j], slope, &q[i]);
            }
        }
        Self {
            first_row: layout.sequences.rows(number).start,
            first_column: head * size,
            context,
            gradients: [dq, dk, dv],
        }
    }
}
