//! `eval_log.jsonl`: a line for each task of each evaluation during training.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::Error;
use crate::{
    counted::counted_with,
    durable_file::{rename, write_whole},
    eval::dev_record::{DevLine, DevRecord},
    train::run_folder::{aside, remove_link},
};

/// The log of a run's evaluations, open for appending.
pub struct DevLog {
    path: PathBuf,
    file: File,
    records: Vec<DevRecord>,
}

fn error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error { path, source }
}

impl DevLog {
    /// Opens the log of a run of `tasks` that has completed `steps` steps. Evaluations of later
    /// steps, and incomplete ones, are dropped and will be repeated; if the file has invalid lines,
    /// a copy is kept beside it, and `note` is told.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn resume(
        path: &Path,
        tasks: &[String],
        steps: u64,
        note: &mut dyn FnMut(String),
    ) -> Result<Self, Error> {
        Self::open(path, tasks, steps, note).map_err(error(path))
    }

    /// Moves a log aside that has lines of tasks other than these, whose figures [`resume`](Self::resume)
    /// would drop; `note` is told.
    ///
    /// # Errors
    /// If the file cannot be read or renamed.
    pub fn keep_other_tasks(
        path: &Path,
        tasks: &[String],
        note: &mut dyn FnMut(String),
    ) -> Result<(), Error> {
        Self::keep_others(path, tasks, note).map_err(error(path))
    }

    fn keep_others(path: &Path, tasks: &[String], note: &mut dyn FnMut(String)) -> io::Result<()> {
        remove_link(path, note)?;
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut lines = text
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<DevLine>(line).ok());
        let Some(other) = lines.find(|line| !tasks.contains(&line.task)) else {
            return Ok(());
        };
        let kept = aside(path, "other");
        rename(path, &kept)?;
        note(format!(
            "{}: contains scores of {}, which this run does not evaluate; kept as {}",
            path.display(),
            other.task,
            kept.display()
        ));
        Ok(())
    }

    fn open(
        path: &Path,
        tasks: &[String],
        steps: u64,
        note: &mut dyn FnMut(String),
    ) -> io::Result<Self> {
        remove_link(path, note)?;
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut lines: Vec<DevLine> = Vec::new();
        let mut damaged = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            match serde_json::from_slice::<DevLine>(line) {
                Ok(line) => {
                    let rises = lines.last().is_none_or(|last| last.step <= line.step);
                    if line.step <= steps && rises {
                        lines.push(line);
                    }
                }
                // A killed process had only begun to write it.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(_) => damaged += 1,
            }
        }
        let mut records = DevRecord::of_lines(lines);
        records.retain(|record| tasks.iter().all(|task| record.tasks.contains_key(task)));
        if damaged > 0 {
            let kept = aside(path, "damaged");
            fs::copy(path, &kept)?;
            note(format!(
                "{}: {} left out; the file as it was: {}",
                path.display(),
                counted_with(damaged, "damaged line", ["is", "are"]),
                kept.display()
            ));
        }
        let mut kept = Vec::new();
        for record in &records {
            write_lines(&mut kept, record)?;
        }
        if kept != text {
            write_whole(path, |out| out.write_all(&kept))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            path: path.into(),
            file,
            records,
        })
    }

    /// Returns the evaluations so far, in the order of steps.
    pub fn records(&self) -> &[DevRecord] {
        &self.records
    }

    /// Appends an evaluation and flushes it to disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, record: DevRecord) -> Result<(), Error> {
        self.write(&record).map_err(error(&self.path))?;
        self.records.push(record);
        Ok(())
    }

    fn write(&mut self, record: &DevRecord) -> io::Result<()> {
        let mut lines = Vec::new();
        write_lines(&mut lines, record)?;
        self.file.write_all(&lines)?;
        self.file.sync_data()
    }
}

fn write_lines(out: &mut Vec<u8>, record: &DevRecord) -> io::Result<()> {
    for line in record.lines() {
        serde_json::to_writer(&mut *out, &line)?;
        out.push(b'\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> DevRecord {
        DevRecord {
            step,
            tasks: ["a", "b"]
                .map(|task| (task.to_owned(), [("f1".to_owned(), Some(1.5))].into()))
                .into(),
            taken: Default::default(),
            seconds: 0.5,
            weights: (step == 4).then_some((7, 8)),
        }
    }

    fn resume(path: &Path, steps: u64, note: &mut dyn FnMut(String)) -> DevLog {
        let tasks = ["b", "a"].map(str::to_owned);
        DevLog::resume(path, &tasks, steps, note).unwrap()
    }

    fn steps(log: &DevLog) -> Vec<u64> {
        log.records().iter().map(|record| record.step).collect()
    }

    #[test]
    fn evaluations_of_steps_that_are_made_again_are_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval_log.jsonl");
        let mut silent = |note: String| panic!("{note}");
        let mut log = resume(&path, 0, &mut silent);
        for step in [0, 4, 8] {
            log.add(record(step)).unwrap();
        }
        // Killed between the lines of an evaluation.
        let whole = fs::read(&path).unwrap();
        let torn = [
            &whole[..],
            b"{\"step\":12,\"task\":\"a\",\"seconds\":1}\n{\"st",
        ]
        .concat();
        fs::write(&path, &torn).unwrap();
        assert_eq!(steps(&resume(&path, 12, &mut silent)), [0, 4, 8]);
        assert_eq!(fs::read(&path).unwrap(), whole);
        let mut log = resume(&path, 6, &mut silent);
        assert_eq!(log.records(), [record(0), record(4)]);
        log.add(record(8)).unwrap();
        assert_eq!(steps(&resume(&path, 8, &mut silent)), [0, 4, 8]);
    }

    #[test]
    fn figures_of_another_task_are_kept_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe_log.jsonl");
        let keep = |tasks: &[&str]| {
            let tasks: Vec<String> = tasks.iter().map(|&task| task.to_owned()).collect();
            let mut notes = Vec::new();
            DevLog::keep_other_tasks(&path, &tasks, &mut |note| notes.push(note)).unwrap();
            notes
        };
        assert!(keep(&["a"]).is_empty());
        let mut log = resume(&path, 0, &mut |note| panic!("{note}"));
        log.add(record(0)).unwrap();
        log.add(record(4)).unwrap();
        let whole = fs::read(&path).unwrap();
        assert!(keep(&["a", "b"]).is_empty());
        assert_eq!(fs::read(&path).unwrap(), whole);
        let notes = keep(&["a"]);
        assert!(
            notes.len() == 1 && notes[0].contains("contains scores of b"),
            "{notes:?}"
        );
        assert!(!path.exists());
        let kept = path.with_extension("jsonl.other");
        assert_eq!(fs::read(&kept).unwrap(), whole);
        // The next one takes a name of its own.
        fs::write(&path, &whole).unwrap();
        assert_eq!(keep(&["b"]).len(), 1);
        assert!(path.with_extension("jsonl.other2").is_file() && kept.is_file());
    }

    #[test]
    fn a_file_that_is_no_log_is_kept_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eval_log.jsonl");
        fs::write(&path, "my thesis\n").unwrap();
        let mut notes = Vec::new();
        let log = resume(&path, 9, &mut |note| notes.push(note));
        assert_eq!(steps(&log), [0; 0]);
        assert!(notes[0].contains("1 damaged line is left out"), "{notes:?}");
        let kept = fs::read_to_string(path.with_extension("jsonl.damaged")).unwrap();
        assert_eq!(kept, "my thesis\n");
    }
}
