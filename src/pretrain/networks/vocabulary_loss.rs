//! Softmax cross-entropy over the whole vocabulary, its gradients, and tokens sampled from the same scores.
//!
//! The scores, `[rows, vocab]`, are the product of a head's rows and the word table, and the largest tensor
//! in a step. So rows are processed in blocks, and everything needed from a block's scores is computed at
//! once. The gradients need no second pass, because the denominators of the losses are known in advance.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData},
};

use crate::kernels::{
    lookup::{Ids, add_by_id},
    work,
};

/// Maximum number of scores held at once: 64 MB.
const AT_ONCE: usize = 1 << 24;

/// What rows are multiplied with to get scores.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// `[vocab, embedding]`
    pub table: Tensor<2>,
    /// `[vocab]`
    pub bias: Tensor<1>,
}

/// How tokens are sampled from their scores.
#[derive(Debug, Clone)]
pub struct Draw {
    /// Two numbers for each row, uniform in [0, 1) in steps of 2⁻²³.
    pub uniform: Vec<[f32; 2]>,
    pub temperature: f64,
    /// Never sample the right token.
    pub others_only: bool,
}

/// What the scores of the rows yield, `[rows]` each.
#[derive(Debug, Clone)]
pub struct Guesses {
    /// `−log softmax` at the target.
    pub losses: Tensor<1>,
    /// `log Σ exp` over all scores.
    pub log_sums: Tensor<1>,
    /// The token with the highest score.
    pub best: Tensor<1, Int>,
    /// The sampled token, if sampling was requested.
    pub drawn: Option<Tensor<1, Int>>,
}

/// Gradients of Σ weight · loss.
#[derive(Debug, Clone)]
pub struct VocabularyGradients {
    /// `[rows, embedding]`
    pub rows: Tensor<2>,
    /// `[vocab, embedding]`
    pub table: Tensor<2>,
    /// `[vocab]`
    pub bias: Tensor<1>,
}

impl Vocabulary {
    /// Guesses from `rows` `[rows, embedding]`, given the right tokens, `targets`.
    pub fn guess(&self, rows: Tensor<2>, targets: &[u32], draw: Option<&Draw>) -> Guesses {
        self.run(rows, targets, draw, None).0
    }

    /// Also computes the gradients of the losses, each times its weight.
    pub fn learn(
        &self,
        rows: Tensor<2>,
        targets: &[u32],
        weights: &[f32],
        draw: Option<&Draw>,
    ) -> (Guesses, VocabularyGradients) {
        let (guesses, gradients) = self.run(rows, targets, draw, Some(weights));
        (guesses, gradients.expect("weights were given"))
    }

    /// `log softmax` at tokens other than the targets, `[rows]`, given the log-sum-exp of the scores.
    pub fn log_shares(&self, rows: Tensor<2>, tokens: &[u32], log_sums: Tensor<1>) -> Tensor<1> {
        let ids = int_tensor(tokens, &rows.device());
        let scores = rows * self.table.clone().select(0, ids.clone());
        let scores: Tensor<1> = scores.sum_dim(1).squeeze_dim(1);
        scores + self.bias.clone().select(0, ids) - log_sums
    }

