//! The results under the reference's names, which of several trials are those of the last.
//!
//! A trial writes under names with its number, since others may be written beside it. From there they are
//! copied, so that the files without a number are always those of one trial.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::kind::task;
use crate::{
    config::{Config, of_trial},
    durable_file::write_whole,
    eval::{self, record_file},
};

/// Gives what a trial of several has left the names without its number too. What holds the same already
/// stays untouched, and a device or a pipe gets it only if it is `new`.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep_as_last(config: &Config, trial: usize, new: bool) -> Result<(), eval::Error> {
    if config.num_trials == 1 {
        return Ok(());
    }
    for name in &config.task_names {
        let files = task(name, config).result_files(config.paths());
        let (records, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.is_record);
        let files: Vec<(PathBuf, PathBuf)> = files
            .into_iter()
            .map(|file| (of_trial(&file.path, trial), file.path))
            .collect();
        for (own, last) in &files {
            copy(own, last, new)?;
        }
        for (own, last) in &files {
            let record = record_file::path(last);
            if records.iter().any(|found| found.path == record) {
                record_file::copy(own, last, &files)?;
            }
        }
    }
    Ok(())
}

/// Copies a file, if it is there and the other holds something else.
fn copy(own: &Path, last: &Path, new: bool) -> Result<(), eval::Error> {
    let text = match fs::read(own) {
        Ok(text) => text,
        // Not every model has null odds.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(eval::Error::Read {
                path: own.to_owned(),
                source,
            });
        }
    };
    let stays = match last.metadata() {
        Ok(found) if found.is_file() => fs::read(last).is_ok_and(|found| found == text),
        Ok(_) => !new,
        Err(_) => false,
    };
    if stays {
        return Ok(());
    }
    write_whole(last, |out| out.write_all(&text)).map_err(|source| eval::Error::Write {
        path: last.to_owned(),
        source,
    })
}
