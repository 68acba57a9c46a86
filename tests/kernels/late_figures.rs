//! Training on a GPU, which reads a step's figures a step late, against the same with a checkpoint after
//! every step, before which they are read at once.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use burn::tensor::Device;
use electra::{
    config::OptimizerMoments, data::split::Split, step_record::StepRecord,
    tasks::qa::feature::Feature, train::run::Error,
};
use serde_json::{Value, json};

use crate::support::{
    ReferenceRun, fast, runs,
    training_loop::{TrainingLoop, log},
};

/// Batches of two on products that a software driver computes fast.
fn training<'a>(run: &'a ReferenceRun, features: &'a [Feature]) -> TrainingLoop<'a> {
    TrainingLoop {
        batch_size: 2,
        arithmetic: fast("wgpu"),
        ..TrainingLoop::of(run, features)
    }
}

/// The log without what differs from run to run.
fn figures(model_dir: &Path) -> Vec<StepRecord> {
    let mut log = log(model_dir);
    for record in &mut log {
        assert!(record.seconds > 0.0, "{record:?}");
        assert!(record.peak_bytes.is_some(), "{record:?}");
        record.seconds = 0.0;
        record.peak_bytes = None;
    }
    log
}

#[track_caller]
fn assert_same(ours: &Path, theirs: &Path, files: &[&str]) {
    assert_eq!(figures(ours), figures(theirs));
    for file in files {
        let [ours, theirs] = [ours, theirs].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(ours == theirs, "{file} differs");
    }
}

#[test]
fn figures_read_late_are_those_read_at_once() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let run = runs().remove(0);
    let features = run.features(Split::Train);
    for moments in [OptimizerMoments::F32, OptimizerMoments::EightBit] {
        let folders = [1, 100].map(|save_every_steps| {
            let folder = tempfile::tempdir().unwrap();
            let training = TrainingLoop {
                moments,
                save_every_steps,
                ..training(&run, &features)
            };
            training.train(folder.path(), &device, 6);
            folder
        });
        let [at_once, late] = folders.each_ref().map(|folder| folder.path());
        assert_eq!(figures(late).len(), 6);
        assert_same(late, at_once, &["model.bpk", "checkpoint-6/optimizer.bpk"]);
    }
}

#[test]
fn steps_that_are_not_finite_are_told_and_change_nothing() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let mut run = runs().remove(0);
    // The first update makes weights whose products overflow.
    run.config.learning_rate = 1e30;
    let features = run.features(Split::Train);
    let results = [1, 6].map(|save_every_steps| {
        let folder = tempfile::tempdir().unwrap();
        let training = TrainingLoop {
            save_every_steps,
            ..training(&run, &features)
        };
        let error = training.try_train(folder.path(), &device, 20);
        (error.err().unwrap().to_string(), folder)
    });
    let [(at_once, read), (late, unread)] = &results;
    assert_eq!(late, at_once);
    let (read, unread) = (read.path(), unread.path());
    let log = figures(unread);
    let first = log.iter().position(|record| !record.loss.is_finite());
    let first = first.unwrap();
    assert!((1..5).contains(&first), "{log:?}");
    // Ten in a row, the last without a line.
    assert_eq!(log.len(), first + 9);
    let told = format!("step {}: loss ", first + 9);
    assert!(late.starts_with(&told), "{late}");
    assert_same(
        unread,
        read,
        &["checkpoint-6/model.bpk", "checkpoint-6/optimizer.bpk"],
    );
    // What they were before the first of them.
    for file in ["model.bpk", "optimizer.bpk"] {
        let before = fs::read(read.join(format!("checkpoint-{first}")).join(file)).unwrap();
        let after = fs::read(unread.join("checkpoint-6").join(file)).unwrap();
        assert!(before == after, "{file} has changed");
    }
}

/// The loss scale of a checkpoint, after putting `factor` into it if there is one, for a run of twelve
/// steps.
fn loss_scale(folder: &Path, factor: Option<f64>) -> Value {
    let file = folder.join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    if let Some(factor) = factor {
        // As the first version wrote it, without a checksum.
        state.as_object_mut().unwrap().remove("crc32c");
        state["steps"] = json!(12);
        state["loss_scale"]["factor"] = json!(factor);
        fs::write(file, state.to_string()).unwrap();
    }
    state["loss_scale"].clone()
}

#[test]
fn a_loss_scale_that_is_too_large_sinks_as_if_figures_were_read_at_once() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let run = runs().remove(0);
    let features = run.features(Split::Train);
    let folders = [1, 100].map(|save_every_steps| {
        let folder = tempfile::tempdir().unwrap();
        let training = TrainingLoop {
            scaled_loss: true,
            save_every_steps,
            ..training(&run, &features)
        };
        training.train(folder.path(), &device, 2);
        // Squares overflow until the scaled norm, of some tens unscaled, is below 2⁶⁴.
        loss_scale(&folder.path().join("checkpoint-2"), Some(2.0_f64.powi(63)));
        training.train(folder.path(), &device, 12);
        folder
    });
    let [at_once, late] = folders.each_ref().map(|folder| folder.path());
    assert_same(late, at_once, &["model.bpk", "checkpoint-12/optimizer.bpk"]);
    let scales = [at_once, late].map(|folder| loss_scale(&folder.join("checkpoint-12"), None));
    assert_eq!(scales[0], scales[1]);
    let skipped = scales[1]["skipped"].as_u64().unwrap();
    let log = figures(late);
    let not_finite = log.iter().filter(|record| !record.grad_norm.is_finite());
    assert_eq!(not_finite.count() as u64, skipped);
    assert!((1..10).contains(&skipped), "{}", scales[1]);
}

#[test]
fn a_run_stopped_at_any_step_has_read_everything_and_goes_on_to_the_same_end() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let run = runs().remove(0);
    let features = run.features(Split::Train);
    let whole = tempfile::tempdir().unwrap();
    training(&run, &features).train(whole.path(), &device, 12);

    let folder = tempfile::tempdir().unwrap();
    let error = stopped_after(3, folder.path(), &device, &run, &features);
    let Error::Stopped { step, steps } = error else {
        panic!("{error}")
    };
    assert_eq!(steps, 12);
    let told: Vec<u64> = log(folder.path()).iter().map(|line| line.step).collect();
    assert_eq!(told, (0..step).collect::<Vec<_>>());
    assert!(folder.path().join(format!("checkpoint-{step}")).is_dir());
    training(&run, &features).train(folder.path(), &device, 12);
    assert_same(
        folder.path(),
        whole.path(),
        &["model.bpk", "checkpoint-12/optimizer.bpk"],
    );
}

/// Trains until the log has so many lines and the run is asked to stop.
fn stopped_after(
    lines: usize,
    folder: &Path,
    device: &Device,
    run: &ReferenceRun,
    features: &[Feature],
) -> Error {
    let stop = AtomicBool::new(false);
    let training = TrainingLoop {
        stop: &stop,
        ..training(run, features)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let told = || fs::read_to_string(folder.join("train_log.jsonl")).unwrap_or_default();
            while told().lines().count() < lines {
                thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
        });
        training.try_train(folder, device, 12).err().unwrap()
    })
}
