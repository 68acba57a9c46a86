//! Device memory over the steps of a run, alone in its process: the allocator is the device's.

mod support;

use std::{
    ops::ControlFlow,
    sync::{Mutex, atomic::AtomicBool},
    time::Duration,
};

use burn::tensor::Device;
use electra::{
    batch::{
        Batch, FeatureSet,
        plan::{BatchPlan, PlanOptions},
    },
    config::{EncoderConfig, LrSchedule},
    data::split::Split,
    device::{DeviceRequest, choose},
    model::parameters::ParameterSource,
    progress::{Output, Progress},
    ranks::{Ranks, Wire},
    step_record::StepRecord,
    tasks::{
        model::Model,
        qa::{feature::Feature, predict::predict},
    },
    train::{
        adam::Adam,
        objective::{Objective, Trainable},
        run::Run,
        schedule::{LayerDecay, Schedule},
        step::{StepSettings, train_step},
    },
};
use support::{fast, runs, tasks};

/// The allocator is one for the process, so that its readings are taken one test at a time.
static ALLOCATOR: Mutex<()> = Mutex::new(());

#[test]
fn memory_does_not_grow_over_steps_on_wgpu() {
    let Some(device) = support::gpu() else { return };
    let _alone = ALLOCATOR.lock();
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = device.clone().autodiff();
    let tasks = tasks();
    let settings = StepSettings {
        device: &training,
        tasks: &tasks,
        objective: Objective {
            trainable: Trainable::All,
            recompute_layers: false,
            loss_scale: 1.0,
        },
        seed: 1,
    };
    let mut model = run.model_with("init", &training, 0.0, fast("wgpu"));
    let mut adam = Adam::new(
        run.config.weight_decay_rate,
        LayerDecay {
            decay: run.config.layerwise_lr_decay,
            layers: run.encoder().num_hidden_layers,
            variant: run.config.lr_decay_variant,
        },
    );
    // Two features: a software driver takes many seconds for a step of eight.
    let set = FeatureSet::from(features.as_slice());
    let batch = Batch::collate(&set, &[0, 1]).unwrap();
    let mut in_use = Vec::new();
    for step in 0..8 {
        let (updated, figures) = train_step(
            model,
            &mut adam,
            std::slice::from_ref(&batch),
            step,
            1e-4,
            &settings,
        )
        .unwrap();
        model = updated;
        assert!(figures.is_finite());
        device.sync().unwrap();
        in_use.push(device.memory_pool_usage().unwrap().bytes_in_use);
    }
    println!("bytes in use after each step: {in_use:?}");
    // Parameters, moments and one step's leftovers: after the first steps nothing may be added.
    let settled = in_use[3];
    assert!(
        in_use[4..].iter().all(|&now| now <= settled + settled / 20),
        "{in_use:?}"
    );
}

#[test]
fn a_part_that_the_device_cannot_hold_is_halved_and_the_step_computed() {
    let Some(device) = support::gpu() else { return };
    let _alone = ALLOCATOR.lock();
    let Some(wide) = Wide::new() else { return };
    let run = &runs()[0];
    let tasks = tasks();
    let losses = [4, 2].map(|micro_batch_size| {
        let folder = tempfile::tempdir().unwrap();
        let set = FeatureSet::from(wide.features.as_slice());
        let plan = BatchPlan::new(
            set.lengths(),
            PlanOptions {
                batch_size: 4,
                epochs: 1.0,
                seed: 1,
                shuffle: false,
                length_bucketing: false,
            },
        )
        .unwrap();
        let training = Run {
            device: &device,
            model_dir: folder.path(),
            tasks: &tasks,
            schedule: Schedule {
                base: 1e-4,
                steps: 1,
                warmup_proportion: 0.0,
                decay: LrSchedule::Linear,
            },
            features: &set,
            plan,
            objective: Objective {
                trainable: Trainable::All,
                recompute_layers: false,
                loss_scale: 1.0,
            },
            scaled_loss: false,
            micro_batch_size,
            seed: 1,
            hparams: serde_json::Value::Null,
            save_every_steps: 100,
            save_every: Duration::from_secs(3600),
            max_save: 1,
            log_every: 1,
            dev: None,
            stop: &AtomicBool::new(false),
            ranks: &Ranks::alone(),
            wire: Wire::F32,
        };
        let adam = Adam::new(
            0.01,
            LayerDecay {
                decay: 0.8,
                layers: 1,
                variant: run.config.lr_decay_variant,
            },
        );
        let build = |device: &Device, _: Option<&mut _>| {
            let mut source = ParameterSource::new(device.clone(), 1, None);
            Ok(Model::new(&mut source, &wide.encoder, &run.heads())?)
        };
        training
            .train(adam, build, &Progress::new(Output::Quiet))
            .unwrap();
        let log = std::fs::read_to_string(folder.path().join("train_log.jsonl")).unwrap();
        serde_json::from_str::<StepRecord>(&log).unwrap().loss
    });
    println!("losses {losses:?}");
    assert_eq!(losses[0], losses[1]);
}

#[test]
fn a_batch_that_the_device_cannot_hold_is_halved_and_predicted() {
    let Some(device) = support::gpu() else { return };
    let _alone = ALLOCATOR.lock();
    let Some(wide) = Wide::new() else { return };
    let mut source = ParameterSource::new(device.clone(), 1, None);
    let heads = runs()[0].heads();
    let model = Model::new(&mut source, &wide.encoder, &heads).unwrap();
    let set = FeatureSet::from(wide.features.as_slice());
    let [whole, halved] = [4, 2].map(|batch_size| {
        let mut heard = Vec::new();
        let outputs = predict(&model, 0, &set, batch_size, 4, &device, &mut |done| {
            heard.push(done);
            ControlFlow::Continue(())
        });
        (outputs.unwrap(), heard)
    });
    assert_eq!(whole.0, halved.0);
    assert_eq!((whole.1, halved.1), (vec![0, 2, 4], vec![2, 4]));
}

/// Features, and an encoder whose inner layer of two of them fits one tensor of the device, and that
/// of four does not.
struct Wide {
    features: Vec<Feature>,
    encoder: EncoderConfig,
}

impl Wide {
    /// `None` where the device takes tensors too large for a test.
    fn new() -> Option<Self> {
        let adapter = choose(DeviceRequest::Gpu).unwrap().adapter.unwrap();
        let largest = adapter.max_storage_binding.min(adapter.max_buffer);
        if largest > 256 << 20 {
            println!("skipped: {} takes tensors of {largest} bytes", adapter.name);
            return None;
        }
        let length = 128;
        let run = &runs()[0];
        let mut encoder = run.encoder();
        encoder.num_hidden_layers = 1;
        // Narrow otherwise: the device may be a software driver, and tensors are large enough.
        encoder.hidden_size = 32;
        encoder.num_attention_heads = 1;
        encoder.intermediate_size = (largest as usize / 4 / (3 * length)).next_multiple_of(16);
        let mut features = run.features(Split::Train);
        features.truncate(4);
        for feature in &mut features {
            feature.input_ids.resize(length, 1);
        }
        Some(Self { features, encoder })
    }
}
