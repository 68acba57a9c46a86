//! The operations of the question-answering head against sums in f64, both ways, on every device and
//! at odd shapes: sequences of one token, of less than a workgroup and of several, columns that no
//! block divides.

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use electra::{
    kernels::{
        end_logits::end_logits,
        question_loss::{QuestionTargets, question_loss},
        rows::rows,
        span_loss::{TargetRows, span_loss},
        summary::summary,
        token_logits::token_logits,
    },
    packed::sequences::Sequences,
};
use half::f16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LENGTHS: [usize; 6] = [5, 1, 33, 64, 65, 200];

/// What f32 sums of a few hundred terms lose, of the greatest value.
const FULL: f64 = 2e-6;

/// What f16's 11 bits lose where results are stored in it.
const HALF: f64 = 1e-3;

/// The formats of rows, with the tolerance of results in them.
const FORMATS: [(FloatDType, f64); 2] = [(FloatDType::F32, FULL), (FloatDType::F16, HALF)];

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// Values that the format holds exactly.
fn random_in(format: FloatDType, count: usize, seed: u64) -> Vec<f32> {
    let values = random(count, seed).into_iter();
    match format {
        FloatDType::F16 => values.map(|v| f16::from_f32(v).to_f32()).collect(),
        _ => values.collect(),
    }
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let full = tensor.cast(FloatDType::F32);
    full.try_into_vec_as::<f32>().unwrap()
}

/// Greatest difference, relative to the greatest value.
#[track_caller]
fn assert_near(what: &str, ours: &[f32], exact: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), exact.len(), "{what}");
    let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (place, (ours, exact)) in ours.iter().zip(exact).enumerate() {
        let difference = (f64::from(*ours) - exact).abs();
        assert!(
            difference <= tolerance * scale,
            "{what}, {place}: {ours} instead of {exact}, greatest {scale}"
        );
    }
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let terms: Vec<f64> = logits
        .iter()
        .map(|&logit| f64::from(logit - greatest).exp())
        .collect();
    let sum: f64 = terms.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}

/// Φ(x) and φ(x).
fn normal(x: f64) -> (f64, f64) {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0.5 * (1.0 + libm::erf(x * half)), density)
}

#[test]
fn the_loss_is_the_cross_entropy_of_each_sequences_own_softmax() {
    let sequences = Sequences::new(&LENGTHS, 0);
    let targets = [4, 0, 32, 7, 64, 0];
    let mut logits: Vec<f32> = random(sequences.tokens(), 1);
    for (place, logit) in logits.iter_mut().enumerate() {
        // As trained logits spread, and as outside the passage.
        *logit = 10.0 * *logit - if place % 7 == 3 { 1000.0 } else { 0.0 };
    }
    let upstream = random(LENGTHS.len(), 2);
    let (mut losses, mut slopes) = (Vec::new(), Vec::new());
    for (number, &target) in targets.iter().enumerate() {
        let logits = &logits[sequences.rows(number)];
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|l| f64::from(l - greatest).exp()).sum();
        losses.push(sum.ln() - f64::from(logits[target as usize] - greatest));
        let mut slope = softmax(logits);
        slope[target as usize] -= 1.0;
        slopes.extend(
            slope
                .iter()
                .map(|slope| slope * f64::from(upstream[number])),
        );
    }
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let x = tensor(&logits, [logits.len()], &device).require_grad();
        let loss = span_loss(x.clone(), TargetRows::new(&sequences, &targets));
        let grads = (loss.clone() * tensor(&upstream, [LENGTHS.len()], &device))
            .sum()
            .backward();
        assert_near(
            &format!("{name} loss"),
            &values(loss.inner()),
            &losses,
            1e-6,
        );
        // The GPU's exponentials are good to some units in the last place.
        let ours = values(x.grad(&grads).unwrap());
        assert_near(&format!("{name} gradient"), &ours, &slopes, 2e-6);
    }
}

