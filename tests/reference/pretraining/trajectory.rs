//! Recorded runs, followed step by step with their masks and samples.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use checkpoints_convert::{Kept, write_pretraining};
use electra::{
    config::{LrDecayVariant, PretrainConfig},
    kernels::formats::Element,
    model::{arithmetic::Arithmetic, record},
    pretrain::{
        figures::{Figures, Losses},
        masking::Masking,
        networks::Networks,
        objective::Objective,
        part::{Masked, Part},
        recorded_masks::RecordedMasks,
        schedule::Schedule,
        step::{StepGradients, step_gradients},
    },
    train::{adam::Adam, loss_scale::LossScale, schedule::LayerDecay},
};
use serde_json::Value;

use super::{config, json_file, masking, networks, objective, unpacked, without_dropout};
use crate::support::{devices, distance_and_norm, fast, golden, gpu, shared, tiny_vocabulary};

/// A run of the reference.
struct Recorded {
    config: PretrainConfig,
    masking: Masking,
    masks: RecordedMasks,
    /// Figures of each step.
    steps: Vec<Value>,
}

/// How a run is followed.
#[derive(Clone, Copy)]
struct Following {
    /// For so many steps.
    steps: usize,
    /// With each batch in so many parts.
    parts: usize,
    loss_scale: f64,
    /// How far the losses and the gradient's norm of a step, of these figures, may be off, relatively.
    most: fn(usize, &Value) -> [f64; 2],
}

impl Following {
    /// With layers in f32.
    fn closely(steps: usize, parts: usize) -> Self {
        Self {
            steps,
            parts,
            loss_scale: 1.0,
            most: |step, _| [if step < 10 { 1e-3 } else { 1e-2 }; 2],
        }
    }
}

impl Recorded {
    fn read(trajectory: &Path, masks: &Path, examples: &Path, vocab: &Path) -> Self {
        let trajectory = json_file(trajectory);
        let config = config(&trajectory["hparams"]);
        let masking = masking(&config, vocab);
        let masks = RecordedMasks::read(masks, examples, &masking, config.vocab_size).unwrap();
        let steps = trajectory["steps"].as_array().unwrap().clone();
        assert_eq!(masks.steps.len(), steps.len());
        Self {
            config,
            masking,
            masks,
            steps,
        }
    }

    /// The run from electra_tiny.
    fn from_tiny() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = |name: &str| unpacked(name, folder.path());
        Self::read(
            &unpacked("trajectory/trajectory.json"),
            &unpacked("trajectory/masks.jsonl"),
            &unpacked("data/examples.64.jsonl"),
            &tiny_vocabulary(),
        )
    }

    /// The networks that it began with, if it is the run from electra_tiny.
    fn tiny(&self, device: &Device, arithmetic: Arithmetic) -> Networks {
        let zip = golden("models/electra_tiny.zip");
        networks(&zip, &self.config, device, arithmetic)
    }

    fn adam(&self) -> Adam {
        let one_rate = LayerDecay {
            decay: 0.0,
            layers: 0,
            variant: LrDecayVariant::Released,
        };
        Adam::new(self.config.weight_decay_rate, one_rate)
    }

    /// The gradients of a step that computes these examples.
    fn gradients(
        &self,
        networks: &Networks,
        examples: &[Masked],
        step: usize,
        following: Following,
        device: &Device,
    ) -> StepGradients {
        let objective = Objective {
            loss_scale: following.loss_scale,
            ..objective(&self.config, &self.masking, device)
        };
        let size = examples.len().div_ceil(following.parts);
        let split = examples.chunks(size).enumerate();
        let split: Vec<Part> = split
            .map(|(part, examples)| Part {
                examples: examples.to_vec(),
                first_place: part * size,
            })
            .collect();
        step_gradients(networks, &split, &objective, without_dropout(step as u64)).unwrap()
    }

    /// Follows the run from its first step and compares every figure.
    fn follow(
        &self,
        name: &str,
        mut networks: Networks,
        device: &Device,
        following: Following,
    ) -> (Networks, Adam) {
        let schedule = Schedule::of(&self.config);
        let mut adam = self.adam();
        let mut worst = [0.0_f64; 2];
        let steps = self.steps.iter().zip(&self.masks.steps).enumerate();
        for (number, (theirs, examples)) in steps.take(following.steps) {
            let step = self.gradients(&networks, examples, number, following, device);
            let rate = schedule.update_rate(number as u64);
            for (key, ours) in [
                ("learning_rate", schedule.learning_rate(number as u64)),
                ("update_learning_rate", rate),
            ] {
                let theirs = theirs[key].as_f64().unwrap();
                assert_eq!(ours as f32, theirs as f32, "{name}: {key} of step {number}");
            }
            let most = (following.most)(number, theirs);
            for (key, ours, kind) in [
                ("total_loss", Some(step.losses.total), 0),
                ("mlm_loss", Some(step.losses.masked_lm), 0),
                ("disc_loss", step.losses.discriminator, 0),
                ("cloze_loss", step.losses.cloze, 0),
                ("grad_norm", Some(step.figures.grad_norm), 1),
            ] {
                let theirs = theirs[key].as_f64();
                assert_eq!(ours.is_some(), theirs.is_some(), "{name}: {key}");
                if let Some((ours, theirs)) = ours.zip(theirs) {
                    let off = (ours / theirs - 1.0).abs();
                    worst[kind] = worst[kind].max(off);
                    assert!(
                        off <= most[kind],
                        "{name}, step {number}: {key} {ours}, theirs {theirs}"
                    );
                }
            }
            self.check_shares(name, &step, theirs);
            networks = step.update(networks, &mut adam, rate);
        }
        println!(
            "{name}: losses {:e}, gradient norm {:e} in {} steps",
            worst[0], worst[1], following.steps
        );
        (networks, adam)
    }

    fn check_shares(&self, name: &str, step: &StepGradients, theirs: &Value) {
        let mut figures = Figures::default();
        figures.add(&step.seen, self.config.max_seq_length);
        let figures = figures.by_name(&self.config);
        for key in [
            "masked_lm_accuracy",
            "sampled_masked_lm_accuracy",
            "disc_accuracy",
        ] {
            // Without a discriminator, the reference's evaluation has no samples.
            let Some((ours, theirs)) = figures.get(key).zip(theirs[key].as_f64()) else {
                continue;
            };
            // One slot or token more or less if the last digits tie.
            assert!(
                (ours - theirs).abs() < 0.03,
                "{name}: {key} {ours} {theirs}"
            );
        }
    }
}

