//! Benchmarks of our kernels at ELECTRA-Large's shapes, on the device given by ELECTRA_DEVICE (default:
//! auto).
//!
//! `cargo bench --bench kernels` prints, per second, the bytes that a kernel must move, or its floating-point
//! operations as items; at the end, each kernel's share of the device's peak. A measurement covers launch and
//! computation: the device is synchronised before the clock is read. Attention and matmuls run in f32, and in
//! f16 if the device supports it, with the variants that the device would use.
//!
//! The peak is that of the data sheet if ELECTRA_PEAK_GBS (10⁹ bytes per second) and ELECTRA_PEAK_GFLOPS (for
//! f16, ELECTRA_PEAK_GFLOPS_F16) are set. Otherwise bytes are compared with a plain copy on the same device,
//! and operations have no share.

use std::{
    collections::BTreeMap,
    fmt,
    hint::black_box,
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use burn::{
    Tensor,
    tensor::{Device, Distribution, FloatDType},
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
        attention::{Layout, attention, attention_backward, config::AttentionConfigs},
        autotune::{ModelShape, try_out},
        dense::layer::DenseLayer,
        dropout::dropout,
        end_logits::end_logits,
        formats::Element,
        gelu::gelu,
        layer_norm::{layer_norm_backward, layer_norm_with_state},
        lookup::{Ids, add_by_id},
        matmul::MatmulTilings,
        span_loss::{TargetRows, span_loss},
        square_sum::SquareSum,
        summary::summary,
        token_logits::token_logits,
    },
    packed::{random::Mask, sequences::Sequences},
};

const HEADS: usize = 16;
const HIDDEN: usize = 1024;
const INNER: usize = 4096;
/// Tokens in a batch.
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
    print_shares();
}

/// The minimum work of a kernel.
#[derive(Clone, Copy)]
enum Work {
    Bytes(usize),
    Operations(usize, Element),
}

/// Each kernel's work and its shortest time.
static READINGS: Mutex<BTreeMap<String, (Work, Duration)>> = Mutex::new(BTreeMap::new());

/// Times `run`, and stores the shortest time under `name`.
fn time(bencher: Bencher, name: impl Into<String>, work: Work, mut run: impl FnMut()) {
    wait();
    let mut shortest = Duration::MAX;
    let mut timed = || {
        let began = Instant::now();
        run();
        wait();
        shortest = shortest.min(began.elapsed());
    };
    match work {
        Work::Bytes(bytes) => bencher
            .counter(BytesCount::new(bytes))
            .bench_local(&mut timed),
        Work::Operations(operations, _) => {
            bencher
                .counter(ItemsCount::new(operations))
                .bench_local(&mut timed);
        }
    }
    let mut readings = READINGS.lock().expect("one bench at a time");
    readings.insert(name.into(), (work, shortest));
}

fn print_shares() {
    let given = |name: &str| {
        let value: f64 = std::env::var(name).ok()?.parse().ok()?;
        Some(value * 1e9)
    };
    let readings = READINGS.lock().expect("all benches are over");
    if readings.is_empty() {
        return;
    }
    let bandwidth = given("ELECTRA_PEAK_GBS").unwrap_or_else(copied_bytes_per_second);
    println!(
        "\nshare of {:.1} GB/s, and of the peak of operations where given",
        bandwidth / 1e9
    );
    for (name, (work, time)) in readings.iter() {
        let (amount, unit, peak) = match *work {
            Work::Bytes(bytes) => (bytes, "GB/s", Some(bandwidth)),
            Work::Operations(operations, Element::F32) => {
                (operations, "GFLOP/s", given("ELECTRA_PEAK_GFLOPS"))
            }
            Work::Operations(operations, Element::F16) => {
                (operations, "GFLOP/s", given("ELECTRA_PEAK_GFLOPS_F16"))
            }
        };
        let rate = amount as f64 / time.as_secs_f64();
        let share = peak.map_or("".to_owned(), |peak| {
            format!("{:6.1} %", 100.0 * rate / peak)
        });
        println!("{name:44} {:10.1} {unit:8} {share}", rate / 1e9);
    }
}

