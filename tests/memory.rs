//! Device memory over the steps of a run, alone in its process: the allocator is the device's.

mod support;

use electra::{
    data::example::Split,
    train::{
        adam::Adam,
        gradients::{Objective, Trainable},
        schedule::LayerDecay,
        step::{StepSettings, train_step},
    },
};
use support::{runs, tasks};

#[test]
fn memory_does_not_grow_over_steps_on_wgpu() {
    let Some(device) = support::gpu() else { return };
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = device.clone().autodiff();
    let tasks = tasks();
    let settings = StepSettings {
        device: &training,
        tasks: &tasks,
        objective: Objective {
            answerable_weight: 0.5,
            trainable: Trainable::All,
            recompute_layers: false,
            loss_scale: 1.0,
        },
        seed: 1,
        scaled_loss: false,
    };
    let mut model = run.model("init", &training);
    let mut adam = Adam::new(
        run.config.weight_decay_rate,
        LayerDecay {
            decay: run.config.layerwise_lr_decay,
            layers: run.encoder().num_hidden_layers,
            variant: run.config.lr_decay_variant,
        },
    );
    let batch = run.training_batch(&features, 0);
    let mut in_use = Vec::new();
    for step in 0..12 {
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
        figures.loss.try_into_scalar::<f32>().unwrap();
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
