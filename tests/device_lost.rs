//! A device that is lost in the middle of training: driver reset, card pulled, machine asleep.
//!
//! Alone in its process: a lost device stays lost.

mod support;

use std::{fs, thread, time::Duration};

use burn::tensor::Device;
use cubecl::wgpu::{AutoGraphicsApi, RuntimeOptions, WgpuDevice, try_init_setup, wgpu::PollType};
use electra::{
    cli,
    config::OptimizerMoments,
    data::split::Split,
    device::{configure_runtime, failure},
    finetune,
    train::{objective::Trainable, run},
};
use support::{
    runs,
    training_loop::{TrainingLoop, log},
};

/// So many that the device is lost long before the last, however late it is noticed that the run
/// has come far enough.
const STEPS: u64 = 40;

#[test]
fn a_lost_device_ends_the_run_and_another_goes_on() {
    configure_runtime();
    let adapter = WgpuDevice::default();
    let options = RuntimeOptions::try_default().unwrap();
    let Ok(setup) = try_init_setup::<AutoGraphicsApi>(&adapter, options) else {
        println!("skipped: this machine has no Vulkan, Metal or DirectX 12 adapter");
        return;
    };
    let device = Device::new(adapter);
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = TrainingLoop {
        run,
        features: &features,
        trainable: Trainable::All,
        moments: OptimizerMoments::F32,
        save_every_steps: 3,
        ..TrainingLoop::of(run, &features)
    };
    let folder = tempfile::tempdir().unwrap();
    let train = |device| {
        let trained = failure::caught(|| training.try_train(folder.path(), device, STEPS));
        trained
            .map_err(anyhow::Error::from)
            .and_then(|trained| trained.map_err(|e| finetune::Error::from(e).into()))
    };
    failure::quiet_panics();

    // Under the run's feet: what is under way may panic in the runtime or come back as an error.
    let checkpoint = folder.path().join("checkpoint-3");
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            while !checkpoint.exists() {
                thread::sleep(Duration::from_millis(5));
            }
            setup.device.destroy();
        });
        train(&device).unwrap_err()
    });
    assert_eq!(cli::exit_code(&error), cli::NO_DEVICE, "{error:#}");
    let message = cli::one_line(&error);
    let advice = "start the same command again to go on from the last checkpoint, or give \
                  --device cpu";
    assert!(message.contains("the device failed"), "{message}");
    assert!(message.ends_with(advice), "{message}");

    // Once the runtime knows, it says so.
    setup.device.poll(PollType::wait_indefinitely()).ok();
    let error = train(&device).unwrap_err();
    let message = cli::one_line(&error);
    assert!(message.contains("The device is poisoned"), "{message}");
    assert!(message.ends_with(advice), "{message}");
    assert!(
        matches!(
            error.downcast_ref(),
            Some(finetune::Error::Train(run::Error::Device(failure))) if failure.source.is_lost()
        ),
        "{error:?}"
    );

    // Nothing is lost but the steps since the last checkpoint.
    assert!(checkpoint.exists());
    train(&Device::flex()).unwrap();
    let steps: Vec<u64> = log(folder.path()).iter().map(|line| line.step).collect();
    assert_eq!(steps, (0..STEPS).collect::<Vec<_>>());
    let names = fs::read_dir(folder.path()).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(
            !name.contains(".tmp") && !name.contains(".damaged"),
            "{name}"
        );
    }
}
