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
        attention::{Layout, attention, attention_backward},
        attention_form::AttentionForms,
        dense_layer::DenseLayer,
        dropout::dropout,
        gelu::gelu,
        kernel_choice::{ModelShape, try_out},
        layer_norm::normalise,
        product::Products,
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

/// Sequences of one length, with dropout.
fn layout(length: usize) -> Layout {
    Layout {
        sequences: Sequences::new(&vec![length; TOKENS / length], 0),
        heads: HEADS,
        mask: Some(Mask::new(1, 0.1)),
        forms: AttentionForms::default(),
    }
}

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn attention_forward(bencher: Bencher, length: usize) {
    let layout = layout(length);
    let inputs = [(); 3].map(|()| random([TOKENS, HIDDEN]));
    wait();
    bencher
        .counter(ItemsCount::new(attention_operations(length)))
        .bench_local(|| {
            let [q, k, v] = inputs.clone();
            attention(q, k, v, layout.clone());
            wait();
        });
}

#[divan::bench(args = LENGTHS, sample_count = 10)]
fn attention_gradients(bencher: Bencher, length: usize) {
    let layout = layout(length);
    let [q, k, v, grad] = [(); 4].map(|()| random([TOKENS, HIDDEN]));
    let attended = attention(q, k, v, layout.clone());
    wait();
    bencher
        // Five products.
        .counter(ItemsCount::new(attention_operations(length) * 5 / 2))
        .bench_local(|| {
            attention_backward(attended.clone(), grad.clone(), layout.clone());
            wait();
        });
}

/// The feed-forward layer with the products that the device would take.
fn feed_forward() -> DenseLayer {
    DenseLayer {
        kernel: random([HIDDEN, INNER]),
        bias: Tensor::<1>::zeros([INNER], &*DEVICE),
        products: CHOSEN
            .adapter
            .as_ref()
            .map_or_else(Products::default, |adapter| {
                let shape = ModelShape {
                    tokens: TOKENS,
                    hidden: HIDDEN,
                    inner: INNER,
                    heads: HEADS,
                };
                let choice = try_out(&DEVICE, adapter, Element::F32, shape);
                choice.expect("a choice").products
            }),
    }
}

#[divan::bench(sample_count = 10)]
fn dense_layer_with_gelu(bencher: Bencher) {
    let (x, layer) = (random([TOKENS, HIDDEN]), feed_forward());
    wait();
    bencher
        .counter(ItemsCount::new(2 * TOKENS * HIDDEN * INNER))
        .bench_local(|| {
            layer.gelu_keeping(x.clone());
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn dense_layer_input_gradient(bencher: Bencher) {
    let (grad, layer) = (random([TOKENS, INNER]), feed_forward());
    wait();
    bencher
        .counter(ItemsCount::new(2 * TOKENS * HIDDEN * INNER))
        .bench_local(|| {
            layer.input_gradient(grad.clone());
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn dense_layer_parameter_gradients(bencher: Bencher) {
    let (x, grad) = (random([TOKENS, HIDDEN]), random([TOKENS, INNER]));
    let layer = feed_forward();
    wait();
    bencher
        .counter(ItemsCount::new(2 * TOKENS * HIDDEN * INNER))
        .bench_local(|| {
            layer.parameter_gradients(x.clone(), grad.clone());
            wait();
        });
}

#[divan::bench(sample_count = 10)]
fn normalisation_of_hidden_states(bencher: Bencher) {
    let x = random([TOKENS, HIDDEN]);
    let [gamma, beta] = [(); 2].map(|()| Tensor::<1>::ones([HIDDEN], &*DEVICE));
    wait();
    bencher
        .counter(BytesCount::new(2 * FLOAT * TOKENS * HIDDEN))
        .bench_local(|| {
            normalise(x.clone(), gamma.clone(), beta.clone(), 1e-12);
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