#[test]
fn the_loss_of_questions_is_that_of_both_ends_and_of_having_no_answer() {
    const WEIGHT: f64 = 0.7;
    let sequences = Sequences::new(&LENGTHS, 0);
    let tokens = sequences.tokens();
    let [starts, ends] = [1, 2]
        .map(|seed| -> Vec<f32> { random(tokens, seed).into_iter().map(|x| 5.0 * x).collect() });
    // Far on either side, where an exponential of the logit itself would leave f32's range, too.
    let impossible: [f32; 6] = [0.5, -2.0, 120.0, -120.0, 120.0, -120.0];
    let labels = [0, 1, 1, 0, 0, 1];
    let (start_at, end_at) = ([1, 0, 7, 63, 0, 150], [4, 0, 7, 0, 64, 199]);
    let upstream = random(LENGTHS.len(), 3);
    let (mut losses, mut of_impossible) = (Vec::new(), Vec::new());
    let mut of_spans = [Vec::new(), Vec::new()];
    for number in 0..LENGTHS.len() {
        let up = f64::from(upstream[number]);
        let mut loss = 0.0;
        for ((logits, at), slopes) in [(&starts, start_at), (&ends, end_at)]
            .into_iter()
            .zip(&mut of_spans)
        {
            let probabilities = softmax(&logits[sequences.rows(number)]);
            let right = at[number] as usize;
            loss -= probabilities[right].ln() / 2.0;
            slopes.extend(
                probabilities
                    .iter()
                    .enumerate()
                    .map(|(place, probability)| {
                        (probability - f64::from(u8::from(place == right))) * up / 2.0
                    }),
            );
        }
        let (x, label) = (f64::from(impossible[number]), f64::from(labels[number]));
        loss += WEIGHT * (x.max(0.0) - x * label + (-x.abs()).exp().ln_1p());
        losses.push(loss);
        of_impossible.push((1.0 / (1.0 + (-x).exp()) - label) * up * WEIGHT);
    }
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let leaf = |values: &[f32]| tensor(values, [values.len()], &device).require_grad();
        let logits = [&starts[..], &ends, &impossible].map(leaf);
        let [of_start, of_end, of_none] = logits.clone();
        let targets = QuestionTargets {
            starts: TargetRows::new(&sequences, &start_at),
            ends: TargetRows::new(&sequences, &end_at),
            impossible: labels.as_slice().into(),
            weight: WEIGHT,
        };
        let loss = question_loss(of_start, of_end, of_none, targets);
        let grads = (loss.clone() * tensor(&upstream, [LENGTHS.len()], &device))
            .sum()
            .backward();
        let what = |part: &str| format!("{name} {part}");
        assert_near(&what("loss"), &values(loss.inner()), &losses, 1e-6);
        // The GPU's exponentials are good to some units in the last place.
        let exact = [&of_spans[0], &of_spans[1], &of_impossible];
        for ((part, logits), exact) in ["start", "end", "none"].iter().zip(logits).zip(exact) {
            let ours = values(logits.grad(&grads).unwrap());
            assert_near(&what(part), &ours, exact, 2e-6);
        }
    }
}

#[test]
#[should_panic(expected = "5 of 0..5")]
fn a_target_beyond_its_sequence_is_refused() {
    TargetRows::new(&Sequences::new(&[5, 3], 0), &[5, 0]);
}

#[test]
fn a_masked_token_has_no_share_of_a_softmax_and_a_padded_one_changes_nothing() {
    let packed = Sequences::new(&[3, 2], 0);
    let padded = Sequences::new(&[6, 6], 0);
    let short = [1.5, 0.25 - 1000.0, 2.5, -0.5, 0.75 - 1000.0];
    let pad = |row: &[f32]| -> Vec<f32> {
        let mut row = row.to_vec();
        row.resize(6, 1.25 - 1000.0);
        row
    };
    let long = [pad(&short[..3]), pad(&short[3..])].concat();
    for (name, device) in crate::support::devices() {
        let losses = |logits: &[f32], sequences: &Sequences| {
            let device = device.clone().autodiff();
            let logits = tensor(logits, [logits.len()], &device).require_grad();
            let loss = span_loss(logits.clone(), TargetRows::new(sequences, &[2, 0]));
            let grads = loss.clone().sum().backward();
            (values(loss.inner()), values(logits.grad(&grads).unwrap()))
        };
        let (ours, slopes) = losses(&short, &packed);
        let (theirs, padded_slopes) = losses(&long, &padded);
        assert_eq!(ours, theirs, "{name}");
        // To the bit: what padding adds to the sum is 0.
        assert_eq!(slopes[..3], padded_slopes[..3], "{name}");
        assert_eq!(slopes[3..], padded_slopes[6..8], "{name}");
        assert_eq!(slopes[1], 0.0, "{name}");
        assert!(
            padded_slopes[8..].iter().all(|&slope| slope == 0.0),
            "{name}"
        );
    }
}

