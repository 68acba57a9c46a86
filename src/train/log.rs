//! `train_log.jsonl`: one JSON object a step, without gaps or doubled steps across restarts.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// What one training step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 0.
    pub step: u64,
    /// Sum over the batch; `null` where it is not a number.
    #[serde(deserialize_with = "null_as_infinite")]
    pub loss: f64,
    /// Over all gradients, before clipping; `null` where it is not a number, as beyond the range of
    /// f16. Such a step updates nothing.
    #[serde(deserialize_with = "null_as_infinite")]
    pub grad_norm: f64,
    /// Before the layer factor.
    pub learning_rate: f64,
    /// Real features in the batch.
    pub features: usize,
    /// Real tokens in the batch.
    pub tokens: usize,
    /// Wall time of the step.
    pub seconds: f64,
    /// The most memory that the run has held so far: the device's on a GPU, the process's on the
    /// CPU; absent where it cannot be told.
    pub peak_bytes: Option<u64>,
}

/// JSON has neither infinity nor "not a number": they are written as `null`.
fn null_as_infinite<'de, D: serde::Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(value)?.unwrap_or(f64::INFINITY))
}

/// The log of a run, open at its end.
#[derive(Debug)]
pub struct TrainLog {
    path: PathBuf,
    file: File,
}

impl TrainLog {
    /// Opens the log of a run that goes on at `next_step`: lines from that step on, which a
    /// killed process may have written after its last checkpoint, are cut off.
    pub fn resume(path: &Path, next_step: u64) -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut kept = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let earlier = line.ends_with(b"\n")
                && serde_json::from_slice::<StepRecord>(&line)
                    .is_ok_and(|record| record.step < next_step);
            if !earlier {
                break;
            }
            kept += line.len() as u64;
            line.clear();
        }
        file.set_len(kept)?;
        file.seek(SeekFrom::Start(kept))?;
        Ok(Self {
            path: path.into(),
            file,
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

    /// Makes the lines so far durable.
    pub fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> StepRecord {
        StepRecord {
            step,
            loss: 1.5,
            grad_norm: 2.0,
            learning_rate: 1e-4,
            features: 8,
            tokens: 100,
            seconds: 0.5,
            peak_bytes: None,
        }
    }

    #[test]
    fn resuming_cuts_lines_after_the_checkpoint_and_a_torn_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train_log.jsonl");
        let mut log = TrainLog::resume(&path, 0).unwrap();
        for step in 0..5 {
            log.write(&record(step)).unwrap();
        }
        log.file.write_all(b"{\"step\": 5, \"lo").unwrap();

        let mut log = TrainLog::resume(&path, 3).unwrap();
        log.write(&record(3)).unwrap();
        let steps: Vec<u64> = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<StepRecord>(line).unwrap().step)
            .collect();
        assert_eq!(steps, [0, 1, 2, 3]);
    }
}
