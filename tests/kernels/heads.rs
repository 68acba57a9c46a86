//! The head on packed rows against the reference's formula on the padded matrix: losses, and the
//! gradients of hidden states and parameters.

use crate::support::max_difference;
use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    tensor::{
        Device, FloatDType, Int, TensorData,
        activation::{log_sigmoid, log_softmax, softmax},
    },
};
use electra::{
    batch::{Batch, Row},
    config::Config,
    device::{DeviceRequest, choose},
    kernels::{
        formats::Element,
        gelu::gelu,
        matmul::{self, MatmulTilings},
    },
    model::{
        HeadInput, ModelInput, arithmetic::Arithmetic, dense::Dense, parameters::ParameterSource,
    },
    tasks::{
        head::{Head, TaskHead, batch_loss},
        label::Label,
        model::Model,
        qa::{
            beam,
            dev_target::DevTarget,
            loss::{Targets, feature_losses},
            span_head::{SpanHead, SpanHeadConfig},
        },
    },
};

const HIDDEN: usize = 32;
const WEIGHT: f64 = 0.5;

/// A sequence of one token, short ones, and some that are longer than a workgroup is wide.
const LENGTHS: [usize; 5] = [7, 1, 70, 12, 130];

/// Tokens of a sequence in the padded matrix.
const PADDED: usize = 140;

fn batch() -> Batch {
    let labels = [
        (3, 6, false),
        (0, 0, true),
        (0, 0, true),
        (5, 5, false),
        (64, 129, false),
    ]
    .map(|(start, end, impossible)| Label::Span {
        start,
        end,
        impossible,
    });
    let tasks = [1, 0, 1, 1, 0];
    let mut batch = Batch::default();
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let row = Row {
            input_ids: &vec![0; length],
            first_segment: 3,
            label: labels[index].clone(),
        };
        batch.push(index, tasks[index], row);
    }
    batch
}

fn configs() -> [SpanHeadConfig; 4] {
    [
        (true, true, true),
        (true, true, false),
        (false, true, true),
        (false, false, false),
    ]
    .map(|(joint, answerable, start)| SpanHeadConfig {
        joint_prediction: joint,
        answerable_classifier: answerable,
        answerable_uses_start_logits: start,
        answerable_weight: WEIGHT,
    })
}

fn head(task: &str, config: SpanHeadConfig, device: &Device) -> SpanHead {
    head_with(task, config, device, Arithmetic::default())
}

fn head_with(
    task: &str,
    config: SpanHeadConfig,
    device: &Device,
    arithmetic: Arithmetic,
) -> SpanHead {
    let mut source = ParameterSource::new(device.clone(), 7, None).with_arithmetic(arithmetic);
    SpanHead::new(&mut source, task, HIDDEN, config).unwrap()
}

