//! An encoder layer, whose backward pass is written out, against a graph of Burn's own operations.

use burn::{
    Tensor,
    tensor::{
        Device, FloatDType, TensorData,
        activation::softmax,
        module::{layer_norm, linear},
    },
};
use electra::{
    config::{Config, EncoderConfig},
    device::{DeviceRequest, choose},
    kernels::{
        attention::{config::AttentionConfigs, cooperative::candidates},
        formats::Element,
        matmul::{self, MatmulTilings, bf16::Instructions, config::MatmulTiling},
    },
    model::{
        arithmetic::Arithmetic,
        dense::Dense,
        dropout::{Mode, Site, StepSeed},
        layer::EncoderLayer,
        layer_norm::LayerNorm,
        parameter_gradients::ParameterGradients,
        parameters::ParameterSource,
        pass::Pass,
    },
    packed::{random::attention_column, sequences::Sequences},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HIDDEN: usize = 64;
const HEADS: usize = 2;
/// The layer's number, which its masks follow from.
const LAYER: usize = 3;
const RATE: f64 = 0.2;

fn encoder() -> EncoderConfig {
    let given = serde_json::json!({
        "task_names": ["squad"],
        "model_hparam_overrides": {
            "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": HEADS,
            "intermediate_size": 2 * HIDDEN, "initializer_range": 0.2,
            "hidden_dropout_prob": RATE, "attention_probs_dropout_prob": RATE,
        },
        "vocab_size": 30,
    });
    let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
    resolved.unwrap().0.encoder()
}

fn layer(device: &Device, arithmetic: Arithmetic) -> EncoderLayer {
    let mut source = ParameterSource::new(device.clone(), 1, None).with_arithmetic(arithmetic);
    EncoderLayer::new(&mut source, &encoder()).unwrap()
}

fn sequences() -> Sequences {
    Sequences::new(&[9, 1, 70], 4)
}

fn random(seed: u64) -> TensorData {
    let tokens = sequences().tokens();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..tokens * HIDDEN)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    TensorData::new(values, [tokens, HIDDEN])
}

fn mode(drops: bool) -> Mode {
    match drops {
        true => Mode::Train(StepSeed::new(5, 7)),
        false => Mode::Predict,
    }
}

/// Output, gradient of the input, and gradients of the parameters with their names.
struct Results {
    output: Vec<f32>,
    input: Vec<f32>,
    parameters: Vec<(String, Vec<f32>)>,
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let tensor = tensor.cast(FloatDType::F32);
    tensor.try_into_vec_as::<f32>().unwrap()
}

/// By the layer itself, in this format.
fn by_layer(device: &Device, arithmetic: Arithmetic, drops: bool) -> Results {
    let narrow =
        |data: TensorData| -> Tensor<2> { arithmetic.narrow(Tensor::from_data(data, device)) };
    let layer = layer(&device.clone().autodiff(), arithmetic);
    let sequences = sequences();
    let pass = Pass {
        sequences: &sequences,
        layer: LAYER,
        mode: mode(drops),
    };
    let (hidden, grad) = (narrow(random(1)), narrow(random(2)));
    let (output, state) = layer.forward_with_state(hidden.clone(), &pass);
    let alone = layer.forward(hidden, &pass);
    assert!(values(alone) == values(output.clone()), "nothing kept");
    let mut gradients = ParameterGradients::default();
    let input = layer.backward(state, grad, &pass, &mut gradients);
    let mut parameters = Vec::new();
    for (name, dense) in denses(&layer) {
        let weight = gradients.remove::<2>(dense.weight.id).unwrap();
        let bias = gradients.remove::<1>(dense.bias.id).unwrap();
        parameters.push((format!("{name} weight"), values(weight)));
        parameters.push((format!("{name} bias"), values(bias)));
    }
    for (name, norm) in norms(&layer) {
        let gamma = gradients.remove::<1>(norm.gamma.id).unwrap();
        let beta = gradients.remove::<1>(norm.beta.id).unwrap();
        parameters.push((format!("{name} gamma"), values(gamma)));
        parameters.push((format!("{name} beta"), values(beta)));
    }
    Results {
        output: values(output),
        input: values(input),
        parameters,
    }
}