/// Bytes per second, read and written, of a plain pass over a matrix.
fn copied_bytes_per_second() -> f64 {
    let elements = 64 << 20;
    let values = random([elements]);
    let pass = || {
        wait();
        let began = Instant::now();
        black_box(values.clone() + 1.0);
        wait();
        began.elapsed()
    };
    let shortest = (0..5).map(|_| pass()).min().expect("five");
    (2 * FLOAT * elements) as f64 / shortest.as_secs_f64()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &*DEVICE)
}

/// The same in a given format.
fn random_in<const D: usize>(element: Element, shape: [usize; D]) -> Tensor<D> {
    match element {
        Element::F32 => random(shape),
        Element::F16 => random(shape).cast(FloatDType::F16),
    }
}

fn wait() {
    DEVICE.sync().expect("the device");
}

/// The number formats that the device supports.
fn elements() -> Vec<Element> {
    match CHOSEN.f16 && CHOSEN.adapter.is_some() {
        true => vec![Element::F32, Element::F16],
        false => vec![Element::F32],
    }
}

/// The kernel variants that the device would use at ELECTRA-Large's shape.
fn forms(element: Element) -> (MatmulTilings, AttentionConfigs) {
    static FORMS: [LazyLock<(MatmulTilings, AttentionConfigs)>; 2] = [
        LazyLock::new(|| tried(Element::F32)),
        LazyLock::new(|| tried(Element::F16)),
    ];
    fn tried(element: Element) -> (MatmulTilings, AttentionConfigs) {
        let Some(adapter) = &CHOSEN.adapter else {
            return Default::default();
        };
        let shape = ModelShape {
            tokens: TOKENS,
            hidden: HIDDEN,
            inner: INNER,
            heads: HEADS,
        };
        let choice = try_out(&DEVICE, adapter, element, shape).expect("a choice");
        (choice.tilings, choice.attention)
    }
    *FORMS[usize::from(element == Element::F16)]
}

/// Attention in one format, over sequences of one length.
#[derive(Clone, Copy)]
struct Case {
    element: Element,
    length: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} {}", self.element, self.length)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    elements()
        .into_iter()
        .flat_map(|element| LENGTHS.map(|length| Case { element, length }))
}

/// Two matmuls with 2 · length · hidden operations per token.
fn attention_operations(case: Case) -> usize {
    4 * TOKENS * case.length * HIDDEN
}

/// Sequences of one length, with dropout.
fn layout(case: Case) -> Layout {
    Layout {
        sequences: Sequences::new(&vec![case.length; TOKENS / case.length], 0),
        heads: HEADS,
        mask: Some(Mask::new(1, 0.1)),
        configs: forms(case.element).1,
    }
}

#[divan::bench(args = cases(), sample_count = 10)]
fn attention_forward(bencher: Bencher, case: Case) {
    let layout = layout(case);
    let inputs = [(); 3].map(|()| random_in(case.element, [TOKENS, HIDDEN]));
    let work = Work::Operations(attention_operations(case), case.element);
    time(bencher, format!("attention forward {case}"), work, || {
        let [q, k, v] = inputs.clone();
        attention(q, k, v, layout.clone());
    });
}

#[divan::bench(args = cases(), sample_count = 10)]
fn attention_gradients(bencher: Bencher, case: Case) {
    let layout = layout(case);
    let [q, k, v, grad] = [(); 4].map(|()| random_in(case.element, [TOKENS, HIDDEN]));
    let attended = attention(q, k, v, layout.clone());
    // Five matmuls.
    let work = Work::Operations(attention_operations(case) * 5 / 2, case.element);
    time(bencher, format!("attention gradients {case}"), work, || {
        attention_backward(attended.clone(), grad.clone(), layout.clone());
    });
}

/// The first layer of the feed-forward block.
fn feed_forward(element: Element) -> DenseLayer {
    DenseLayer {
        kernel: random_in(element, [HIDDEN, INNER]),
        bias: Tensor::<1>::zeros([INNER], &*DEVICE),
        products: forms(element).0.into(),
    }
}