    fn run(
        &self,
        rows: Tensor<2>,
        targets: &[u32],
        draw: Option<&Draw>,
        weights: Option<&[f32]>,
    ) -> (Guesses, Option<VocabularyGradients>) {
        let [count, width] = rows.dims();
        assert_eq!(count, targets.len());
        let [vocab, _] = self.table.dims();
        let device = rows.device();
        let in_time = work::most_tokens(&device, [width, vocab]).unwrap_or(usize::MAX);
        let block = (AT_ONCE / vocab).min(in_time).max(1);
        // A product of a block with the table, or with its scores.
        let launching =
            |rows: usize| work::launching_on(&device, 2.0 * (rows * width * vocab) as f64);
        let (mut losses, mut log_sums) = (Vec::new(), Vec::new());
        let (mut best, mut drawn) = (Vec::new(), Vec::new());
        let mut row_gradients = Vec::new();
        let mut sums = weights.map(|_| {
            let table = Tensor::<2>::zeros([vocab, width], &device);
            (table, Tensor::<2>::zeros([vocab, 1], &device))
        });
        let mut sampler = draw.map(|draw| Sampler::new(draw, vocab, &device));
        for first in (0..count).step_by(block) {
            let end = (first + block).min(count);
            let x = rows.clone().slice([first..end, 0..width]);
            let right = &targets[first..end];
            let ids = int_tensor(right, &device);
            let index: Tensor<2, Int> = ids.clone().unsqueeze_dim(1);
            launching(end - first);
            let scores = x.clone().matmul(self.table.clone().transpose());
            let scores = scores + self.bias.clone().unsqueeze_dim(0);
            let greatest = scores.clone().max_dim(1);
            let shares = (scores.clone() - greatest.clone()).exp();
            let total = shares.clone().sum_dim(1);
            let log_sum = total.clone().log() + greatest;
            losses.push(log_sum.clone() - scores.clone().gather(1, index.clone()));
            log_sums.push(log_sum);
            best.push(scores.clone().argmax(1));
            if let Some(sampler) = &mut sampler {
                drawn.push(sampler.draw(scores, index, first));
            }
            let (Some(weights), Some((table, bias))) = (weights, sums.take()) else {
                continue;
            };
            // weight · (softmax − 1 at the target): the 1 is subtracted from rows and table by id, which
            // saves a second matrix of this size.
            let weights = TensorData::new(weights[first..end].to_vec(), [end - first, 1]);
            let weights = Tensor::<2>::from_data(weights, &device);
            let slopes = shares * (weights.clone() / total);
            let targets = self.table.clone().select(0, ids) * weights.clone();
            launching(end - first);
            row_gradients.push(slopes.clone().matmul(self.table.clone()) - targets);
            let ids = Ids::new(right.into(), &device);
            launching(end - first);
            let table = table + slopes.clone().transpose().matmul(x.clone());
            let table = add_by_id(table, ids.clone(), (x * weights.clone()).neg());
            let bias = bias + slopes.sum_dim(0).transpose();
            sums = Some((table, add_by_id(bias, ids, weights.neg())));
        }
        let none = || Tensor::<2>::zeros([0, 1], &device);
        let join = |parts: Vec<Tensor<2>>| -> Tensor<1> {
            match parts.is_empty() {
                true => none().squeeze_dim(1),
                false => Tensor::cat(parts, 0).squeeze_dim(1),
            }
        };
        let join_ids = |parts: Vec<Tensor<2, Int>>| -> Tensor<1, Int> {
            match parts.is_empty() {
                true => int_tensor(&[], &device),
                false => Tensor::cat(parts, 0).squeeze_dim(1),
            }
        };
        let guesses = Guesses {
            losses: join(losses),
            log_sums: join(log_sums),
            best: join_ids(best),
            drawn: draw.map(|_| join_ids(drawn)),
        };
        let gradients = sums.map(|(table, bias)| VocabularyGradients {
            rows: match row_gradients.is_empty() {
                true => Tensor::zeros([0, width], &device),
                false => Tensor::cat(row_gradients, 0),
            },
            table,
            bias: bias.squeeze_dim(1),
        });
        (guesses, gradients)
    }
}

fn int_tensor(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Samples tokens from the softmax of their scores.
///
/// The reference takes the highest score after adding Gumbel noise, which is such a sample but needs a random
/// number for every token of the vocabulary. Here one number selects a block of tokens by the blocks' sums,
/// and another a token in the block.
struct Sampler<'a> {
    draw: &'a Draw,
    vocab: usize,
    /// Tokens in a block.
    block: usize,
    blocks: usize,
    /// Matrices that compute running sums, `[columns, columns]`: within blocks, and over blocks.
    within: Tensor<2>,
    over: Tensor<2>,
}

impl<'a> Sampler<'a> {
    fn new(draw: &'a Draw, vocab: usize, device: &Device) -> Self {
        let block = (vocab as f64).sqrt().ceil() as usize;
        let blocks = vocab.div_ceil(block);
        let sums = |columns: usize| {
            let ones = (0..columns * columns).map(|at| at / columns <= at % columns);
            let ones: Vec<f32> = ones.map(|is_one| f32::from(u8::from(is_one))).collect();
            Tensor::from_data(TensorData::new(ones, [columns, columns]), device)
        };
        Self {
            draw,
            vocab,
            block,
            blocks,
            within: sums(block),
            over: sums(blocks),
        }
    }