/// The parameters' values by name.
fn values(networks: &Networks) -> BTreeMap<String, Vec<f32>> {
    let mut values = BTreeMap::new();
    record::for_each_parameter(networks, &[], |parameter| {
        let value = parameter.value.try_into_vec_as::<f32>().unwrap();
        values.insert(parameter.name.to_owned(), value);
    });
    values
}

/// Adam's moments by name, `m/…` and `v/…`.
fn moments(adam: &Adam) -> BTreeMap<String, Vec<f32>> {
    let stored = adam.stored().into_iter();
    stored
        .map(|tensor| {
            let bytes = tensor.to_bytes().unwrap();
            let values = bytes.chunks_exact(4);
            let values = values.map(|word| f32::from_le_bytes(word.try_into().unwrap()));
            (tensor.name.clone(), values.collect())
        })
        .collect()
}

/// How far all values are off together, relatively. Softmax is invariant to a shift of all scores in a row,
/// so the gradients of key biases are rounding noise, and so is what Adam makes of it.
fn distance(
    ours: &BTreeMap<String, Vec<f32>>,
    theirs: &BTreeMap<String, Vec<f32>>,
    mut check: impl FnMut(&str, f64, f64),
) -> f64 {
    assert!(ours.keys().eq(theirs.keys()));
    let (mut all_off, mut all) = (0.0, 0.0);
    for (name, ours) in ours {
        if name.ends_with("key.bias") {
            continue;
        }
        let (off, size) = distance_and_norm(ours, &theirs[name]);
        check(name, off, size);
        all_off += off * off;
        all += size * size;
    }
    (all_off / all).sqrt()
}

/// The checkpoint that the reference's run ended with.
fn last() -> Option<PathBuf> {
    Some(shared("reference")?.join("pretrain/trajectory/final/model.ckpt"))
}

fn check_last(recorded: &Recorded, networks: &Networks, device: &Device) {
    let Some(last) = last() else { return };
    let theirs = super::networks(&last, &recorded.config, device, Arithmetic::default());
    distance(&values(networks), &values(&theirs), |name, off, size| {
        assert!(
            off <= 1e-2 * size + 1e-3,
            "{name} is off by {off} of {size}"
        );
    });
}

#[test]
fn a_recorded_run_is_followed_to_its_end() {
    let recorded = Recorded::from_tiny();
    let device = Device::flex().autodiff();
    let networks = recorded.tiny(&device, Arithmetic::default());
    let following = Following::closely(recorded.steps.len(), 3);
    let (networks, _) = recorded.follow("cpu, in three parts", networks, &device, following);
    check_last(&recorded, &networks, &device);
}

#[test]
fn a_recorded_run_is_followed_for_ten_steps_on_wgpu() {
    let Some(device) = gpu() else { return };
    let recorded = Recorded::from_tiny();
    let device = device.autodiff();
    let networks = recorded.tiny(&device, fast("wgpu"));
    recorded.follow("wgpu", networks, &device, Following::closely(10, 1));
}

#[test]
fn layers_in_f16_follow_a_recorded_run() {
    let recorded = Recorded::from_tiny();
    for (name, device) in devices() {
        let device = device.autodiff();
        let arithmetic = Arithmetic {
            layers: Element::F16,
            ..fast(name)
        };
        let following = Following {
            // A software driver takes seconds per step.
            steps: if name == "cpu" { 5 } else { 2 },
            parts: 1,
            // As a run begins.
            loss_scale: LossScale::default().factor,
            // Values are rounded to 11 bits (5e-4) at some thirty places along the way through either
            // network; their errors mostly cancel in sums over a batch. Norms of this run do not follow so
            // closely: the record tells by how much one changes if all weights change by 2e-7, of which
            // 5e-4 is 2,400 times as much.
            most: |_, theirs| {
                let sensitivity = theirs["sensitivity"][1].as_f64().unwrap();
                [2e-3, 1e-2 + 2_400.0 * sensitivity]
            },
        };
        let networks = recorded.tiny(&device, arithmetic);
        let name = format!("layers in f16 on {name}");
        recorded.follow(&name, networks, &device, following);
    }
}