#[test]
fn a_logit_is_the_product_of_a_row_and_the_weights() {
    // Several slices of the weights' gradient, and columns that no block divides.
    for (count, columns) in [(300, 70), (1, 5), (64, 256)] {
        for (format, tolerance) in FORMATS {
            let x = random_in(format, count * columns, 1);
            let [weight, bias, terms, upstream] =
                [(columns, 2), (1, 3), (count, 4), (count, 5)].map(|(n, seed)| random(n, seed));
            let mut logits = vec![0.0; count];
            let mut x_grad = vec![0.0; count * columns];
            let mut weight_grad = vec![0.0; columns];
            for row in 0..count {
                logits[row] = f64::from(bias[0]) + f64::from(terms[row]);
                let up = f64::from(upstream[row]);
                for column in 0..columns {
                    let (x, w) = (x[row * columns + column], weight[column]);
                    logits[row] += f64::from(x) * f64::from(w);
                    x_grad[row * columns + column] = up * f64::from(w);
                    weight_grad[column] += up * f64::from(x);
                }
            }
            let bias_grad: f64 = upstream.iter().map(|&up| f64::from(up)).sum();
            for (name, device) in crate::support::devices() {
                let device = device.autodiff();
                let x = tensor(&x, [count, columns], &device).cast(format);
                let x = x.detach().require_grad();
                let weight = tensor(&weight, [columns], &device).require_grad();
                let bias = tensor(&bias, [1], &device).require_grad();
                let terms = tensor(&terms, [count], &device);
                let ours = token_logits(x.clone(), weight.clone(), bias.clone(), terms);
                let grads = (ours.clone() * tensor(&upstream, [count], &device))
                    .sum()
                    .backward();
                let what = format!("{name} {count} x {columns} {format:?}");
                // Logits are f32 whatever the rows are.
                assert_near(&what, &values(ours.inner()), &logits, FULL);
                let x = values(x.grad(&grads).unwrap());
                assert_near(&format!("{what} dx"), &x, &x_grad, tolerance);
                let weight = values(weight.grad(&grads).unwrap());
                assert_near(&format!("{what} dw"), &weight, &weight_grad, FULL);
                let bias = values(bias.grad(&grads).unwrap());
                assert!((f64::from(bias[0]) - bias_grad).abs() < 1e-5, "{what} db");
            }
        }
    }
}

/// Tokens, starts, weight, bias, terms and the logits' gradient.
struct EndCase {
    sequences: Sequences,
    columns: usize,
    ranks: usize,
    inputs: [Vec<f32>; 6],
}

impl EndCase {
    fn new(columns: usize, ranks: usize, format: FloatDType) -> Self {
        let sequences = Sequences::new(&LENGTHS, 0);
        let tokens = sequences.tokens();
        let wide = |count: usize, seed| -> Vec<f32> {
            let values = random_in(format, count, seed).into_iter();
            values.map(|value| 2.0 * value).collect()
        };
        let inputs = [
            wide(tokens * columns, 1),
            wide(LENGTHS.len() * ranks * columns, 2),
            random(columns, 3),
            random(1, 4),
            random(tokens, 5),
            random(ranks * tokens, 6),
        ];
        Self {
            sequences,
            columns,
            ranks,
            inputs,
        }
    }

