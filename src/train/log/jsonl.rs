//! `train_log.jsonl`: one JSON object per step, without gaps or duplicate steps across restarts.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    counted::counted, durable_file::write_whole, step_record::StepRecord, train::run_folder,
};

/// The longest line that is read; ours have about two hundred bytes.
const LONGEST_LINE: u64 = 1 << 16;

/// Most gaps of a log that are named.
const GAPS_NAMED: usize = 10;

/// The log of a run, open for appending.
#[derive(Debug)]
pub struct TrainLog {
    path: PathBuf,
    file: File,
}

impl TrainLog {
    /// Opens the log of a run that resumes at `next_step`: lines from that step on, which a killed
    /// process may have written after its last checkpoint, are cut off.
    ///
    /// If the log is damaged before that, all complete lines are kept and the original is saved
    /// beside it; so is a file that is not a log. A link is not followed. `note` is told of this,
    /// and of lines missing from those that a run writes every `log_every` steps.
    pub fn resume(
        path: &Path,
        next_step: u64,
        log_every: u64,
        note: &mut dyn FnMut(String),
    ) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            file: open(path, next_step, log_every, step_of, note)?,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&mut self, record: &StepRecord) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Flushes the lines so far to disk.
    pub fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

/// Opens a log as [`TrainLog::resume`] does; `step_of` returns the step of a complete line, or `None` if it
/// is damaged.
///
/// # Errors
/// If the file cannot be read or written.
pub fn open(
    path: &Path,
    next_step: u64,
    log_every: u64,
    step_of: fn(&[u8]) -> Option<u64>,
    note: &mut dyn FnMut(String),
) -> io::Result<File> {
    run_folder::remove_link(path, note)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let found = Lines::read(&file, next_step, step_of)?;
    if found.damaged > 0 {
        let aside = run_folder::aside(path, "damaged");
        std::fs::copy(path, &aside)?;
        note(format!(
            "{}: {}; the file as it was: {}",
            path.display(),
            match (found.damaged, found.first_damaged) {
                (1, line) => format!("line {line} is damaged and left out"),
                (damaged, line) =>
                    format!("{damaged} damaged lines, the first of them line {line}, are left out"),
            },
            aside.display()
        ));
    }
    let missing = missing(&found.steps, next_step, log_every);
    if !missing.is_empty() {
        note(format!(
            "{}: no lines for steps {}, which were trained earlier",
            path.display(),
            listed(&missing)
        ));
    }
    if found.is_beginning {
        file.set_len(found.kept.len() as u64)?;
        file.seek(SeekFrom::End(0))?;
        return Ok(file);
    }
    write_whole(path, |out| out.write_all(&found.kept))?;
    OpenOptions::new().append(true).open(path)
}

/// The step of a line of the log.
fn step_of(line: &[u8]) -> Option<u64> {
    let record = serde_json::from_slice::<StepRecord>(line).ok()?;
    Some(record.step)
}

/// Returns whether a file has contents, but none of what a run writes into its log.
pub fn is_foreign(path: &Path) -> bool {
    let found = File::open(path).and_then(|file| Lines::read(&file, u64::MAX, step_of));
    found.is_ok_and(|found| found.damaged > 0 && found.steps.is_empty())
}

/// What a log holds about the steps before the one that the run resumes at.
#[derive(Default)]
struct Lines {
    /// Complete lines, with increasing steps.
    kept: Vec<u8>,
    /// Whether the file begins with all that is kept.
    is_beginning: bool,
    /// Number of invalid lines, if others follow them or all are invalid.
    damaged: usize,
    /// Line number of the first of those, from 1.
    first_damaged: usize,
    /// The steps of the lines that are kept.
    steps: Vec<u64>,
}

