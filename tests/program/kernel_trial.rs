//! Tests kernel autotuning if the driver crashes in it, and if the user interrupts it.
#![cfg(all(unix, debug_assertions))]

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::small_run::signal;

/// Returns a command that tunes the kernels of a small model: one step of one sequence.
fn bench(cache: &Path, fault: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command
        .args([
            "bench",
            "--device",
            "gpu",
            "--precision",
            "f32",
            "--model-size",
            "small",
        ])
        .args(["--mode", "predict", "--batch-size", "1", "--seq-len", "64"])
        .args(["--steps", "1", "--warmup", "0"])
        .env("XDG_CACHE_HOME", cache)
        .env("ELECTRA_FAULT", fault)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_form_that_the_driver_crashes_on_is_left_out_of_the_next_start() {
    if crate::support::gpu().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let crashes = "crash:tiled 128x128";
    let crashed = bench(cache.path(), crashes).output().unwrap();
    assert_eq!(crashed.status.signal(), Some(6), "{}", text(&crashed));

    let next = bench(cache.path(), crashes).output().unwrap();
    let stderr = text(&next);
    println!("{stderr}");
    assert_eq!(next.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("product of f32, tiled 128x128"), "{stderr}");
    assert!(stderr.contains("skipped for a week"), "{stderr}");
    assert!(stderr.contains("`electra devices --forget`"), "{stderr}");

    // The choice made without it is kept, and nothing more is said.
    let third = bench(cache.path(), crashes).output().unwrap();
    let stderr = text(&third);
    assert_eq!(third.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("skipped"), "{stderr}");

    let forget = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["devices", "--forget"])
        .env("XDG_CACHE_HOME", cache.path())
        .output()
        .unwrap();
    assert_eq!(forget.status.code(), Some(0), "{}", text(&forget));
    let said = String::from_utf8(forget.stdout).unwrap();
    assert!(
        said.starts_with("the stored measurements were removed"),
        "{said}"
    );
    let again = bench(cache.path(), crashes).output().unwrap();
    assert_eq!(again.status.signal(), Some(6), "{}", text(&again));
}

#[test]
fn a_trial_that_the_user_ends_is_no_crash() {
    if crate::support::gpu().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let mut child = bench(cache.path(), "wait:tiled 128x128").spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before");
    }
    signal(&child, "-TERM");
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(143));
    let tried = cache.path().join("electra/kernels.tried");
    assert_eq!(tried.read_dir().unwrap().count(), 0);

    // A process that is killed without a chance to clean up counts as a crash.
    let mut child = bench(cache.path(), "wait:tiled 128x128").spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    line.clear();
    while !line.contains("waiting") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let next = bench(cache.path(), "").output().unwrap();
    let stderr = text(&next);
    assert_eq!(next.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("skipped for a week"), "{stderr}");
}

#[test]
fn a_device_is_checked_against_the_cpu() {
    if crate::support::gpu().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let check = |device: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_electra"))
            .args(["devices", "--check", "--device", device])
            .args(more)
            .env("XDG_CACHE_HOME", cache.path())
            .output()
            .unwrap()
    };
    let checked = check("gpu", &["--json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
    let told: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let formats = told["check"].as_object().unwrap();
    assert!(formats.contains_key("f32"), "{told}");
    for (format, found) in formats {
        assert_eq!(found["right"], true, "{told}");
        // Another device's sums are in another order: equal figures would be the CPU's own.
        let weights = found["apart"]["weights"].as_f64().unwrap();
        assert!(weights > 0.0 && weights < 1e-2, "{format}: {told}");
    }
    let refused = check("cpu", &[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused);
    assert!(said.contains("--check: expected a GPU, found"), "{said}");
}
