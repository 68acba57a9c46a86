//! Operations with a kernel of their own: the CPU's against plain tensors, the GPU's against the
//! CPU's, at odd shapes.

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData, activation::softmax, module},
};
use electra::{
    kernels::{
        attention::{Layout, attention, attention_backward, config::AttentionConfigs},
        dropout::{Dropped, dropout},
        gelu::gelu,
        layer_norm::{layer_norm_backward, layer_norm_with_state, shares::NormShares},
    },
    packed::{
        random::{Mask, attention_column, row_word},
        sequences::Sequences,
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

/// Greatest difference, relative to the greatest value.
#[track_caller]
fn assert_near(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    let difference = crate::support::max_difference(ours, theirs);
    assert!(
        difference <= tolerance * scale,
        "{what}: {difference} of {scale}"
    );
}

/// Queries, keys, values and the gradient of the result.
struct Case {
    lengths: Vec<usize>,
    heads: usize,
    size: usize,
    mask: Option<Mask>,
}

impl Case {
    fn inputs(&self) -> [Vec<f32>; 4] {
        let count = self.lengths.iter().sum::<usize>() * self.heads * self.size;
        // Scores of a few units, so that the softmax is neither flat nor a single one.
        [1, 2, 3, 4].map(|seed| random(count, seed).iter().map(|v| 2.0 * v).collect())
    }

    /// Result and the gradients of queries, keys and values, by the packed operation.
    fn packed(&self, device: &Device) -> [Vec<f32>; 4] {
        let layout = Layout {
            sequences: Sequences::new(&self.lengths, 3),
            heads: self.heads,
            mask: self.mask,
            configs: AttentionConfigs::default(),
        };
        let shape = [layout.sequences.tokens(), self.heads * self.size];
        let [q, k, v, grad] = self.inputs().map(|x| tensor(&x, shape, device));
        let attended = attention(q, k, v, layout.clone());
        let context = values(attended.context.clone());
        let [dq, dk, dv] = attention_backward(attended, grad, layout).map(values);
        [context, dq, dk, dv]
    }

    /// The same by padded plain tensors: −10000 on padded keys, as the reference has it.
    fn padded(&self) -> [Vec<f32>; 4] {
        let device = Device::flex().autodiff();
        let (batch, seq) = (self.lengths.len(), *self.lengths.iter().max().unwrap());
        let (heads, size) = (self.heads, self.size);
        let hidden = heads * size;
        let starts: Vec<usize> = self
            .lengths
            .iter()
            .scan(0, |at, length| Some(std::mem::replace(at, *at + length)))
            .collect();
        let pad = |packed: &[f32]| {
            let mut padded = vec![0.0; batch * seq * hidden];
            for (row, (&start, &length)) in starts.iter().zip(&self.lengths).enumerate() {
                padded[row * seq * hidden..][..length * hidden]
                    .copy_from_slice(&packed[start * hidden..][..length * hidden]);
            }
            tensor(&padded, [batch, seq, heads, size], &device)
        };
        let [q, k, v, grad] = self.inputs().map(|x| pad(&x).swap_dims(1, 2));
        let [q, k, v] = [q, k, v].map(|x| x.require_grad());
        let bias: Vec<f32> = (0..batch * seq)
            .map(|place| match place % seq < self.lengths[place / seq] {
                true => 0.0,
                false => -10_000.0,
            })
            .collect();
        let bias = tensor(&bias, [batch, 1, 1, seq], &device);
        let scores = q.clone().matmul(k.clone().swap_dims(2, 3)) / (size as f64).sqrt();
        let mut probabilities = softmax(scores + bias, 3);
        if let Some(mask) = self.mask {
            let mut factors = Vec::new();
            for row in 0..batch as u32 {
                for head in 0..heads as u32 {
                    for query in 0..seq as u32 {
                        factors.extend((0..seq as u32).map(|key| {
                            mask.factor(row_word(3 + row, query), attention_column(head, key))
                        }));
                    }
                }
            }
            probabilities = probabilities * tensor(&factors, [batch, heads, seq, seq], &device);
        }
        let context = probabilities.matmul(v.clone());
        let grads = (context.clone() * grad).sum().backward();
        let unpad = |padded: Tensor<4>| {
            let padded = values(padded.swap_dims(1, 2));
            let mut packed = Vec::new();
            for (row, &length) in self.lengths.iter().enumerate() {
                packed.extend_from_slice(&padded[row * seq * hidden..][..length * hidden]);
            }
            packed
        };
        let [dq, dk, dv] = [q, k, v].map(|x| unpad(x.grad(&grads).unwrap()));
        [unpad(context.inner()), dq, dk, dv]
    }
}

fn cases() -> Vec<Case> {
    let shapes: [(&[usize], usize, usize); 4] = [
        (&[5, 1, 33], 2, 64),
        (&[64, 65, 7, 130], 2, 64),
        (&[17, 40], 3, 32),
        (&[3, 2], 2, 4),
    ];
    let masks = [None, Some(Mask::new(77, 0.1))];
    let mut cases = Vec::new();
    for (lengths, heads, size) in shapes {
        for mask in masks {
            cases.push(Case {
                lengths: lengths.to_vec(),
                heads,
                size,
                mask,
            });
        }
    }
    cases
}

const PARTS: [&str; 4] = ["context", "dq", "dk", "dv"];

#[test]
fn packed_attention_is_padded_attention() {
    for case in cases() {
        let (ours, theirs) = (case.packed(&Device::flex()), case.padded());
        for ((part, ours), theirs) in PARTS.iter().zip(&ours).zip(&theirs) {
            let what = format!("{:?} {} {part}", case.lengths, case.size);
            // Sums over at most 130 keys in another order.
            assert_near(&what, ours, theirs, 1e-5);
        }
    }
}

#[test]
fn attention_on_the_gpu_is_that_of_the_cpu() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    for case in cases() {
        let (ours, theirs) = (case.packed(&device), case.packed(&Device::flex()));
        for ((part, ours), theirs) in PARTS.iter().zip(&ours).zip(&theirs) {
            let what = format!("{:?} {} {:?} {part}", case.lengths, case.size, case.mask);
            // Exponentials of the GPU are good to some units in the last place, and the sums run
            // in another order.
            assert_near(&what, ours, theirs, 2e-5);
        }
    }
}

#[test]
fn a_part_of_a_batch_gets_the_rows_of_the_whole() {
    let device = Device::flex();
    let (heads, hidden) = (2, 16);
    let lengths = [4, 9, 6];
    let mask = Some(Mask::new(5, 0.3));
    let inputs = [1, 2, 3].map(|seed| random(19 * hidden, seed));
    let run = |sequences: &Sequences, rows: std::ops::Range<usize>| {
        let [q, k, v] = [0, 1, 2].map(|i: usize| {
            let part = &inputs[i][rows.start * hidden..rows.end * hidden];
            tensor(part, [rows.len(), hidden], &device)
        });
        let layout = Layout {
            sequences: sequences.clone(),
            heads,
            mask,
            configs: AttentionConfigs::default(),
        };
        let context = attention(q, k, v, layout).context;
        values(dropout(context, sequences, Mask::new(6, 0.3)))
    };
    let whole = run(&Sequences::new(&lengths, 0), 0..19);
    let first = run(&Sequences::new(&lengths[..1], 0), 0..4);
    let rest = run(&Sequences::new(&lengths[1..], 1), 4..19);
    assert_eq!(whole, [first, rest].concat());
}

#[test]
fn dropout_drops_the_same_values_on_every_device_and_in_the_backward_pass() {
    let mask = Mask::new(9, 0.25);
    let sequences = Sequences::new(&[7, 3, 300], 2);
    // More than one workgroup, and no multiple of one.
    let shape = [310, 37];
    let x = random(310 * 37, 1);
    let expected: Vec<f32> = sequences
        .row_words()
        .flat_map(|row| (0..37).map(move |column| mask.factor(row, column)))
        .zip(&x)
        .map(|(factor, x)| factor * x)
        .collect();
    let dropped = expected.iter().filter(|value| **value == 0.0).count();
    assert!((2_600..3_150).contains(&dropped), "{dropped} of 11470");
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let x = tensor(&x, shape, &device).require_grad();
        let y = dropout(x.clone(), &sequences, mask);
        let grads = (y.clone() * x.clone().detach()).sum().backward();
        assert_eq!(values(y.inner()), expected, "{name}");
        assert_eq!(values(x.grad(&grads).unwrap()), expected, "{name}");
    }
}

