//! The training loop: stopped and started again, and with frozen layers.

use std::path::Path;

use crate::support::{
    parameters, runs,
    training_loop::{TrainingLoop, log},
};
use burn::tensor::Device;
use electra::{
    config::OptimizerMoments,
    data::split::Split,
    step_record::StepRecord,
    tensorboard::{event_log::event_files, scalars::read_scalars},
    train::objective::Trainable,
};

#[test]
fn a_run_stopped_in_the_middle_and_started_again_ends_the_same() {
    for &moments in OptimizerMoments::ALL {
        assert_resumes(moments);
    }
}

fn assert_resumes(moments: OptimizerMoments) {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = TrainingLoop {
        run,
        features: &features,
        trainable: Trainable::All,
        moments,
        save_every_steps: 4,
        ..TrainingLoop::of(run, &features)
    };
    let device = Device::flex();
    let whole = tempfile::tempdir().unwrap();
    training.train(whole.path(), &device, 10);

    // What a kill after step 7 leaves: the checkpoint of step 4 and lines of later steps.
    let stopped = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let (from, to) = (whole.path().join(name), stopped.path().join(name));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            for file in std::fs::read_dir(&from).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        } else {
            std::fs::copy(from, to).unwrap();
        }
    };
    copy("checkpoint-4");
    copy("train_log.jsonl");
    let events = event_files(whole.path()).unwrap();
    assert_eq!(events.len(), 1);
    copy(events[0].file_name().unwrap().to_str().unwrap());
    training.train(stopped.path(), &device, 10);

    for record in ["model.bpk", "checkpoint-10/optimizer.bpk"] {
        let read = |folder: &Path| std::fs::read(folder.join(record)).unwrap();
        let same = read(whole.path()) == read(stopped.path());
        assert!(same, "{moments}: {record} differs");
    }
    let steps: Vec<u64> = log(stopped.path()).iter().map(|line| line.step).collect();
    assert_eq!(steps, (0..10).collect::<Vec<_>>());
    let losses = |folder: &Path| -> Vec<f64> { log(folder).iter().map(|line| line.loss).collect() };
    assert_eq!(losses(whole.path()), losses(stopped.path()));
    assert_events(stopped.path());
    let left: Vec<String> = std::fs::read_dir(stopped.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("tmp"))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// TensorBoard shows each step once, with the figures of the log.
fn assert_events(model_dir: &Path) {
    assert_eq!(event_files(model_dir).unwrap().len(), 2);
    let scalars = read_scalars(model_dir).unwrap();
    let log = log(model_dir);
    for (tag, figure) in [
        ("train/loss", (|line| line.loss) as fn(&StepRecord) -> f64),
        ("train/grad_norm", |line| line.grad_norm),
        ("train/learning_rate", |line| line.learning_rate),
        ("train/features_per_second", |line| {
            line.features as f64 / line.seconds
        }),
        ("train/tokens_per_second", |line| {
            line.tokens as f64 / line.seconds
        }),
    ] {
        let logged: Vec<(i64, f32)> = log
            .iter()
            .map(|line| (line.step as i64, figure(line) as f32))
            .collect();
        assert_eq!(scalars[tag], logged, "{tag}");
    }
}

#[test]
fn a_checkpoint_with_moments_in_another_format_is_refused() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = |moments| TrainingLoop {
        run,
        features: &features,
        trainable: Trainable::new(Some(0), run.encoder().num_hidden_layers),
        moments,
        save_every_steps: 1,
        ..TrainingLoop::of(run, &features)
    };
    let device = Device::flex();
    for &there in OptimizerMoments::ALL {
        let folder = tempfile::tempdir().unwrap();
        training(there).train(folder.path(), &device, 1);
        for &now in OptimizerMoments::ALL.iter().filter(|&&now| now != there) {
            let other = training(now).try_train(folder.path(), &device, 2);
            let message = other.unwrap_err().to_string();
            let reason = format!(r#"(optimizer_moments: "{there}" there, "{now}" now)"#);
            assert!(message.contains(&reason), "{message}");
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_kept() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = TrainingLoop {
        run,
        features: &features,
        trainable: Trainable::All,
        moments: OptimizerMoments::F32,
        save_every_steps: 2,
        ..TrainingLoop::of(run, &features)
    };
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    training.train(folder.path(), &device, 6);
    let record = folder.path().join("model.bpk");
    let whole = std::fs::read(&record).unwrap();
    std::fs::remove_file(&record).unwrap();
    // The newest is cut, the one before has a flipped bit.
    let newest = folder.path().join("checkpoint-6").join("optimizer.bpk");
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let before = folder.path().join("checkpoint-4").join("model.bpk");
    let mut bytes = std::fs::read(&before).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&before, bytes).unwrap();
    training.train(folder.path(), &device, 6);
    assert!(std::fs::read(&record).unwrap() == whole, "records differ");
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("checkpoint"))
        .collect();
    names.sort();
    let expected = [
        "checkpoint-2",
        "checkpoint-4",
        "checkpoint-4.damaged",
        "checkpoint-6",
        "checkpoint-6.damaged",
    ];
    assert_eq!(names, expected);
}

#[test]
fn frozen_layers_keep_their_values_and_the_others_move() {
    let run = &runs()[0];
    let features = run.features(Split::Train);
    let training = TrainingLoop {
        run,
        features: &features,
        trainable: Trainable::new(Some(1), run.encoder().num_hidden_layers),
        moments: OptimizerMoments::F32,
        save_every_steps: 100,
        ..TrainingLoop::of(run, &features)
    };
    let folder = tempfile::tempdir().unwrap();
    let trained = parameters(&training.train(folder.path(), &Device::flex(), 4));
    let initial = parameters(&run.model("init", &Device::flex()));
    let top = format!("electra.layers.{}.", run.encoder().num_hidden_layers - 1);
    for (parameter, before) in &initial {
        let moves = parameter.starts_with(&top) || parameter.starts_with("heads.");
        assert_eq!(&trained[parameter] != before, moves, "{parameter}");
    }
}
