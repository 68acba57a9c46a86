//! Tests that the program does not connect to a display socket that another user put where it might
//! look for one.
#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer than the command takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lists devices beside a display that accepts connections but never answers.
#[track_caller]
fn assert_not_spoken_to(folder: &Path, arrange: impl FnOnce(&mut Command)) {
    let display = UnixListener::bind(folder.join("wayland-0")).unwrap();
    display.set_nonblocking(true).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command
        .arg("devices")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("ELECTRA_DEVICE")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    arrange(&mut command);
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if let Ok((_, visitor)) = display.accept() {
            child.kill().unwrap();
            panic!("{visitor:?} spoke to the display");
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("no end after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "{ended}");
    let visitor = display.accept().map_err(|error| error.kind());
    assert_eq!(visitor.err(), Some(ErrorKind::WouldBlock));
}

fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    folder
}

#[test]
fn without_a_runtime_folder_none_is_looked_for_among_temporary_files() {
    let folder = open_folder();
    assert_not_spoken_to(folder.path(), |command| {
        command.env("TMPDIR", folder.path());
    });
}

#[test]
fn a_runtime_folder_that_others_may_write_to_is_not_used() {
    let folder = open_folder();
    assert_not_spoken_to(folder.path(), |command| {
        command.env("XDG_RUNTIME_DIR", folder.path());
    });
}
