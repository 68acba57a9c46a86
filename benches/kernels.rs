//! Our kernels at ELECTRA-Large's shapes, on the device that ELECTRA_DEVICE names (default: auto).
//!
//! `cargo bench --bench kernels` prints the bytes that a kernel must move a second, or its
//! floating-point operations as items a second. A reading covers launch and work: the device is
//! synchronised before the clock is read.

use std::sync::LazyLock;

use burn::{
    Tensor,
    tensor::{Device, Distribution},
};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use electra::{
    config::OptimizerMoments,
    device::{Chosen, DeviceRequest, choose},
    kernels::{
        adam::{Moments, Parameter, Step, adam_steps},
        add_norm::{Norm, add_norm},
        attention::attention,
        dense::{Kernel, dense},
        dropout::dropout,
        gelu::gelu,
        product::Products,
        product_choice,
        shader::Element,
        square_sum::SquareSum,
    },
    model::{packing::Sequences, random::Mask},
};

const HEADS: usize = 16;
const HIDDEN: usize = 1024;
const INNER: usize = 4096;
/// Tokens of a batch.
const TOKENS: usize = 4096;
const LENGTHS: [usize; 4] = [64, 128, 256, 512];
const FLOAT: usize = size_of::<f32>();

static DEVICE: LazyLock<Device> = LazyLock::new(|| CHOSEN.device.clone());

static CHOSEN: LazyLock<Chosen> = LazyLock::new(|| {
    let request = match std::env::var("ELECTRA_DEVICE") {
        Ok(name) if !name.is_empty() => name.parse().expect("ELECTRA_DEVICE"),
        _ => DeviceRequest::Auto,
    };
    let chosen = choose(request).expect("a device");
    eprintln!("device: {}", chosen.line());
    chosen
});

fn main() {
    LazyLock::force(&DEVICE);
    divan::main();
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &*DEVICE)
}

fn wait() {
    DEVICE.sync().expect("the device");
}