/// The inputs of a normalisation: rows, the gradient of its result, γ and β.
fn norm_inputs(
    device: &Device,
    [rows, columns]: [usize; 2],
    format: FloatDType,
) -> ([Tensor<2>; 2], [Tensor<1>; 2]) {
    let matrices = [1, 5].map(|seed| {
        // Off centre, so that the mean matters.
        let values: Vec<f32> = random(rows * columns, seed)
            .iter()
            .map(|v| v + 0.5)
            .collect();
        tensor(&values, [rows, columns], device).cast(format)
    });
    let vectors = [3, 4].map(|seed| tensor(&random(columns, seed), [columns], device));
    (matrices, vectors)
}

#[test]
fn normalisation_is_burns_layer_norm_both_ways() {
    // Fewer columns than threads, no multiple of them or of four, and more; rows of more than one
    // slice.
    for (lengths, columns) in [
        (vec![5, 1], 24),
        (vec![70, 3, 60], 128),
        (vec![9], 300),
        (vec![6], 37),
    ] {
        let sequences = Sequences::new(&lengths, 1);
        let shape = [sequences.tokens(), columns];
        let theirs = {
            let device = Device::flex().autodiff();
            let ([x, grad], [gamma, beta]) = norm_inputs(&device, shape, FloatDType::F32);
            let x = x.detach().require_grad();
            let (gamma, beta) = (gamma.require_grad(), beta.require_grad());
            let y = module::layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-12);
            let grads = (y.clone() * grad).sum().backward();
            [
                values(y.inner()),
                values(x.grad(&grads).unwrap()),
                values(gamma.grad(&grads).unwrap()),
                values(beta.grad(&grads).unwrap()),
            ]
        };
        for mask in [None, Some(Mask::new(8, 0.2))] {
            let dropped = mask.map(|mask| Dropped {
                sequences: sequences.clone(),
                mask,
            });
            let x_grad = tensor(&theirs[1], shape, &Device::flex());
            let dropped_grad = values(match mask {
                None => x_grad,
                Some(mask) => dropout(x_grad, &sequences, mask),
            });
            let [y, x_grad, gamma_grad, beta_grad] = theirs.clone();
            let theirs = [y, x_grad, dropped_grad, gamma_grad, beta_grad];
            for (name, device) in crate::support::devices() {
                // Sums of up to 300 columns and 133 rows in another order; then what f16 rounds, at
                // the inputs, the result and the gradients.
                for (format, tolerance) in [(FloatDType::F32, 2e-6), (FloatDType::F16, 4e-3)] {
                    let ([x, grad], [gamma, beta]) = norm_inputs(&device, shape, format);
                    let (y, kept) = layer_norm_with_state(x, gamma.clone(), beta, 1e-12);
                    let grads = layer_norm_backward(kept, gamma, grad, dropped.clone());
                    let [gamma_grad, beta_grad] =
                        NormShares::sums(vec![grads.parameters]).remove(0);
                    let wide = |tensor: Tensor<2>| values(tensor.cast(FloatDType::F32));
                    let ours = [
                        wide(y),
                        wide(grads.x),
                        wide(grads.dropped),
                        values(gamma_grad),
                        values(beta_grad),
                    ];
                    let parts = ["y", "dx", "dropped", "dgamma", "dbeta"];
                    for ((part, ours), theirs) in parts.iter().zip(&ours).zip(&theirs) {
                        let what = format!("{name} {columns} {mask:?} {format:?} {part}");
                        assert_near(&what, ours, theirs, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn shares_of_many_normalisations_are_summed_each_for_itself() {
    // More than a launch takes, of other widths and numbers of rows; one or none of a slice's rows left.
    let shapes: Vec<[usize; 2]> = (0..11)
        .map(|number| {
            [
                [1, 64, 65, 200][number % 4],
                4 * (number + 1) + 60 * (number % 3),
            ]
        })
        .collect();
    for (name, device) in crate::support::devices() {
        let backward = |shape: [usize; 2]| {
            let ([x, grad], [gamma, beta]) = norm_inputs(&device, shape, FloatDType::F32);
            let (_, kept) = layer_norm_with_state(x, gamma.clone(), beta, 1e-12);
            layer_norm_backward(kept, gamma, grad, None).parameters
        };
        let together = NormShares::sums(shapes.iter().copied().map(backward).collect());
        assert_eq!(together.len(), shapes.len(), "{name}");
        for (&shape, together) in shapes.iter().zip(together) {
            let [gamma, beta] = together.map(values);
            let alone = NormShares::sums(vec![backward(shape)]).remove(0);
            assert!(
                [gamma, beta.clone()] == alone.map(values),
                "{name} {shape:?}"
            );
            // That of β is the sum of the rows of the result's gradient.
            let ([_, grad], _) = norm_inputs(&Device::flex(), shape, FloatDType::F32);
            let exact = values(grad.sum_dim(0).reshape([shape[1]]));
            assert_near(&format!("{name} {shape:?}"), &beta, &exact, 2e-6);
        }
    }
    assert!(NormShares::sums(Vec::new()).is_empty());
}

#[test]
fn what_is_stored_in_f16_is_computed_in_f32() {
    let layout = Layout {
        sequences: Sequences::new(&[7, 70], 2),
        heads: 2,
        mask: Some(Mask::new(3, 0.1)),
        configs: AttentionConfigs::default(),
    };
    let shape = [77, 32];
    let mask = Mask::new(4, 0.1);
    let inputs = [1, 2, 3].map(|seed| random(77 * 32, seed));
    let results = |device: &Device, format: FloatDType| -> Vec<Vec<f32>> {
        let [q, k, v] = inputs
            .each_ref()
            .map(|x| tensor(x, shape, device).cast(format));
        let attended = attention(q, k, v, layout.clone());
        // From here on with a graph.
        let context = Tensor::from_inner(attended.context.clone()).require_grad();
        let y = dropout(gelu(context.clone() * 3.0), &layout.sequences, mask);
        let device = device.clone().autodiff();
        let loss = y.clone().cast(FloatDType::F32) * tensor(&inputs[0], shape, &device);
        let grads = loss.sum().backward();
        let grad = context.grad(&grads).unwrap();
        let gradients = attention_backward(attended, grad, layout.clone());
        let wide = |tensor: Tensor<2>| values(tensor.cast(FloatDType::F32));
        [y.inner()].into_iter().chain(gradients).map(wide).collect()
    };
    let exact = results(&Device::flex(), FloatDType::F32);
    for (name, device) in crate::support::devices() {
        let halved = results(&device, FloatDType::F16);
        for (part, (ours, theirs)) in halved.iter().zip(&exact).enumerate() {
            // Four roundings to 11 bits on the way.
            assert_near(&format!("{name} {part}"), ours, theirs, 4e-3);
        }
    }
}