impl Lines {
    fn read(file: &File, next_step: u64, step_of: fn(&[u8]) -> Option<u64>) -> io::Result<Self> {
        let mut found = Self {
            is_beginning: true,
            ..Self::default()
        };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        // Invalid lines may be what a killed process had begun to write: they are damage only if a
        // line before `next_step` follows.
        let (mut doubtful, mut first_doubtful) = (0, 0);
        let (mut skipped, mut is_log, mut is_strange) = (false, false, false);
        for number in 1.. {
            line.clear();
            let read = reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            let step = step_of(&line).filter(|_| line.ends_with(b"\n"));
            is_log |= step.is_some();
            match step {
                Some(step) if step < next_step => {
                    let before = found.steps.last();
                    if before.is_some_and(|&before| step <= before) {
                        // A step that is already there.
                        skipped = true;
                        continue;
                    }
                    if doubtful > 0 {
                        if found.damaged == 0 {
                            found.first_damaged = first_doubtful;
                        }
                        found.damaged += doubtful;
                        doubtful = 0;
                    }
                    found.steps.push(step);
                    found.is_beginning &= !skipped;
                    found.kept.extend_from_slice(&line);
                }
                Some(_) => skipped = true,
                None => {
                    skipped = true;
                    is_strange |= !is_begun(&line);
                    if doubtful == 0 {
                        first_doubtful = number;
                    }
                    doubtful += 1;
                }
            }
        }
        // None of it is a run's, and all of it would be cut off.
        if is_strange && !is_log {
            (found.damaged, found.first_damaged) = (doubtful, first_doubtful);
        }
        Ok(found)
    }
}

/// Returns whether a line may be an unfinished write of a killed process: truncated, or not yet
/// flushed.
fn is_begun(line: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"{\"step\":";
    let begins = line.starts_with(BEGINNING) || BEGINNING.starts_with(line);
    (begins && !line.ends_with(b"\n")) || line.iter().all(|&byte| byte == 0)
}

/// Returns the ranges of steps before `next_step`, first and last, whose lines are missing: the
/// file was lost or cut, or lines of it were deleted.
///
/// `log_every` may have been different when the lines were written, so an interval that the lines
/// before or after it also have is not a gap.
fn missing(steps: &[u64], next_step: u64, log_every: u64) -> Vec<(u64, u64)> {
    let mut missing = Vec::new();
    let first = steps.first().copied().unwrap_or(next_step);
    if first > 0 {
        missing.push((0, first - 1));
    }
    for (at, &from) in steps.iter().enumerate() {
        let to = steps.get(at + 1).copied().unwrap_or(next_step);
        // Lines are written at multiples of the interval.
        let before = at.checked_sub(1).map(|before| from - steps[before]);
        let before = before.filter(|distance| from.is_multiple_of(*distance));
        let after = steps.get(at + 2).map(|after| after - to);
        let after = after.filter(|distance| to.is_multiple_of(*distance));
        let mut distances = [Some(log_every.max(1)), before, after]
            .into_iter()
            .flatten();
        let none_between = |every: u64| (from - from % every).saturating_add(every) >= to;
        if !distances.any(none_between) {
            missing.push((from + 1, to - 1));
        }
    }
    missing
}