/// Operations of one of its matmuls.
fn product(element: Element) -> Work {
    Work::Operations(2 * TOKENS * HIDDEN * INNER, element)
}

#[divan::bench(args = elements(), sample_count = 10)]
fn dense_layer_with_gelu(bencher: Bencher, element: &Element) {
    let element = *element;
    let (x, layer) = (random_in(element, [TOKENS, HIDDEN]), feed_forward(element));
    time(
        bencher,
        format!("dense, bias and GELU {element:?}"),
        product(element),
        || {
            layer.gelu_keeping(x.clone());
        },
    );
}

#[divan::bench(args = elements(), sample_count = 10)]
fn dense_layer_input_gradient(bencher: Bencher, element: &Element) {
    let element = *element;
    let (grad, layer) = (random_in(element, [TOKENS, INNER]), feed_forward(element));
    time(
        bencher,
        format!("dense, gradient of rows {element:?}"),
        product(element),
        || {
            layer.input_gradient(grad.clone());
        },
    );
}

#[divan::bench(args = elements(), sample_count = 10)]
fn dense_layer_parameter_gradients(bencher: Bencher, element: &Element) {
    let element = *element;
    let x = random_in(element, [TOKENS, HIDDEN]);
    let grad = random_in(element, [TOKENS, INNER]);
    let layer = feed_forward(element);
    time(
        bencher,
        format!("dense, gradient of kernel {element:?}"),
        product(element),
        || {
            layer.parameter_gradients(x.clone(), grad.clone());
        },
    );
}

#[divan::bench(sample_count = 10)]
fn normalisation_of_hidden_states(bencher: Bencher) {
    let x = random([TOKENS, HIDDEN]);
    let [gamma, beta] = [(); 2].map(|()| Tensor::<1>::ones([HIDDEN], &*DEVICE));
    let work = Work::Bytes(2 * FLOAT * TOKENS * HIDDEN);
    time(bencher, "layer norm", work, || {
        layer_norm_with_state(x.clone(), gamma.clone(), beta.clone(), 1e-12);
    });
}

#[divan::bench(sample_count = 10)]
fn normalisation_gradients(bencher: Bencher) {
    let (x, grad) = (random([TOKENS, HIDDEN]), random([TOKENS, HIDDEN]));
    let [gamma, beta] = [(); 2].map(|()| Tensor::<1>::ones([HIDDEN], &*DEVICE));
    let (_, state) = layer_norm_with_state(x, gamma.clone(), beta, 1e-12);
    let work = Work::Bytes(3 * FLOAT * TOKENS * HIDDEN);
    time(bencher, "layer norm, gradients", work, || {
        layer_norm_backward(state.clone(), gamma.clone(), grad.clone(), None);
    });
}

/// Sequences with SQuAD's average length.
fn squad() -> Sequences {
    Sequences::new(&[TOKENS / 22; 22], 0)
}

/// Width of the head's inner layers.
const HEAD: usize = 512;
/// Candidate starts that a prediction continues from.
const STARTS: usize = 20;

#[divan::bench(sample_count = 10)]
fn logits_of_tokens(bencher: Bencher) {
    let rows = random([TOKENS, HIDDEN]);
    let (weight, bias, terms) = (random([HIDDEN]), random([1]), random([TOKENS]));
    let work = Work::Bytes(FLOAT * TOKENS * HIDDEN);
    time(bencher, "head, logits", work, || {
        token_logits(rows.clone(), weight.clone(), bias.clone(), terms.clone());
    });
}

#[divan::bench(sample_count = 10)]
fn ends_of_the_best_starts(bencher: Bencher) {
    let sequences = squad();
    let (tokens, starts) = (sequences.tokens(), sequences.len() * STARTS);
    let (rows, starts) = (random([tokens, HEAD]), random([starts, HEAD]));
    let (weight, bias, terms) = (random([HEAD]), random([1]), random([tokens]));
    // A sum, GELU's two polynomials, a product and a sum for each start, token and column.
    let work = Work::Operations(28 * STARTS * tokens * HEAD, Element::F32);
    time(bencher, "head, ends of the best starts", work, || {
        let (weight, bias, terms) = (weight.clone(), bias.clone(), terms.clone());
        end_logits(
            rows.clone(),
            starts.clone(),
            weight,
            bias,
            terms,
            &sequences,
        );
    });
}