    /// Logits, and the gradients of tokens, starts and weight.
    fn exact(&self) -> [Vec<f64>; 4] {
        let [tokens, starts, weight, bias, terms, upstream] = &self.inputs;
        let (columns, ranks, count) = (self.columns, self.ranks, terms.len());
        let mut logits = vec![0.0; ranks * count];
        let mut token_grads = vec![0.0; tokens.len()];
        let mut start_grads = vec![0.0; starts.len()];
        let mut weight_grad = vec![0.0; columns];
        for number in 0..self.sequences.len() {
            for row in self.sequences.rows(number) {
                for rank in 0..ranks {
                    let place = rank * count + row;
                    let up = f64::from(upstream[place]);
                    logits[place] = f64::from(bias[0]) + f64::from(terms[row]);
                    for column in 0..columns {
                        let start = (number * ranks + rank) * columns + column;
                        let token = row * columns + column;
                        let x = f64::from(tokens[token]) + f64::from(starts[start]);
                        let (below, density) = normal(x);
                        let w = f64::from(weight[column]);
                        logits[place] += w * x * below;
                        let slope = up * w * (below + x * density);
                        token_grads[token] += slope;
                        start_grads[start] += slope;
                        weight_grad[column] += up * x * below;
                    }
                }
            }
        }
        [logits, token_grads, start_grads, weight_grad]
    }

    /// Tokens, starts and weight on a device, and the logits.
    fn run(
        &self,
        format: FloatDType,
        device: &Device,
    ) -> (Tensor<2>, Tensor<2>, Tensor<1>, Tensor<2>) {
        let [tokens, starts, weight, bias, terms, _] = &self.inputs;
        let rows = |values: &[f32]| {
            let shape = [values.len() / self.columns, self.columns];
            let rows = tensor(values, shape, device).cast(format).detach();
            if device.is_autodiff() {
                rows.require_grad()
            } else {
                rows
            }
        };
        let (tokens, starts) = (rows(tokens), rows(starts));
        let weight = tensor(weight, [self.columns], device);
        let weight = if device.is_autodiff() {
            weight.require_grad()
        } else {
            weight
        };
        let logits = end_logits(
            tokens.clone(),
            starts.clone(),
            weight.clone(),
            tensor(bias, [1], device),
            tensor(terms, [terms.len()], device),
            &self.sequences,
        );
        (tokens, starts, weight, logits)
    }
}

#[test]
fn end_logits_are_those_of_each_token_with_each_start() {
    // Fewer starts than a thread takes, as many, and a rest; columns that no step divides.
    for (ranks, columns) in [(1, 70), (2, 32), (3, 70), (4, 5), (9, 512)] {
        for (format, _) in FORMATS {
            let case = EndCase::new(columns, ranks, format);
            let [exact, ..] = case.exact();
            for (name, device) in crate::support::devices() {
                let (.., logits) = case.run(format, &device);
                let what = format!("{name} {ranks} starts, {columns} columns, {format:?}");
                // Φ is good to 2.3e-7, of values up to 4; the sum runs over 512 of them.
                assert_near(&what, &values(logits), &exact, 4e-6);
            }
        }
    }
}

#[test]
fn end_logits_have_the_gradients_of_their_formula() {
    for columns in [70, 512] {
        for (format, tolerance) in FORMATS {
            let case = EndCase::new(columns, 1, format);
            let [_, token_grads, start_grads, weight_grad] = case.exact();
            for (name, device) in crate::support::devices() {
                let device = device.autodiff();
                let (tokens, starts, weight, logits) = case.run(format, &device);
                let [.., upstream] = &case.inputs;
                let grads = (logits * tensor(upstream, [1, upstream.len()], &device))
                    .sum()
                    .backward();
                let what = format!("{name} {columns} columns, {format:?}");
                let tokens = values(tokens.grad(&grads).unwrap());
                assert_near(&format!("{what} tokens"), &tokens, &token_grads, tolerance);
                let starts = values(starts.grad(&grads).unwrap());
                assert_near(&format!("{what} starts"), &starts, &start_grads, tolerance);
                let weight = values(weight.grad(&grads).unwrap());
                assert_near(&format!("{what} weight"), &weight, &weight_grad, 4e-6);
            }
        }
    }
}