    /// A token for each row of `scores` `[rows, vocab]`, whose first row has the number `first`; `[rows, 1]`.
    fn draw(&mut self, scores: Tensor<2>, right: Tensor<2, Int>, first: usize) -> Tensor<2, Int> {
        let [rows, vocab] = scores.dims();
        let device = scores.device();
        let mut scores = scores / self.draw.temperature;
        if self.draw.others_only {
            let tokens = Tensor::<1, Int>::arange(0..vocab as i64, &device);
            let tokens: Tensor<2, Int> = tokens.unsqueeze_dim(0);
            let is_right = tokens
                .expand([rows, vocab])
                .equal(right.expand([rows, vocab]));
            scores = scores.mask_fill(is_right, -1e30);
        }
        let greatest = scores.clone().max_dim(1);
        let shares = (scores - greatest).exp();
        let missing = self.block * self.blocks - self.vocab;
        let shares = match missing {
            0 => shares,
            missing => Tensor::cat(vec![shares, Tensor::zeros([rows, missing], &device)], 1),
        };
        let blocks: Tensor<3> = shares.clone().reshape([rows, self.blocks, self.block]);
        let sums: Tensor<2> = blocks.sum_dim(2).squeeze_dim(2);
        let uniform = &self.draw.uniform[first..first + rows];
        let number = |which: usize| {
            let values: Vec<f32> = uniform.iter().map(|pair| pair[which]).collect();
            Tensor::<2>::from_data(TensorData::new(values, [rows, 1]), &device)
        };
        let chosen = place(sums.matmul(self.over.clone()), number(0));
        let starts: Vec<i32> = (0..rows).map(|row| (row * self.blocks) as i32).collect();
        let starts = Tensor::<2, Int>::from_data(TensorData::new(starts, [rows, 1]), &device);
        let rows_of_blocks = shares.reshape([rows * self.blocks, self.block]);
        let lines: Tensor<1, Int> = (chosen.clone() + starts).squeeze_dim(1);
        let within = rows_of_blocks.select(0, lines);
        let token = place(within.matmul(self.within.clone()), number(1));
        (chosen * self.block as i32 + token).clamp_max(self.vocab as i32 - 1)
    }
}

/// The first column whose running sum exceeds `uniform` times the last, `[rows, 1]`. A column that adds
/// nothing is never chosen: its sum equals the previous one.
fn place(sums: Tensor<2>, uniform: Tensor<2>) -> Tensor<2, Int> {
    let [rows, columns] = sums.dims();
    let all = sums.clone().slice([0..rows, columns - 1..columns]);
    let reached = (all * uniform).expand([rows, columns]);
    let below = sums.lower_equal(reached).int().sum_dim(1);
    below.clamp_max(columns as i32 - 1)
}