#[test]
fn recorded_runs_of_other_set_ups_are_followed() {
    let Some(reference) = shared("reference") else {
        eprintln!("skipped: the whole reference is not at hand");
        return;
    };
    let variants = reference.join("pretrain/variants");
    let device = Device::flex().autodiff();
    for variant in ["electra_untied_embeddings", "electric", "mlm"] {
        let folder = variants.join(variant);
        let recorded = Recorded::read(
            &folder.join("trajectory/trajectory.json"),
            &folder.join("trajectory/masks.jsonl"),
            &variants.join("examples.jsonl"),
            &variants.join("vocab.txt"),
        );
        let init = folder.join("init/model.ckpt");
        let networks = networks(&init, &recorded.config, &device, Arithmetic::default());
        let following = Following::closely(recorded.steps.len(), 2);
        recorded.follow(variant, networks, &device, following);
    }
}

/// Our own run after the last recorded step, and the reference's checkpoint with its moments, take the same
/// further step.
#[test]
fn the_reference_s_last_checkpoint_goes_on_with_its_moments() {
    let recorded = Recorded::from_tiny();
    let cpu = Device::flex().autodiff();
    let steps = recorded.steps.len();
    let following = Following::closely(steps, 1);
    let networks = recorded.tiny(&cpu, Arithmetic::default());
    let (networks, adam) = recorded.follow("cpu", networks, &cpu, following);
    check_last(&recorded, &networks, &cpu);
    let Some(last) = last() else { return };

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("moments.bpk");
    let written = write_pretraining(&last, Kept::Moments, &file).unwrap();
    assert_eq!(written, 2 * values(&networks).len());
    let load = |device: &Device, arithmetic: Arithmetic| {
        let networks = super::networks(&last, &recorded.config, device, arithmetic);
        let mut adam = recorded.adam();
        let mut stored = record::open(&file).unwrap();
        adam.load(&networks, &[], &mut stored).unwrap();
        (networks, adam)
    };
    let (theirs, their_adam) = load(&cpu, Arithmetic::default());
    let mut worst = 0.0_f64;
    let off = distance(&moments(&adam), &moments(&their_adam), |name, off, size| {
        worst = worst.max(off / size);
        // Averages of gradients that came through eighteen steps, and of their squares: 2e-3.
        assert!(off <= 0.02 * size, "{name} is off by {off} of {size}");
    });
    println!("moments: {off:e} together, {worst:e} of one");

    // The recorded masks of another batch than the last.
    let next = |networks: Networks, mut adam: Adam, device: &Device| {
        let before = values(&networks);
        let examples = &recorded.masks.steps[0];
        let step = recorded.gradients(&networks, examples, steps, following, device);
        let losses = step.losses;
        let rate = Schedule::of(&recorded.config).update_rate(steps as u64);
        let after = values(&step.update(networks, &mut adam, rate));
        let moved = after.into_iter().map(|(name, after)| {
            let pairs = after.iter().zip(&before[&name]);
            let moved: Vec<f32> = pairs.map(|(after, before)| after - before).collect();
            (name, moved)
        });
        (losses, moved.collect::<BTreeMap<_, _>>())
    };
    let (same, _) = load(&cpu, Arithmetic::default());
    let without = next(same, recorded.adam(), &cpu).1;
    let (their_losses, moved) = next(theirs, their_adam, &cpu);
    let largest = moved
        .values()
        .flatten()
        .fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(largest > 0.0 && largest < 1e-2, "{largest}");
    let near = |name: &str, ours: Losses, most: f64| {
        let [ours, theirs] = [ours.total, their_losses.total];
        let off = (ours / theirs - 1.0).abs();
        println!("{name}: the next step's loss {ours}, theirs {theirs}");
        assert!(off <= most, "{name}: {ours} {theirs}");
    };
    let (losses, ours) = next(networks, adam, &cpu);
    near("our own run", losses, 1e-2);
    let off = distance(&ours, &moved, |_, _, _| ());
    let forgotten = distance(&without, &moved, |_, _, _| ());
    println!("the next update: ours is off by {off:e}, one without moments by {forgotten:e}");
    assert!(off < 1e-2 && forgotten > 0.5, "{off} {forgotten}");

    if let Some(device) = gpu() {
        let device = device.autodiff();
        let (networks, adam) = load(&device, fast("wgpu"));
        let (losses, on_gpu) = next(networks, adam, &device);
        near("wgpu", losses, 1e-4);
        let off = distance(&on_gpu, &moved, |_, _, _| ());
        println!("the next update on wgpu is off by {off:e}");
        assert!(off < 1e-2, "{off}");
    }
}