/// Hidden states as a layer norm leaves them, `[tokens, hidden]`.
fn hidden(device: &Device) -> Tensor<2> {
    let tokens: usize = LENGTHS.iter().sum();
    let mut word = 1_u32;
    let values: Vec<f32> = (0..tokens * HIDDEN)
        .map(|_| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (word >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let states = Tensor::from_data(TensorData::new(values, [tokens, HIDDEN]), device);
    (states * 2.0).detach().require_grad()
}

/// Where the answers of the batch start and end.
fn positions(batch: &Batch) -> (Vec<i32>, Vec<i32>) {
    let labels = batch.labels.iter();
    let spans = labels.map(|label| {
        let Label::Span { start, end, .. } = *label else {
            panic!("{label:?}")
        };
        (start as i32, end as i32)
    });
    spans.unzip()
}

/// What the reference computes, `[batch]` each.
struct Padded {
    /// `−log p` of the batch's starts, and of its ends given those.
    start: Tensor<1>,
    end: Tensor<1>,
    answerable_logit: Option<Tensor<1>>,
}

/// As the reference computes it: padded, each token beside its start.
fn padded(head: &SpanHead, hidden: Tensor<2>, batch: &Batch) -> Padded {
    let device = hidden.device();
    let (size, seq) = (batch.size, PADDED);
    let ints = |values: Vec<i32>, device: &Device| {
        let count = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [count]), device)
    };
    // Padding holds the states of some other token.
    let mut rows = vec![2_i32; size * seq];
    let mut mask = vec![0.0_f32; size * seq];
    let mut first = 0;
    for (row, length) in LENGTHS.into_iter().enumerate() {
        for place in 0..length {
            let cell = row * seq + place;
            rows[cell] = (first + place) as i32;
            let passage = place == 0 || batch.segment_ids[first + place] == 1;
            mask[cell] = f32::from(u8::from(passage));
        }
        first += length;
    }
    let (start, end) = positions(batch);
    let states = hidden.select(0, ints(rows, &device));
    let mask = Tensor::<1>::from_data(TensorData::new(mask, [size * seq]), &device);
    let mask_terms = ((mask - 1.0) * 1000.0).reshape([size, seq]);
    let targets = |values: &[i32]| ints(values.to_vec(), &device).reshape([size, 1]);
    let cross_entropy = |logits: Tensor<2>, target: &[i32]| {
        let picked = log_softmax(logits, 1).gather(1, targets(target));
        picked.reshape([size]).neg()
    };
    let flat = |positions: &[i32]| {
        let rows = positions.iter().enumerate();
        ints(
            rows.map(|(row, position)| (row * seq) as i32 + position)
                .collect(),
            &device,
        )
    };

    let start_logits = head.start.forward(states.clone()).reshape([size, seq]) + mask_terms.clone();
    let end_input = match &head.end_hidden {
        None => states.clone(),
        Some(dense) => {
            let starts: Vec<i32> = start.iter().flat_map(|s| vec![*s; seq]).collect();
            let rows = (0..size * seq).map(|cell| (cell / seq * seq) as i32 + starts[cell]);
            let starts = states.clone().select(0, ints(rows.collect(), &device));
            gelu(dense.forward(Tensor::cat(vec![starts, states.clone()], 1)))
        }
    };
    let end_logits = head.end.forward(end_input).reshape([size, seq]) + mask_terms;
    let firsts = states.clone().select(0, flat(&vec![0; size]));
    let answerable_logit = head.answerable.as_ref().map(|answerable| {
        let logits = match &head.answerable_hidden {
            None => answerable.forward(firsts),
            Some(dense) => {
                let weights = softmax(start_logits.clone(), 1).reshape([size, 1, seq]);
                let mean = weights.matmul(states.reshape([size, seq, HIDDEN]));
                let mean = mean.reshape([size, HIDDEN]);
                answerable.forward(gelu(dense.forward(Tensor::cat(vec![firsts, mean], 1))))
            }
        };
        logits.reshape([size])
    });
    Padded {
        start: cross_entropy(start_logits, &start),
        end: cross_entropy(end_logits, &end),
        answerable_logit,
    }
}

/// Each feature's loss, `[batch]`.
fn padded_losses(head: &SpanHead, hidden: Tensor<2>, batch: &Batch) -> Tensor<1> {
    let device = hidden.device();
    let padded = padded(head, hidden, batch);
    let span = (padded.start + padded.end) / 2.0;
    match padded.answerable_logit {
        None => span,
        Some(logits) => {
            let impossible = batch.labels.iter().map(|label| {
                let Label::Span { impossible, .. } = *label else {
                    panic!("{label:?}")
                };
                f32::from(u8::from(impossible))
            });
            let label = TensorData::new(impossible.collect::<Vec<_>>(), [batch.size]);
            let label = Tensor::<1>::from_data(label, &device);
            let yes = log_sigmoid(logits.clone()) * label.clone();
            let no = log_sigmoid(logits.neg()) * (label.neg() + 1.0);
            span - (yes + no) * WEIGHT
        }
    }
}