/// By a graph of Burn's operations on the CPU, in f32, one sequence after the other.
fn by_graph(drops: bool) -> Results {
    let device = Device::flex().autodiff();
    let layer = layer(&device, Arithmetic::default());
    let matrix = |data| Tensor::<2>::from_data(data, &device);
    let (hidden, grad) = (matrix(random(1)), matrix(random(2)));
    let hidden = hidden.require_grad();
    let dense = |dense: &Dense, x: Tensor<2>| linear(x, dense.weight.val(), Some(dense.bias.val()));
    let norm = |norm: &LayerNorm, x: Tensor<2>| {
        layer_norm(x, norm.gamma.val(), Some(norm.beta.val()), norm.epsilon)
    };
    let sequences = sequences();
    let words: Vec<u32> = sequences.row_words().collect();
    let rows_dropped = |x: Tensor<2>, site| match mode(drops).mask(site, RATE) {
        None => x,
        Some(mask) => {
            let factors: Vec<f32> = words
                .iter()
                .flat_map(|&word| (0..HIDDEN).map(move |column| mask.factor(word, column as u32)))
                .collect();
            x * matrix(TensorData::new(factors, [words.len(), HIDDEN]))
        }
    };
    let attention = &layer.attention;
    let [q, k, v] = [&attention.query, &attention.key, &attention.value]
        .map(|projection| dense(projection, hidden.clone()));
    let size = HIDDEN / HEADS;
    let mut contexts = Vec::new();
    for number in 0..sequences.len() {
        let rows = sequences.rows(number);
        let heads = (0..HEADS).map(|head| {
            let part = |x: &Tensor<2>| {
                x.clone()
                    .slice([rows.clone(), head * size..(head + 1) * size])
            };
            let scores = part(&q).matmul(part(&k).transpose()) / (size as f64).sqrt();
            let mut probabilities = softmax(scores, 1);
            if let Some(mask) = mode(drops).mask(Site::Probabilities(LAYER), RATE) {
                let length = rows.len();
                let factors: Vec<f32> = words[rows.clone()]
                    .iter()
                    .flat_map(|&word| {
                        (0..length as u32)
                            .map(move |key| mask.factor(word, attention_column(head as u32, key)))
                    })
                    .collect();
                probabilities = probabilities * matrix(TensorData::new(factors, [length, length]));
            }
            probabilities.matmul(part(&v))
        });
        contexts.push(Tensor::cat(heads.collect(), 1));
    }
    let output = dense(&attention.output, Tensor::cat(contexts, 0));
    let output = rows_dropped(output, Site::AttentionOutput(LAYER));
    let middle = norm(&attention.layer_norm, output + hidden.clone());
    let feed_forward = &layer.feed_forward;
    let inner = dense(&feed_forward.intermediate, middle.clone());
    let half = (inner.clone() / std::f64::consts::SQRT_2).erf() / 2.0 + 0.5;
    let output = dense(&feed_forward.output, inner * half);
    let output = rows_dropped(output, Site::FeedForwardOutput(LAYER));
    let output = norm(&feed_forward.layer_norm, output + middle);
    let grads = (output.clone() * grad).sum().backward();
    let mut parameters = Vec::new();
    for (name, dense) in denses(&layer) {
        let weight = dense.weight.val().grad(&grads).unwrap();
        let bias = dense.bias.val().grad(&grads).unwrap();
        parameters.push((format!("{name} weight"), values(weight)));
        parameters.push((format!("{name} bias"), values(bias)));
    }
    for (name, norm) in norms(&layer) {
        let gamma = norm.gamma.val().grad(&grads).unwrap();
        let beta = norm.beta.val().grad(&grads).unwrap();
        parameters.push((format!("{name} gamma"), values(gamma)));
        parameters.push((format!("{name} beta"), values(beta)));
    }
    Results {
        output: values(output.inner()),
        input: values(hidden.grad(&grads).unwrap()),
        parameters,
    }
}

