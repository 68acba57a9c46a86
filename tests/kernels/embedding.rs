//! The embeddings, whose backward pass is written out, against sums of the tables' rows and a graph of
//! Burn's own operations.

use burn::{
    Tensor,
    tensor::{
        Device, Int, TensorData,
        module::{layer_norm, linear},
    },
};
use electra::{
    batch::{Batch, Row},
    config::{Config, EncoderConfig},
    kernels::{
        dropout::dropout,
        embedding::embedding_sum,
        lookup::Ids,
        matmul::{MatmulTilings, config::MatmulTiling},
    },
    model::{
        ModelInput,
        arithmetic::Arithmetic,
        dropout::{Mode, Site, StepSeed},
        embeddings::Embeddings,
        parameter_gradients::ParameterGradients,
        parameters::ParameterSource,
    },
    packed::sequences::Sequences,
    tasks::label::Label,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const VOCABULARY: usize = 30;
const RATE: f64 = 0.2;
const LENGTHS: [usize; 3] = [9, 1, 70];

fn random(shape: [usize; 2], seed: u64) -> TensorData {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    TensorData::new(values, shape)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

#[test]
fn three_tables_rows_are_summed_in_order() {
    let sequences = Sequences::new(&LENGTHS, 0);
    let rows = sequences.tokens();
    let mut draw = ChaCha8Rng::seed_from_u64(3);
    // Two types of as many, and one of more than the table has, which adds nothing.
    for (columns, types) in [(1, 2), (20, 2), (21, 1), (1_024, 2)] {
        let entries = [VOCABULARY, types, 512];
        let ids = [VOCABULARY as u32, 2, 512].map(|most| {
            (0..rows)
                .map(|_| draw.random_range(0..most))
                .collect::<Vec<u32>>()
        });
        let tables = [1, 2, 3].map(|seed| random([entries[seed as usize - 1], columns], seed));
        let row = |table: usize, row: usize| {
            let id = ids[table][row] as usize;
            let all = tables[table].as_slice::<f32>().unwrap();
            all.chunks_exact(columns).nth(id)
        };
        let mut exact = Vec::new();
        for number in 0..rows {
            for column in 0..columns {
                let kind = row(1, number).map_or(0.0, |row| row[column]);
                let [word, position] = [0, 2].map(|table| row(table, number).unwrap()[column]);
                exact.push(word + (kind + position));
            }
        }
        for (name, device) in crate::support::devices() {
            let on_device = tables
                .clone()
                .map(|table| Tensor::from_data(table, &device));
            let ids = ids
                .each_ref()
                .map(|ids| Ids::new(ids.as_slice().into(), &device));
            let sums = embedding_sum(on_device, ids.each_ref(), &sequences);
            assert!(values(sums) == exact, "{name} {columns} {types}");
        }
    }
}

/// With a projection, or without one where both widths are the same.
fn encoder(embedding: usize) -> EncoderConfig {
    let given = serde_json::json!({
        "task_names": ["squad"],
        "model_hparam_overrides": {
            "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "initializer_range": 0.2, "hidden_dropout_prob": RATE,
        },
        "embedding_size": embedding,
        "vocab_size": VOCABULARY,
    });
    let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
    resolved.unwrap().0.encoder()
}

fn embeddings(embedding: usize, device: &Device, arithmetic: Arithmetic) -> Embeddings {
    let device = device.clone().autodiff();
    let mut source = ParameterSource::new(device, 1, None).with_arithmetic(arithmetic);
    Embeddings::new(&mut source, &encoder(embedding)).unwrap()
}

fn batch() -> Batch {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut batch = Batch::default();
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let ids: Vec<u32> = (0..length)
            .map(|_| random.random_range(0..VOCABULARY as u32))
            .collect();
        let row = Row {
            input_ids: &ids,
            first_segment: length / 2,
            label: Label::Class(0),
        };
        batch.push(index, 0, row);
    }
    batch
}

/// The result, the gradient of the word vectors, and those of the parameters.
type Results = Vec<(&'static str, Vec<f32>)>;

fn by_embeddings(embedding: usize, device: &Device, tiled: bool, mode: Mode) -> Results {
    let arithmetic = Arithmetic {
        full: match tiled {
            true => MatmulTilings::all(MatmulTiling::Tiled { quarters: 1 }),
            false => MatmulTilings::BURNS,
        },
        ..Arithmetic::default()
    };
    let embeddings = embeddings(embedding, device, arithmetic);
    let input = ModelInput::new(&batch(), 0, &device.clone().autodiff());
    let (output, state) = embeddings.forward_with_state(&input, mode);
    let alone = embeddings.forward(&input, mode);
    assert!(values(alone) == values(output.clone()), "nothing kept");
    let mut gradients = ParameterGradients::default();
    let grad = Tensor::from_data(random(output.dims(), 5), device);
    let words = embeddings.backward(state, grad, &input, mode, &mut gradients);
    let mut results = vec![("result", values(output)), ("words", values(words))];
    for (name, table) in [
        ("types", &embeddings.token_type),
        ("positions", &embeddings.position),
    ] {
        results.push((
            name,
            values(gradients.remove::<2>(table.weight.id).unwrap()),
        ));
    }
    let norm = &embeddings.layer_norm;
    for (name, id) in [("gamma", norm.gamma.id), ("beta", norm.beta.id)] {
        results.push((name, values(gradients.remove::<1>(id).unwrap())));
    }
    if let Some(project) = &embeddings.project {
        let weight = gradients.remove::<2>(project.weight.id).unwrap();
        let bias = gradients.remove::<1>(project.bias.id).unwrap();
        results.extend([("weight", values(weight)), ("bias", values(bias))]);
    }
    results
}

fn by_graph(embedding: usize, mode: Mode) -> Results {
    let device = Device::flex().autodiff();
    let embeddings = embeddings(embedding, &device, Arithmetic::default());
    let batch = batch();
    let index = |ids: Vec<i32>| {
        let count = ids.len();
        Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &device)
    };
    let ids = batch.input_ids.to_vec();
    let positions = LENGTHS.into_iter().flat_map(|length| 0..length as i32);
    let words = embeddings
        .word
        .weight
        .val()
        .inner()
        .select(0, index(ids).inner());
    let words = Tensor::from_inner(words).require_grad();
    let kinds = embeddings.token_type.weight.val();
    let sum = words.clone()
        + kinds.select(0, index(batch.segment_ids.clone()))
        + embeddings
            .position
            .weight
            .val()
            .select(0, index(positions.collect()));
    let norm = &embeddings.layer_norm;
    let rows = layer_norm(sum, norm.gamma.val(), Some(norm.beta.val()), norm.epsilon);
    let rows = match mode.mask(Site::Embeddings, RATE) {
        Some(mask) => dropout(rows, &Sequences::new(&LENGTHS, 0), mask),
        None => rows,
    };
    let output = match &embeddings.project {
        Some(project) => linear(rows, project.weight.val(), Some(project.bias.val())),
        None => rows,
    };
    let grad = Tensor::from_data(random(output.dims(), 5), &device);
    let grads = (output.clone() * grad).sum().backward();
    let mut results = vec![
        ("result", values(output.inner())),
        ("words", values(words.grad(&grads).unwrap())),
    ];
    for (name, table) in [
        ("types", &embeddings.token_type),
        ("positions", &embeddings.position),
    ] {
        results.push((name, values(table.weight.val().grad(&grads).unwrap())));
    }
    for (name, vector) in [("gamma", &norm.gamma), ("beta", &norm.beta)] {
        results.push((name, values(vector.val().grad(&grads).unwrap())));
    }
    if let Some(project) = &embeddings.project {
        let weight = project.weight.val().grad(&grads).unwrap();
        let bias = project.bias.val().grad(&grads).unwrap();
        results.extend([("weight", values(weight)), ("bias", values(bias))]);
    }
    results
}

#[test]
fn the_embeddings_own_backward_pass_is_that_of_a_graph() {
    for embedding in [32, 64] {
        for mode in [Mode::Predict, Mode::Train(StepSeed::new(5, 7))] {
            let theirs = by_graph(embedding, mode);
            for (name, device) in crate::support::devices() {
                for tiled in [false, true] {
                    let ours = by_embeddings(embedding, &device, tiled, mode);
                    assert_eq!(ours.len(), theirs.len());
                    for ((part, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                        let (distance, norm) = crate::support::distance_and_norm(ours, theirs);
                        // Sums of some hundred terms in another order.
                        assert!(
                            distance <= 3e-6 * norm,
                            "{name} {embedding} {mode:?} {tiled}: {part}: {distance} of {norm}"
                        );
                    }
                }
            }
        }
    }
}