/// Gradients of a head's parameters, in the order of its fields, and of the hidden states.
fn gradients(heads: &[SpanHead], hidden: &Tensor<2>, loss: Tensor<1>) -> Vec<Vec<f32>> {
    struct Collect<'a> {
        grads: &'a burn::tensor::Gradients,
        found: Vec<Vec<f32>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let gradient = parameter.val().grad(self.grads).unwrap();
            self.found.push(gradient.try_into_vec_as().unwrap());
        }
    }
    let grads = loss.backward();
    let states = hidden.grad(&grads).unwrap().cast(FloatDType::F32);
    let states = states.try_into_vec_as().unwrap();
    let mut collect = Collect {
        grads: &grads,
        found: vec![states],
    };
    for head in heads {
        head.visit(&mut collect);
    }
    collect.found
}

/// What sums over 220 tokens and 512 columns in another order lose, of the greatest value.
const FULL: f32 = 1e-5;

#[track_caller]
fn assert_same(what: &str, ours: &[Vec<f32>], theirs: &[Vec<f32>], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let scale = theirs.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        let difference = max_difference(ours, theirs);
        // The start and end biases have no true gradient: theirs is what the rounding of terms up
        // to 1 leaves.
        assert!(
            difference <= tolerance * scale.max(0.2),
            "{what}, gradient {place}: {difference} of {scale}"
        );
    }
}

#[test]
fn packed_losses_and_gradients_are_those_of_the_padded_matrix() {
    let batch = batch();
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        for config in configs() {
            let head = head("squad", config, &device);
            let input = ModelInput::new(&batch, 0, &device);
            let packed = hidden(&device);
            let ours = feature_losses(
                &head,
                &HeadInput::new(packed.clone(), &input),
                &Targets::new(&batch.labels),
            );
            let padded = hidden(&device);
            let theirs = padded_losses(&head, padded.clone(), &batch);
            let values = |losses: &Tensor<1>| -> Vec<f32> {
                losses.clone().inner().try_into_vec_as().unwrap()
            };
            let what = format!("{name} {config:?}");
            // Losses are up to 10.
            let difference = max_difference(&values(&ours), &values(&theirs));
            assert!(difference <= 5e-6, "{what}: {difference}");
            let heads = std::slice::from_ref(&head);
            let ours = gradients(heads, &packed, ours.sum());
            assert_same(&what, &ours, &gradients(heads, &padded, theirs.sum()), FULL);
        }
    }
}

#[test]
fn in_f16_the_head_has_the_losses_and_gradients_of_f32_but_for_rounding() {
    let batch = batch();
    for (name, device) in crate::support::devices() {
        let mut tilings = vec![MatmulTilings::default()];
        if name != "cpu" {
            let chosen = choose(DeviceRequest::Gpu).unwrap();
            let adapter = chosen.adapter.as_ref().unwrap();
            let offered = matmul::autotune::candidates(adapter, Element::F16);
            tilings.extend(offered.into_iter().map(MatmulTilings::all));
        }
        let device = device.autodiff();
        let narrow = |states: Tensor<2>| states.cast(FloatDType::F16).detach();
        let values =
            |losses: &Tensor<1>| -> Vec<f32> { losses.clone().inner().try_into_vec_as().unwrap() };
        let input = ModelInput::new(&batch, 0, &device);
        for config in configs() {
            let exact = head("squad", config, &device);
            // The same values: what is compared is the head's own rounding.
            let states = narrow(hidden(&device)).cast(FloatDType::F32).detach();
            let states = states.require_grad();
            let theirs = padded_losses(&exact, states.clone(), &batch);
            let losses = values(&theirs);
            let theirs = gradients(std::slice::from_ref(&exact), &states, theirs.sum());
            for &half in &tilings {
                let arithmetic = Arithmetic {
                    layers: Element::F16,
                    half,
                    ..Arithmetic::default()
                };
                let mut head = head_with("squad", config, &device, arithmetic);
                let what = format!("{name} {config:?} {half}");
                let packed = narrow(hidden(&device)).require_grad();
                let computed = |head: &SpanHead| {
                    let input = HeadInput::new(packed.clone(), &input);
                    feature_losses(head, &input, &Targets::new(&batch.labels))
                };
                let halved_on_the_way = values(&computed(&head));
                head.f16_dense()
                    .into_iter()
                    .for_each(Dense::refresh_f16_weight);
                head.refresh_f16_parts();
                let ours = computed(&head);
                assert_eq!(values(&ours), halved_on_the_way, "{what}");
                // Inner layers, up to 3, are stored with 11 bits, and the errors of 512 columns mostly
                // cancel; logits and losses, up to 10, are f32.
                let difference = max_difference(&values(&ours), &losses);
                assert!(difference <= 3e-4, "{what}: {difference}");
                let ours = gradients(std::slice::from_ref(&head), &packed, ours.sum());
                assert_same(&what, &ours, &theirs, 3e-3);
            }
        }
    }
}