#[divan::bench(sample_count = 10)]
fn summaries(bencher: Bencher) {
    let sequences = squad();
    let tokens = sequences.tokens();
    let (rows, logits) = (random([tokens, HIDDEN]), random([tokens]));
    let work = Work::Bytes(FLOAT * tokens * HIDDEN);
    time(bencher, "head, summaries", work, || {
        summary(rows.clone(), logits.clone(), &sequences);
    });
}

#[divan::bench(sample_count = 10)]
fn cross_entropies(bencher: Bencher) {
    let sequences = squad();
    let logits = random([sequences.tokens()]);
    let targets = TargetRows::new(&sequences, &vec![5; sequences.len()]);
    let work = Work::Bytes(FLOAT * sequences.tokens());
    time(bencher, "head, cross-entropies", work, || {
        span_loss(logits.clone(), targets.clone());
    });
}

/// Number of elements of each parameter in a layer: weights and biases of attention and of the feed-forward
/// block, and two LayerNorms.
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
    let work = Work::Bytes(FLOAT * elements.iter().sum::<usize>());
    time(bencher, "squares of gradients", work, || {
        let mut sum = SquareSum::new(&DEVICE);
        for gradient in &gradients {
            sum.add(gradient.clone());
        }
        sum.total();
    });
}

/// With ids distributed like words: the n-th of the vocabulary about 1/n as often as the first.
#[divan::bench(sample_count = 10)]
fn gradient_of_the_word_table(bencher: Bencher) {
    const WORDS: usize = 30_522;
    let share = |row: usize| (row * 1_237 % TOKENS) as f64 / TOKENS as f64;
    let id = |row: usize| (WORDS as f64).powf(share(row)) as u32 - 1;
    let ids = Ids::new((0..TOKENS).map(id).collect(), &DEVICE);
    let rows = random([TOKENS, HIDDEN]);
    // Not shared, so that it is updated in place.
    let mut sums = Some(Tensor::zeros([WORDS, HIDDEN], &*DEVICE));
    let work = Work::Bytes(FLOAT * TOKENS * HIDDEN);
    time(bencher, "word table, gradient", work, || {
        let before = sums.take().expect("sums");
        sums = Some(add_by_id(before, ids.clone(), rows.clone()));
    });
}

#[divan::bench(sample_count = 10)]
fn dropout_of_hidden_states(bencher: Bencher) {
    let sequences = Sequences::new(&[512; TOKENS / 512], 0);
    let hidden = random([TOKENS, HIDDEN]);
    let work = Work::Bytes(2 * FLOAT * TOKENS * HIDDEN);
    time(bencher, "dropout", work, || {
        dropout(hidden.clone(), &sequences, Mask::new(1, 0.1));
    });
}

#[divan::bench(sample_count = 10)]
fn gelu_of_inner_states(bencher: Bencher) {
    let inner = random([TOKENS, INNER]);
    let work = Work::Bytes(2 * FLOAT * TOKENS * INNER);
    time(bencher, "GELU", work, || {
        gelu(inner.clone());
    });
}

/// A layer's sixteen parameters, with moments in each format.
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
    let work = Work::Bytes((3 * FLOAT + 2 * format.bytes() as usize) * elements);
    time(bencher, format!("Adam, moments in {format}"), work, || {
        let parameters = std::mem::take(&mut state).into_iter().zip(&gradients).map(
            |((weight, moments), gradient)| Parameter {
                weight,
                moments,
                gradient: gradient.clone(),
                copy: None,
                step,
            },
        );
        state = adam_steps(parameters.collect(), factor.clone())
            .into_iter()
            .map(|updated| (updated.weight, updated.moments))
            .collect();
    });
}
