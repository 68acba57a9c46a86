//! The forms at which processes died, by device and form; `attempts.rs` explains why this is kept.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::journal::{DONE, journals};
use crate::durable_file::write_whole;

/// Number of deaths after which a form is not tried again.
const MOST: usize = 2;

/// Seconds for which a first death leaves a form out.
pub(super) const PAUSE: u64 = 7 * 24 * 60 * 60;

/// When processes died, in seconds since the Unix epoch, by device and form.
pub(super) type Deaths = BTreeMap<String, Vec<u64>>;

/// Returns whether the journals and deaths in `folder` still leave out all these forms.
pub(super) fn still_left_out(folder: &Path, device: &str, forms: &[String]) -> bool {
    let deaths = read(folder);
    forms.iter().all(|form| is_left_out(&deaths, device, form))
}

/// Removes all records except the journals of running processes.
pub(super) fn forget(folder: &Path) -> io::Result<()> {
    let _turn = folder.is_dir().then(|| turn(folder));
    for (path, file) in journals(folder) {
        drop(file);
        fs::remove_file(path)?;
    }
    match fs::remove_file(deaths_file(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits for this process's turn with the records in `folder`, which ends when the result is dropped.
/// Without turns, processes that start together could miss a death that another has taken from its
/// journal and not yet written down. Windows cannot open a folder, and not every file system has locks:
/// nothing is waited for there.
pub(super) fn turn(folder: &Path) -> Option<File> {
    let _ = fs::create_dir_all(folder);
    let turn = File::open(folder).ok()?;
    turn.lock().ok()?;
    Some(turn)
}

/// Counts what dead processes were trying, logs each once, and returns all deaths.
pub(super) fn take_stock(folder: &Path) -> Deaths {
    let mut deaths = read(folder);
    let mut found = false;
    for (path, mut file) in journals(folder) {
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        // A line without a newline was not written completely.
        let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        match lines.lines().last() {
            None | Some(DONE) => {}
            Some(at) => {
                let times = deaths.entry(at.to_owned()).or_default();
                times.push(now());
                found = true;
                let until = match times.len() {
                    ..MOST => "for a week",
                    _ => "until the driver or this program changes",
                };
                log::warn!(
                    "the program crashed while it tried a kernel variant: {at}; most often the driver \
                     crashes, so the variant is skipped {until}; after `electra devices --forget` it is \
                     tried again"
                );
            }
        }
        drop(file);
        let _ = fs::remove_file(path);
    }
    if found {
        let file = deaths_file(folder);
        let text = serde_json::to_vec_pretty(&deaths).unwrap_or_default();
        if let Err(error) = write_whole(&file, |out| out.write_all(&text)) {
            log::warn!("{}: writing failed: {error}", file.display());
        }
    }
    deaths
}

pub(super) fn deaths_file(folder: &Path) -> PathBuf {
    folder.join("deaths.json")
}

fn read(folder: &Path) -> Deaths {
    let text = fs::read(deaths_file(folder)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

pub(super) fn key(device: &str, form: &str) -> String {
    format!("{device}: {form}").replace('\n', " ")
}

pub(super) fn is_left_out(deaths: &Deaths, device: &str, form: &str) -> bool {
    let times = deaths
        .get(&key(device, form))
        .map_or(&[][..], Vec::as_slice);
    // A clock set back or forward in the meantime must not leave a form out for ever.
    let recent = |time: &u64| now().abs_diff(*time) < PAUSE;
    times.len() >= MOST || times.last().is_some_and(recent)
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