fn denses(layer: &EncoderLayer) -> [(&'static str, &Dense); 6] {
    let (attention, feed_forward) = (&layer.attention, &layer.feed_forward);
    [
        ("query", &attention.query),
        ("key", &attention.key),
        ("value", &attention.value),
        ("attention output", &attention.output),
        ("intermediate", &feed_forward.intermediate),
        ("output", &feed_forward.output),
    ]
}

fn norms(layer: &EncoderLayer) -> [(&'static str, &LayerNorm); 2] {
    [
        ("attention norm", &layer.attention.layer_norm),
        ("norm", &layer.feed_forward.layer_norm),
    ]
}

#[track_caller]
fn assert_same(what: &str, ours: &Results, theirs: &Results, tolerance: f64) {
    let near = |part: &str, ours: &[f32], theirs: &[f32]| {
        let (distance, norm) = crate::support::distance_and_norm(ours, theirs);
        assert!(
            distance <= tolerance * norm,
            "{what}: {part}: {distance} of {norm}"
        );
    };
    near("output", &ours.output, &theirs.output);
    near("input", &ours.input, &theirs.input);
    assert_eq!(ours.parameters.len(), theirs.parameters.len());
    let query_bias = &theirs.parameters[1];
    assert_eq!(query_bias.0, "query bias");
    let queries = query_bias
        .1
        .iter()
        .map(|&x| f64::from(x).powi(2))
        .sum::<f64>();
    for ((name, ours), (_, theirs)) in ours.parameters.iter().zip(&theirs.parameters) {
        if name == "key bias" {
            // Softmax does not change when all scores of a row move together: the true gradient is 0,
            // and what is left is the rounding of sums as large as the queries'.
            let (distance, _) = crate::support::distance_and_norm(ours, theirs);
            let bound = tolerance * queries;
            assert!(distance <= bound, "{what}: {name}: {distance}");
            continue;
        }
        near(name, ours, theirs);
    }
}

/// A tiling of each kind that the device has, and attention with cooperative matrices beside those that
/// use them.
fn arithmetics(name: &str) -> Vec<Arithmetic> {
    let with = |tilings, attention| Arithmetic {
        full: tilings,
        half: tilings,
        attention,
        ..Arithmetic::default()
    };
    let mut all = vec![with(MatmulTilings::BURNS, AttentionConfigs::default())];
    if name == "cpu" {
        return all;
    }
    all.extend([1, 2].map(|quarters| {
        let tiling = MatmulTiling::Tiled { quarters };
        with(MatmulTilings::all(tiling), AttentionConfigs::default())
    }));
    let adapter = choose(DeviceRequest::Gpu).unwrap().adapter.unwrap();
    let cooperative = matmul::autotune::candidates(&adapter, Element::F16)
        .into_iter()
        .find(|tiling| matches!(tiling, MatmulTiling::Cooperative { .. }));
    if let Some(tiling) = cooperative {
        let attention = candidates(&adapter, HIDDEN / HEADS).first().copied();
        let attention = AttentionConfigs {
            forward: attention,
            backward: attention,
        };
        all.push(with(MatmulTilings::all(tiling), attention));
    }
    all
}

#[test]
fn a_layers_own_backward_pass_is_that_of_a_graph() {
    for drops in [false, true] {
        let theirs = by_graph(drops);
        for (name, device) in crate::support::devices() {
            for arithmetic in arithmetics(name) {
                for (layers, tolerance) in [
                    // Sums of some hundred terms in another order.
                    (Element::F32, 3e-6),
                    // About ten roundings to 11 bits on the way.
                    (Element::F16, 3e-3),
                ] {
                    let arithmetic = Arithmetic {
                        layers,
                        ..arithmetic
                    };
                    let what = format!("{name} {}, drops {drops}", arithmetic.line());
                    let ours = by_layer(&device, arithmetic, drops);
                    assert_same(&what, &ours, &theirs, tolerance);
                }
            }
        }
    }
}

#[test]
fn a_layer_in_bf16_is_near_one_in_f32_and_no_nearer_than_8_bits_are() {
    let theirs = by_graph(true);
    for instructions in Instructions::ALL.into_iter().filter(|by| by.available()) {
        let arithmetic = Arithmetic {
            bf16: Some(instructions),
            ..Arithmetic::default()
        };
        let ours = by_layer(&Device::flex(), arithmetic, true);
        // About ten roundings to 8 bits on the way: eight times what f16's 11 bits are given.
        let what = instructions.to_string();
        assert_same(&what, &ours, &theirs, 2.4e-2);
        let plain = by_layer(&Device::flex(), Arithmetic::default(), true);
        for (part, ours, plain) in [
            ("output", &ours.output, &plain.output),
            ("input", &ours.input, &plain.input),
            ("weight", &ours.parameters[0].1, &plain.parameters[0].1),
        ] {
            let (distance, norm) = crate::support::distance_and_norm(ours, plain);
            assert!(distance > 1e-4 * norm, "{what}: {part} is in f32");
        }
    }
}