/// Row numbers in the form that the kernels take.
pub(in crate::pretrain) fn row_numbers(rows: impl Iterator<Item = usize>) -> Arc<[u32]> {
    rows.map(|row| row as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCAB: usize = 11;
    const WIDTH: usize = 3;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(next).collect()
    }

    fn case(rows: usize) -> (Vocabulary, Tensor<2>, Vec<u32>) {
        let device = Device::flex();
        let tensor = |values, shape| Tensor::from_data(TensorData::new(values, shape), &device);
        let vocabulary = Vocabulary {
            table: tensor(numbers(VOCAB * WIDTH, 1), [VOCAB, WIDTH]),
            bias: Tensor::from_data(TensorData::new(numbers(VOCAB, 2), [VOCAB]), &device),
        };
        let targets = (0..rows).map(|row| (row * 4 % VOCAB) as u32).collect();
        (
            vocabulary,
            tensor(numbers(rows * WIDTH, 3), [rows, WIDTH]),
            targets,
        )
    }

    fn values(tensor: Tensor<2>) -> Vec<f64> {
        let values = tensor.try_into_vec_as::<f32>().unwrap();
        values.into_iter().map(f64::from).collect()
    }

    /// Scores of one row in f64.
    fn scores(vocabulary: &Vocabulary, row: &[f64]) -> Vec<f64> {
        let table = values(vocabulary.table.clone());
        let bias = values(vocabulary.bias.clone().unsqueeze_dim(1));
        let product = |token: usize| -> f64 {
            let of_token = &table[token * WIDTH..(token + 1) * WIDTH];
            of_token.iter().zip(row).map(|(a, b)| a * b).sum()
        };
        (0..VOCAB)
            .map(|token| product(token) + bias[token])
            .collect()
    }

    fn shares(scores: &[f64]) -> Vec<f64> {
        let total: f64 = scores.iter().map(|score| score.exp()).sum();
        scores.iter().map(|score| score.exp() / total).collect()
    }

    #[test]
    fn losses_and_gradients_are_those_of_sums_in_f64() {
        let (vocabulary, rows, targets) = case(5);
        let weights = [0.5, 0.0, 1.0, 2.0, 0.25];
        let (guesses, gradients) = vocabulary.learn(rows.clone(), &targets, &weights, None);
        let losses = guesses.losses.try_into_vec_as::<f32>().unwrap();
        let best = guesses.best.try_into_vec_as::<i32>().unwrap();
        let rows = values(rows);
        let table = values(vocabulary.table.clone());
        let mut of_rows = vec![0.0; 5 * WIDTH];
        let mut of_table = vec![0.0; VOCAB * WIDTH];
        let mut of_bias = vec![0.0; VOCAB];
        for row in 0..5 {
            let x = &rows[row * WIDTH..(row + 1) * WIDTH];
            let scores = scores(&vocabulary, x);
            let shares = shares(&scores);
            let loss = -shares[targets[row] as usize].ln();
            assert!((f64::from(losses[row]) - loss).abs() < 1e-5, "{row}");
            let highest = (0..VOCAB).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            assert_eq!(Some(best[row] as usize), highest);
            for token in 0..VOCAB {
                let is_right = f64::from(u8::from(token == targets[row] as usize));
                let slope = f64::from(weights[row]) * (shares[token] - is_right);
                of_bias[token] += slope;
                for column in 0..WIDTH {
                    of_rows[row * WIDTH + column] += slope * table[token * WIDTH + column];
                    of_table[token * WIDTH + column] += slope * x[column];
                }
            }
        }
        let near = |ours: Vec<f64>, theirs: Vec<f64>| {
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
            }
        };
        near(values(gradients.rows), of_rows);
        near(values(gradients.table), of_table);
        near(values(gradients.bias.unsqueeze_dim(1)), of_bias);
    }

    #[test]
    fn tokens_are_drawn_as_often_as_the_softmax_says() {
        let count = 40_000;
        let (vocabulary, row, _) = case(1);
        for (temperature, others_only) in [(1.0, false), (2.0, false), (0.5, true)] {
            let x = values(row.clone());
            let mut scores = scores(&vocabulary, &x);
            scores.iter_mut().for_each(|score| *score /= temperature);
            if others_only {
                scores[4] = f64::NEG_INFINITY;
            }
            let expected = shares(&scores);
            let uniform = numbers(2 * count, 7);
            let uniform = uniform.chunks(2).map(|pair| {
                // From [−1, 1) to [0, 1).
                [pair[0] * 0.5 + 0.5, pair[1] * 0.5 + 0.5]
            });
            let draw = Draw {
                uniform: uniform.collect(),
                temperature,
                others_only,
            };
            let rows = row.clone().repeat(&[count, 1]);
            let drawn = vocabulary.guess(rows, &vec![4; count], Some(&draw)).drawn;
            let mut found = [0; VOCAB];
            for token in drawn.unwrap().try_into_vec_as::<i32>().unwrap() {
                found[token as usize] += 1;
            }
            for (found, share) in found.into_iter().zip(expected) {
                // Five standard deviations of a binomial.
                let five = 5.0 * (count as f64 * share * (1.0 - share)).sqrt();
                let off = (f64::from(found) - count as f64 * share).abs();
                assert!(off <= five, "{found} {share}");
            }
        }
    }
}
