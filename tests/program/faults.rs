//! Tests the real program on a full or read-only disk, and with its GPU gone: it says what is wrong
//! and what to do, the last checkpoint stays intact, and the run can resume afterwards.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::small_run::{SmallRun, signal, wait_for_any};
use electra::train::checkpoint;

/// A separate in-memory file system, which only an administrator can create.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn new(megabytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        println!("skipped: a tmpfs cannot be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.path())
            .status();
        assert!(status.unwrap().success());
    }

    /// Writes until the disk is full.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4096] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// Returns the step of the newest checkpoint, which must be intact.
#[track_caller]
fn newest(run: &SmallRun) -> u64 {
    let mut damage = Vec::new();
    let found = checkpoint::newest(&run.model_dir(), &mut |note| damage.push(note)).unwrap();
    assert_eq!(damage, [""; 0]);
    found.map_or(0, |(_, state)| state.step)
}

#[test]
fn a_disk_without_room_for_a_checkpoint_is_refused_before_training() {
    let Some(disk) = SmallDisk::new(16) else {
        return;
    };
    let run = SmallRun::in_folder(disk.path());
    let stderr = run.fail(2);
    println!("{stderr}");
    assert!(stderr.contains("a checkpoint needs 1"), "{stderr}");
    assert!(stderr.contains("free space or choose"), "{stderr}");
    assert_eq!(newest(&run), 0);
    disk.remount("size=200m");
    run.finish();
}

#[test]
fn a_disk_that_fills_during_a_save_costs_nothing_but_the_time() {
    let Some(disk) = SmallDisk::new(400) else {
        return;
    };
    let whole = SmallRun::new();
    whole.finish();

    let mut run = SmallRun::in_folder(disk.path());
    // Far enough apart that the run has not saved twice when the first save is noticed.
    run.sets = vec!["save_checkpoints_steps=12".into()];
    let child = run.start();
    // The first save has begun: it fails, or else the next one does for lack of space. The run is
    // paused meanwhile, or it would save twice and make space by removing its first checkpoint.
    let first = run.model_dir().join("checkpoint-12");
    wait_for_any(&[&first.with_extension("tmp"), &first]);
    signal(&child, "-STOP");
    let filler = disk.fill();
    signal(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    println!("{stderr}");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("free space"), "{stderr}");
    assert!(newest(&run) <= 12);
    run.assert_tidy();

    fs::remove_file(filler).unwrap();
    run.finish();
    assert!(run.record() == whole.record(), "records differ");
    assert_eq!(run.steps(), whole.steps());
}

#[test]
fn on_a_disk_that_is_nearly_full_old_checkpoints_make_room_for_new_ones() {
    // Room for the model and a checkpoint with its successor, but not for a third.
    let Some(disk) = SmallDisk::new(44) else {
        return;
    };
    let run = SmallRun::in_folder(disk.path());
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    println!("{stderr}");
    assert!(stderr.contains("removing"), "{stderr}");
    assert_eq!(newest(&run), run.steps().len() as u64);
    run.assert_tidy();
}

#[test]
fn a_read_only_folder_is_named_and_left_as_it_is() {
    let Some(disk) = SmallDisk::new(400) else {
        return;
    };
    let run = SmallRun::in_folder(disk.path());
    let mut child = run.start();
    run.wait_for_checkpoint(1);
    child.kill().unwrap();
    child.wait().unwrap();
    let step = newest(&run);
    disk.remount("ro");
    let stderr = run.fail(2);
    println!("{stderr}");
    assert!(stderr.contains("Read-only file system"), "{stderr}");
    assert!(stderr.contains("squad_model_1"), "{stderr}");
    assert_eq!(newest(&run), step);
    disk.remount("rw");
    run.finish();
}

#[test]
fn a_gpu_that_is_gone_ends_with_a_message_and_the_run_goes_on_when_it_is_back() {
    if crate::support::gpu().is_none() {
        return;
    }
    let mut run = SmallRun::new();
    run.device = "gpu";
    // A software driver takes seconds per step: three steps of two features each.
    run.sets = [
        "num_train_epochs=0.05",
        "train_batch_size=2",
        "save_checkpoints_steps=1",
    ]
    .map(str::to_owned)
    .into();
    let mut child = run.start();
    run.wait_for_checkpoint(1);
    child.kill().unwrap();
    child.wait().unwrap();
    let step = newest(&run);
    let output = run
        .command()
        .env("VK_DRIVER_FILES", "/nonexistent.json")
        .env("VK_ICD_FILENAMES", "/nonexistent.json")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    println!("{stderr}");
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("--device cpu"), "{stderr}");
    assert_eq!(newest(&run), step);
    let stderr = String::from_utf8(run.finish().stderr).unwrap();
    assert!(stderr.contains("resuming from"), "{stderr}");
}