/// Two products of 2 · length · hidden operations for each token.
fn attention_operations(length: usize) -> usize {
    4 * TOKENS * length * HIDDEN
}

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn attention_forward(bencher: Bencher, length: usize) {
    let sequences = Sequences::new(&vec![length; TOKENS / length], 0);
    let inputs = [(); 3].map(|()| random([TOKENS, HIDDEN]));
    wait();
    bencher
        .counter(ItemsCount::new(attention_operations(length)))
        .bench_local(|| {
            let [q, k, v] = inputs.clone();
            attention(q, k, v, &sequences, HEADS, Some(Mask::new(1, 0.1)));
            wait();
        });
}

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn attention_forward_and_backward(bencher: Bencher, length: usize) {
    let sequences = Sequences::new(&vec![length; TOKENS / length], 0);
    let inputs = [(); 3].map(|()| random([TOKENS, HIDDEN]));
    wait();
    bencher
        // Five products more going backward.
        .counter(ItemsCount::new(attention_operations(length) * 7 / 2))
        .bench_local(|| {
            let [q, k, v] = inputs.clone().map(|x| Tensor::from_inner(x).require_grad());
            attention(q, k, v, &sequences, HEADS, Some(Mask::new(1, 0.1)))
                .sum()
                .backward();
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn dense_layer_as_chosen(bencher: Bencher) {
    let (x, kernel) = (random([TOKENS, HIDDEN]), random([HIDDEN, INNER]));
    let bias = Tensor::<1>::zeros([INNER], &*DEVICE);
    let products = CHOSEN
        .adapter
        .as_ref()
        .map_or_else(Products::default, |adapter| {
            let shape = [TOKENS, HIDDEN, INNER];
            let choice = product_choice::choose(&DEVICE, adapter, Element::F32, shape);
            choice.expect("a choice").products
        });
    wait();
    bencher
        .counter(ItemsCount::new(2 * TOKENS * HIDDEN * INNER))
        .bench_local(|| {
            let kernel = Kernel {
                master: kernel.clone(),
                half: None,
                products,
            };
            dense(x.clone(), kernel, bias.clone());
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn normalisation_of_hidden_states(bencher: Bencher) {
    let sequences = Sequences::new(&[512; TOKENS / 512], 0);
    let (x, residual) = (random([TOKENS, HIDDEN]), random([TOKENS, HIDDEN]));
    let [gamma, beta] = [(); 2].map(|()| Tensor::<1>::ones([HIDDEN], &*DEVICE));
    wait();
    bencher
        // Two matrices are read, the sum and the result written.
        .counter(BytesCount::new(4 * FLOAT * TOKENS * HIDDEN))
        .bench_local(|| {
            let norm = Norm {
                epsilon: 1e-12,
                sequences: sequences.clone(),
                mask: Some(Mask::new(1, 0.1)),
            };
            let (gamma, beta) = (gamma.clone(), beta.clone());
            add_norm(x.clone(), residual.clone(), gamma, beta, norm);
            wait();
        });
}

/// Elements of a layer's parameters: attention's and the feed-forward part's kernels and biases, and
/// two norms.
fn layer_parameters() -> [usize; 16] {
    let (square, inner) = (HIDDEN * HIDDEN, HIDDEN * INNER);
    [
        square, HIDDEN, square, HIDDEN, square, HIDDEN, square, HIDDEN, HIDDEN, HIDDEN, inner,
        INNER, inner, HIDDEN, HIDDEN, HIDDEN,
    ]
}

#[divan::bench(sample_count = 10)]
fn squares_of_a_layer(bencher: Bencher) {
    let elements = layer_parameters();
    let gradients = elements.map(|elements| random([elements]));
    wait();
    bencher
        .counter(BytesCount::new(FLOAT * elements.iter().sum::<usize>()))
        .bench_local(|| {
            let mut sum = SquareSum::new(&DEVICE);
            for gradient in &gradients {
                sum.add(gradient.clone());
            }
            sum.total();
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn dropout_of_hidden_states(bencher: Bencher) {
    let sequences = Sequences::new(&[512; TOKENS / 512], 0);
    let hidden = random([TOKENS, HIDDEN]);
    wait();
    bencher
        .counter(BytesCount::new(2 * FLOAT * TOKENS * HIDDEN))
        .bench_local(|| {
            dropout(hidden.clone(), &sequences, Mask::new(1, 0.1));
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn gelu_of_inner_states(bencher: Bencher) {
    let inner = random([TOKENS, INNER]);
    wait();
    bencher
        .counter(BytesCount::new(2 * FLOAT * TOKENS * INNER))
        .bench_local(|| {
            gelu(inner.clone());
            wait();
        });
}

/// A layer's sixteen parameters, with moments in either format.
#[divan::bench(sample_count = 10, args = OptimizerMoments::ALL)]
fn adam_of_a_layer(bencher: Bencher, format: OptimizerMoments) {
    let step = Step {
        rate: 1e-4,
        decay: 0.01,
        rounding: [1, 2],
    };
    let sizes = layer_parameters();
    let elements = sizes.iter().sum::<usize>();
    let gradients = sizes.map(|elements| random([elements]));
    let factor = Tensor::<1>::ones([1], &*DEVICE);
    let mut state: Vec<_> = sizes
        .iter()
        .map(|&elements| {
            let moments = Moments::zeros(format, elements, &DEVICE);
            (random([elements]), moments)
        })
        .collect();
    wait();
    bencher
        // Weights and moments are read and written, gradients read.
        .counter(BytesCount::new(
            (3 * FLOAT + 2 * format.bytes() as usize) * elements,
        ))
        .bench_local(|| {
            let parameters = std::mem::take(&mut state).into_iter().zip(&gradients).map(
                |((weight, moments), gradient)| Parameter {
                    weight,
                    moments,
                    gradient: gradient.clone(),
                    step,
                },
            );
            state = adam_steps(parameters.collect(), factor.clone());
            wait();
        });
}
