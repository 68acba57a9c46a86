//! Our kernels at ELECTRA-Large's shapes, on the device that ELECTRA_DEVICE names (default: auto).
//!
//! `cargo bench --bench kernels` prints bytes moved or floating-point operations a second. A reading
//! covers launches and the device's work: the device is synchronised before the clock is read.

use std::time::{Duration, Instant};

use burn::{
    Tensor,
    tensor::{Device, Distribution},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use electra::{
    device::{DeviceRequest, choose},
    kernels::{
        adam::{Step, adam_step},
        attention::attention,
        dropout::dropout,
        gelu::gelu,
    },
    model::{packing::Sequences, random::Mask},
};

const HEADS: usize = 16;
const HIDDEN: usize = 1024;
const INNER: usize = 4096;
/// Tokens of a batch.
const TOKENS: usize = 4096;

fn device() -> Device {
    let request = match std::env::var("ELECTRA_DEVICE") {
        Ok(name) if !name.is_empty() => name.parse().expect("ELECTRA_DEVICE"),
        _ => DeviceRequest::Auto,
    };
    let chosen = choose(request).expect("a device");
    eprintln!("device: {}", chosen.line());
    chosen.device
}

/// Times `run` with the device idle before and after.
fn timed(device: &Device, rounds: u64, mut run: impl FnMut()) -> Duration {
    device.sync().expect("the device");
    let began = Instant::now();
    for _ in 0..rounds {
        run();
    }
    device.sync().expect("the device");
    began.elapsed()
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn attention_of_large(criterion: &mut Criterion) {
    let device = device();
    let training = device.clone().autodiff();
    let mut group = criterion.benchmark_group("attention, 16 heads of 64, 4,096 tokens");
    for length in [64, 128, 256, 512] {
        let sequences = Sequences::new(&vec![length; TOKENS / length], 0);
        let mask = Some(Mask::new(1, 0.1));
        // Two products of 2 · length · hidden operations for each token; five going backward.
        let forward = (4 * TOKENS * length * HIDDEN) as u64;
        let inputs = [(); 3].map(|()| random([TOKENS, HIDDEN], &device));
        group.throughput(Throughput::Elements(forward));
        group.bench_function(BenchmarkId::new("forward", length), |bencher| {
            bencher.iter_custom(|rounds| {
                timed(&device, rounds, || {
                    let [q, k, v] = inputs.clone();
                    attention(q, k, v, &sequences, HEADS, mask);
                })
            });
        });
        group.throughput(Throughput::Elements(forward * 7 / 2));
        group.bench_function(BenchmarkId::new("forward and backward", length), |bencher| {
            bencher.iter_custom(|rounds| {
                timed(&training, rounds, || {
                    let [q, k, v] = inputs
                        .clone()
                        .map(|x| Tensor::from_inner(x).require_grad());
                    attention(q, k, v, &sequences, HEADS, mask).sum().backward();
                })
            });
        });
    }
}

fn element_by_element(criterion: &mut Criterion) {
    let device = device();
    let float = size_of::<f32>();
    let mut group = criterion.benchmark_group("element by element, 4,096 tokens");
    let sequences = Sequences::new(&[512; TOKENS / 512], 0);
    let hidden = random([TOKENS, HIDDEN], &device);
    group.throughput(Throughput::Bytes((2 * float * TOKENS * HIDDEN) as u64));
    group.bench_function("dropout", |bencher| {
        bencher.iter_custom(|rounds| {
            timed(&device, rounds, || {
                dropout(hidden.clone(), &sequences, Mask::new(1, 0.1));
            })
        });
    });
    let inner = random([TOKENS, INNER], &device);
    group.throughput(Throughput::Bytes((2 * float * TOKENS * INNER) as u64));
    group.bench_function("gelu", |bencher| {
        bencher.iter_custom(|rounds| {
            timed(&device, rounds, || {
                gelu(inner.clone());
            })
        });
    });
    // One feed-forward kernel: seven readings and writings of each element.
    let elements = HIDDEN * INNER;
    let gradient = random([elements], &device);
    let factor = Tensor::<1>::ones([1], &device);
    let step = Step {
        rate: 1e-4,
        decay: 0.01,
    };
    group.throughput(Throughput::Bytes((7 * float * elements) as u64));
    group.bench_function("adam", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut state = Some((
                random([elements], &device),
                [(); 2].map(|()| Tensor::<1>::zeros([elements], &device)),
            ));
            timed(&device, rounds, || {
                let (weight, moments) = state.take().expect("put back below");
                let updated = adam_step(weight, moments, gradient.clone(), factor.clone(), step);
                state = Some(updated);
            })
        });
    });
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(10);
    targets = attention_of_large, element_by_element
}
criterion_main!(kernels);