#[test]
fn features_of_several_tasks_are_judged_by_their_own_heads() {
    let batch = batch();
    let config = configs()[0];
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let heads = ["squad", "newsqa"].map(|task| head(task, config, &device));
        let input = ModelInput::new(&batch, 0, &device);
        let packed = hidden(&device);
        let head_input = HeadInput::new(packed.clone(), &input);
        let kinds = heads.clone().map(Head::Span);
        let ours = batch_loss(&kinds, &head_input, &batch.labels, &batch.task);
        let padded = hidden(&device);
        let theirs = (0..heads.len())
            .map(|task| {
                let own: Vec<f32> = batch
                    .task
                    .iter()
                    .map(|of| f32::from(u8::from(*of == task)))
                    .collect();
                let own = Tensor::from_data(TensorData::new(own, [batch.size]), &device);
                (padded_losses(&heads[task], padded.clone(), &batch) * own).sum()
            })
            .reduce(|a, b| a + b)
            .unwrap();
        let value = |loss: &Tensor<1>| loss.clone().inner().try_into_scalar::<f32>().unwrap();
        let (a, b) = (value(&ours), value(&theirs));
        assert!((a - b).abs() <= 1e-5 * b, "{name}: {a} instead of {b}");
        let ours = gradients(&heads, &packed, ours);
        assert_same(name, &ours, &gradients(&heads, &padded, theirs), FULL);
    }
}

#[test]
fn the_loss_beside_the_beam_is_that_of_training() {
    let given = serde_json::json!({
        "task_names": ["squad"],
        "model_hparam_overrides": {
            "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2,
            "vocab_size": 30,
        },
    });
    let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
    let encoder = resolved.unwrap().0.encoder();
    let batch = batch();
    let targets = batch.labels.iter().map(|label| match *label {
        Label::Span {
            start,
            end,
            impossible,
        } => Some(DevTarget {
            start,
            end,
            impossible,
        }),
        _ => panic!("{label:?}"),
    });
    let mut targets: Vec<Option<DevTarget>> = targets.collect();
    for (name, device) in crate::support::devices() {
        for config in configs() {
            let mut source = ParameterSource::new(device.clone(), 3, None);
            let heads = [TaskHead::span("squad", config)];
            let model = Model::new(&mut source, &encoder, &heads).unwrap();
            let input = ModelInput::new(&batch, 0, &device);
            let Head::Span(head) = &model.heads[0] else {
                panic!("{config:?}")
            };
            let trained = feature_losses(head, &model.encode(&input), &Targets::new(&batch.labels));
            let trained = trained.try_into_vec_as::<f32>().unwrap();
            // A beam of one, and one wider than most windows.
            for beam_size in [1, 20] {
                let what = format!("{name} {config:?}, beam {beam_size}");
                let predict = |targets: &[Option<DevTarget>]| {
                    let features = &batch.features;
                    beam::predict_with_losses(&model, 0, &input, features, beam_size, targets)
                        .unwrap()
                };
                let outputs = predict(&targets);
                for ((_, loss), trained) in outputs.iter().zip(&trained) {
                    let (loss, trained) = (loss.unwrap(), f64::from(*trained));
                    // The device sums in f32, the host in f64.
                    let difference = (loss - trained).abs();
                    assert!(
                        difference <= 1e-5 * trained.max(1.0),
                        "{what}: {loss}, {trained}"
                    );
                }
                let plain = predict(&[]);
                for ((output, _), (plain, none)) in outputs.iter().zip(&plain) {
                    assert_eq!(output.start_top_index, plain.start_top_index, "{what}");
                    assert_eq!(output.end_top_index, plain.end_top_index, "{what}");
                    assert_eq!((output.feature, none), (plain.feature, &None), "{what}");
                }
                let left_out = targets[1].take();
                assert_eq!(predict(&targets)[1].1, None, "{what}");
                targets[1] = left_out;
            }
        }
    }
}