/// Formats steps as text: `2 to 5, 9`.
fn listed(steps: &[(u64, u64)]) -> String {
    let one = |&(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let mut parts: Vec<String> = steps.iter().take(GAPS_NAMED).map(one).collect();
    if let Some(more @ 1..) = steps.len().checked_sub(GAPS_NAMED) {
        parts.push(format!("and in {} more", counted(more, "place")));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> StepRecord {
        StepRecord {
            step,
            loss: 1.5,
            task_losses: None,
            grad_norm: 2.0,
            learning_rate: 1e-4,
            features: 8,
            tokens: 100,
            seconds: 0.5,
            peak_bytes: None,
            exchange: None,
        }
    }

    /// Reopens the log, writes the next step, and returns all steps and the notes.
    fn resumed(path: &Path, next_step: u64) -> (Vec<u64>, Vec<String>) {
        let mut notes = Vec::new();
        let mut log = TrainLog::resume(path, next_step, 1, &mut |note| notes.push(note)).unwrap();
        log.write(&record(next_step)).unwrap();
        let steps = std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<StepRecord>(line).unwrap().step)
            .collect();
        (steps, notes)
    }

    fn log_of(folder: &Path, steps: impl Iterator<Item = u64>) -> PathBuf {
        let path = folder.join("train_log.jsonl");
        let lines = steps.map(|step| serde_json::to_string(&record(step)).unwrap() + "\n");
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        path
    }

    #[test]
    fn resuming_cuts_lines_after_the_checkpoint_and_a_torn_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 0..5);
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"step\": 5, \"lo");
        std::fs::write(&path, text).unwrap();
        assert_eq!(resumed(&path, 3), (vec![0, 1, 2, 3], vec![]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_line_costs_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 0..6);
        let whole = std::fs::read_to_string(&path).unwrap();
        let damaged = whole.replace("\"step\":1,", "\"step\":x,") + &"\0".repeat(100_000);
        std::fs::write(&path, &damaged).unwrap();
        let (steps, notes) = resumed(&path, 4);
        assert_eq!(steps, [0, 2, 3, 4]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].contains("line 2 is damaged and left out"),
            "{notes:?}"
        );
        assert!(notes[1].contains("no lines for steps 1,"), "{notes:?}");
        let kept = std::fs::read_to_string(path.with_extension("jsonl.damaged")).unwrap();
        assert_eq!(kept, damaged);
    }

    #[test]
    fn a_file_that_is_no_log_is_kept_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train_log.jsonl");
        let aside = path.with_extension("jsonl.damaged");
        for (text, foreign) in [
            ("my thesis\n", true),
            ("chapter 1\nchapter 2", true),
            ("", false),
            ("{\"ste", false),
            ("{\"step\":0,\"lo", false),
            ("\0\0\0", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(is_foreign(&path), foreign, "{text:?}");
            let (steps, notes) = resumed(&path, 0);
            assert_eq!(steps, [0]);
            let kept = std::fs::read_to_string(&aside).ok();
            assert_eq!(kept.as_deref(), foreign.then_some(text));
            assert_eq!(notes.len(), usize::from(foreign), "{notes:?}");
            if foreign {
                std::fs::remove_file(&aside).unwrap();
            }
        }
        assert!(!is_foreign(&log_of(folder.path(), 0..1)));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_log_s_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train_log.jsonl");
        let [thesis, none] = ["thesis.tex", "none"].map(|name| folder.path().join(name));
        std::fs::write(&thesis, "my thesis\n").unwrap();
        for target in [&thesis, &none] {
            std::os::unix::fs::symlink(target, &path).unwrap();
            let (steps, notes) = resumed(&path, 0);
            assert_eq!(steps, [0]);
            assert!(path.symlink_metadata().unwrap().is_file());
            assert!(
                notes.len() == 1 && notes[0].contains("found a symbolic link"),
                "{notes:?}"
            );
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "my thesis\n");
        assert!(!none.exists());
    }

    #[test]
    fn a_step_stands_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), [0, 1, 2, 1, 2, 3].into_iter());
        assert_eq!(resumed(&path, 4), (vec![0, 1, 2, 3, 4], vec![]));
    }

    #[test]
    fn a_log_that_is_lost_or_cut_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = log_of(folder.path(), 0..0);
        std::fs::remove_file(&path).unwrap();
        let (steps, notes) = resumed(&path, 4);
        assert_eq!(steps, [4]);
        assert!(notes[0].contains("no lines for steps 0 to 3"), "{notes:?}");
        let path = log_of(folder.path(), 0..3);
        let (_, notes) = resumed(&path, 6);
        assert!(notes[0].contains("no lines for steps 3 to 5"), "{notes:?}");
        // Only every tenth step is logged.
        let path = log_of(folder.path(), [0, 10, 20].into_iter());
        assert_eq!(resumed(&path, 28).1, [""; 0]);
    }

    #[test]
    fn holes_in_a_log_are_named() {
        let folder = tempfile::tempdir().unwrap();
        // As after `sed -i 3,6d`.
        let path = log_of(folder.path(), (0..2).chain(6..9));
        let (steps, notes) = resumed(&path, 9);
        assert_eq!(steps, [0, 1, 6, 7, 8, 9]);
        let expected = format!(
            "{}: no lines for steps 2 to 5, which were trained earlier",
            path.display()
        );
        assert_eq!(notes, [expected]);

        let of = |steps: &[u64], next_step, log_every| missing(steps, next_step, log_every);
        assert_eq!(
            of(&[3, 4, 6, 11], 13, 1),
            [(0, 2), (5, 5), (7, 10), (12, 12)]
        );
        assert_eq!(of(&[0, 10, 40], 55, 10), [(11, 39), (41, 54)]);
        // The last step always has a line.
        assert_eq!(of(&[0, 10, 20, 27], 28, 10), []);
        // Lines were written less often, or more often, than now.
        assert_eq!(of(&[0, 10, 20, 25, 26], 27, 1), []);
        assert_eq!(of(&[0, 1, 2, 10, 20], 25, 10), []);
        assert_eq!(of(&[0, 1, 2, 10, 20, 30], 31, 1), []);
    }

    #[test]
    fn many_holes_are_counted() {
        let holes: Vec<_> = (0..12).map(|hole| (hole * 9, hole * 9 + 1)).collect();
        assert_eq!(listed(&holes[..2]), "0 to 1, 9 to 10");
        let text = listed(&holes);
        assert!(text.ends_with("81 to 82, and in 2 places more"), "{text}");
    }
}