#[test]
fn a_summary_is_the_first_row_and_the_weighted_mean() {
    let sequences = Sequences::new(&LENGTHS, 0);
    let tokens = sequences.tokens();
    for columns in [24, 130] {
        for (format, tolerance) in FORMATS {
            let states = random_in(format, tokens * columns, 1);
            let logits: Vec<f32> = random(tokens, 2).iter().map(|v| 3.0 * v).collect();
            let upstream = random_in(format, LENGTHS.len() * 2 * columns, 3);
            let (mut summaries, mut row_grads, mut logit_grads) =
                (Vec::new(), Vec::new(), Vec::new());
            for number in 0..LENGTHS.len() {
                let range = sequences.rows(number);
                let weights = softmax(&logits[range.clone()]);
                let row = |place: usize| {
                    let row = &states[(range.start + place) * columns..][..columns];
                    row.iter().map(|&value| f64::from(value))
                };
                let mut mean = vec![0.0; columns];
                for (place, weight) in weights.iter().enumerate() {
                    for (mean, value) in mean.iter_mut().zip(row(place)) {
                        *mean += weight * value;
                    }
                }
                let up = &upstream[number * 2 * columns..][..2 * columns];
                let up: Vec<f64> = up.iter().map(|&up| f64::from(up)).collect();
                let (first_up, mean_up) = up.split_at(columns);
                for (place, weight) in weights.iter().enumerate() {
                    let own = if place == 0 { 1.0 } else { 0.0 };
                    let ups = first_up.iter().zip(mean_up);
                    row_grads.extend(ups.map(|(first, mean)| own * first + weight * mean));
                    let along = row(place).zip(&mean).zip(mean_up);
                    let along: f64 = along.map(|((value, mean), up)| (value - mean) * up).sum();
                    logit_grads.push(weight * along);
                }
                summaries.extend(row(0).chain(mean));
            }
            for (name, device) in crate::support::devices() {
                let device = device.autodiff();
                let rows = tensor(&states, [tokens, columns], &device).cast(format);
                let rows = rows.detach().require_grad();
                let logits = tensor(&logits, [tokens], &device).require_grad();
                let ours = summary(rows.clone(), logits.clone(), &sequences);
                let shape = [LENGTHS.len(), 2 * columns];
                let grads = (ours.clone().cast(FloatDType::F32)
                    * tensor(&upstream, shape, &device))
                .sum()
                .backward();
                let what = format!("{name} {columns} columns, {format:?}");
                assert_near(&what, &values(ours.inner()), &summaries, tolerance);
                let rows = values(rows.grad(&grads).unwrap());
                assert_near(&format!("{what} rows"), &rows, &row_grads, tolerance);
                let logits = values(logits.grad(&grads).unwrap());
                assert_near(&format!("{what} logits"), &logits, &logit_grads, tolerance);
            }
        }
    }
}

#[test]
fn rows_are_taken_and_their_gradients_put_back() {
    let (count, columns) = (9, 5);
    let x = random(count * columns, 1);
    let numbers = [8_u32, 0, 4];
    let upstream = random(numbers.len() * columns, 2);
    let mut expected = vec![0.0; x.len()];
    for (place, &number) in numbers.iter().enumerate() {
        expected[number as usize * columns..][..columns]
            .copy_from_slice(&upstream[place * columns..][..columns]);
    }
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let x_on = tensor(&x, [count, columns], &device).require_grad();
        let taken = rows(x_on.clone(), numbers.into());
        let grads = (taken.clone() * tensor(&upstream, [numbers.len(), columns], &device))
            .sum()
            .backward();
        let taken = values(taken.inner());
        for (row, &number) in taken.chunks_exact(columns).zip(&numbers) {
            assert_eq!(row, &x[number as usize * columns..][..columns], "{name}");
        }
        assert_eq!(values(x_on.grad(&grads).unwrap()), expected, "{name}");
    }
}