#[test]
fn the_beam_of_short_windows_is_the_references_without_its_padding() {
    let given = serde_json::json!({
        "task_names": ["squad"],
        "model_hparam_overrides": {
            "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2,
            "vocab_size": 30,
        },
    });
    let resolved = Config::resolve("d".as_ref(), "m", given.as_object().unwrap());
    let (config, _) = resolved.unwrap();
    let encoder = config.encoder();
    for (name, device) in crate::support::devices() {
        for head in configs() {
            let mut source = ParameterSource::new(device.clone(), 3, None);
            let model =
                Model::new(&mut source, &encoder, &[TaskHead::span("squad", head)]).unwrap();
            let mut batch = batch();
            let input = ModelInput::new(&batch, 0, &device);
            let states = model.encode(&input).hidden;
            let windows = beam::predict(&model, 0, &input, &batch.features, 20).unwrap();
            let what = format!("{name} {head:?}");
            for (window, length) in windows.iter().zip(LENGTHS) {
                let beam = length.min(20);
                assert_eq!(window.start_top_index.len(), beam, "{what}");
                assert_eq!(window.end_top_index.len(), beam * beam, "{what}");
            }
            let values = |tensor: Tensor<1>| tensor.try_into_vec_as::<f32>().unwrap();
            // The best start and end, some in the middle, and the last, which is masked.
            for (rank, end) in [(0, 0), (1, 2), (5, 4), (19, 19)] {
                let last = |window: &beam::WindowOutput| window.start_top_index.len() - 1;
                let place = |window: &beam::WindowOutput| {
                    let beam = window.start_top_index.len();
                    rank.min(last(window)) * beam + end.min(last(window))
                };
                for (row, window) in windows.iter().enumerate() {
                    batch.labels[row] = Label::Span {
                        start: window.start_top_index[rank.min(last(window))],
                        end: window.end_top_index[place(window)],
                        impossible: false,
                    };
                }
                let Head::Span(head) = &model.heads[0] else {
                    panic!("no head of spans")
                };
                let theirs = padded(head, states.clone(), &batch);
                let (starts, ends) = (values(theirs.start), values(theirs.end));
                for (row, window) in windows.iter().enumerate() {
                    let start = window.start_top_log_probs[rank.min(last(window))];
                    let end = window.end_top_log_probs[place(window)];
                    // Values near −1000 are good to 6e-5.
                    for (ours, theirs) in [(start, -starts[row]), (end, -ends[row])] {
                        assert!((ours - theirs).abs() < 2e-4, "{what}: {ours}, {theirs}");
                    }
                }
                if let Some(logits) = theirs.answerable_logit {
                    for (window, theirs) in windows.iter().zip(values(logits)) {
                        assert!((window.answerable_logit - theirs).abs() < 1e-5, "{what}");
                    }
                }
            }
        }
    }
}
