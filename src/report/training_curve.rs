//! Turns `train_log.jsonl` into curves short enough for a page.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde::de::DeserializeOwned;

use super::{
    Error,
    chart::{Line, Style},
};
use crate::{
    eval::dev_record::{self, DevLine, DevRecord, Figures},
    step_record::{self, StepRecord},
};

/// The longest line that is read; ours have about two hundred bytes.
const LONGEST_LINE: u64 = 1 << 16;

/// Stretches of steps that a curve shows, at most.
pub(crate) const STRETCHES: usize = 400;

/// The steps of one training run.
#[derive(Debug, Clone)]
pub struct TrainingCurve {
    pub name: String,
    pub steps: Vec<StepRecord>,
    /// The evaluations between the steps.
    pub dev: Vec<DevRecord>,
}

impl TrainingCurve {
    /// Reads a training log and, beside one that still has its original name, the evaluation log.
    /// Ignores an unterminated last line, as left by a run that is still writing or was killed.
    ///
    /// # Errors
    /// If the file cannot be read or a line is not part of a training log.
    pub fn read(path: &Path, name: &str) -> Result<Self, Error> {
        let dev_log = path.with_file_name(dev_record::FILE);
        let is_named = path
            .file_name()
            .is_some_and(|name| name == step_record::FILE);
        let dev = match is_named && dev_log.is_file() {
            true => DevRecord::of_lines(read_lines::<DevLine>(&dev_log, step_record::FILE)?),
            false => Vec::new(),
        };
        Ok(Self {
            name: name.to_owned(),
            steps: read_lines(path, step_record::FILE)?,
            dev,
        })
    }

    /// Returns the loss per feature, raw and smoothed; only smoothed if several runs share a chart.
    pub(super) fn loss(&self, colour: usize, alone: bool) -> Vec<Line> {
        let loss: Vec<f64> = self
            .steps
            .iter()
            .map(|step| step.loss / step.features.max(1) as f64)
            .collect();
        let smooth = smoothed(&loss);
        let shown = extremes(&loss);
        let line = |name: &str, style, values: &[f64]| Line {
            name: format!("{}{name}", self.prefix(alone)),
            style,
            points: self.points(&shown, values),
        };
        let mut lines = Vec::new();
        if alone {
            lines.push(line("loss", Style::Faint(colour), &loss));
        }
        lines.push(line("smoothed loss", Style::Bold(colour), &smooth));
        lines
    }

    /// Returns each metric of the evaluations, either all losses or all others, except those for a
    /// part of the examples; colours are numbered from `colour` in steps of `step`.
    pub(super) fn dev(&self, losses: bool, colour: usize, step: usize, alone: bool) -> Vec<Line> {
        let Some(first) = self.dev.first() else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (task, figures) in &first.tasks {
            for key in figures.keys() {
                if (key == "loss") != losses || is_of_part(key, figures) {
                    continue;
                }
                let value = |record: &DevRecord| record.tasks.get(task)?.get(key).copied()?;
                let points = self.dev.iter();
                let points =
                    points.map(|record| (record.step as f64, value(record).unwrap_or(f64::NAN)));
                lines.push(Line {
                    name: format!("{}{task}: {key}", self.prefix(alone)),
                    style: Style::Dotted(colour + step * lines.len()),
                    points: points.collect(),
                });
            }
        }
        lines
    }

    /// Returns the step after which the weights were kept as the best of all evaluations; `None` of a
    /// run that keeps its last.
    pub(super) fn kept(&self) -> Option<u64> {
        // Each evaluation that was the best so far had its weights kept.
        let kept = self.dev.iter().rfind(|record| record.weights.is_some());
        kept.map(|record| record.step)
    }

    /// Returns how many steps were finished, as far as the logs tell: with `log_every` above 1 not every
    /// step has a line.
    pub(super) fn done(&self) -> u64 {
        let logged = self.steps.last().map_or(0, |record| record.step + 1);
        let evaluated = self.dev.last().map_or(0, |record| record.step);
        logged.max(evaluated)
    }

    /// Returns how many examples the evaluations used, one line for each task that did not use all.
    pub(super) fn taken(&self) -> Vec<String> {
        let taken = self.dev.iter().flat_map(|record| &record.taken);
        let mut lines: Vec<String> = taken
            .map(|(task, taken)| format!("{task}: the first {taken} examples"))
            .collect();
        lines.dedup();
        lines
    }

    /// Returns a quantity at each step, preserving its peaks and troughs.
    pub(super) fn figure(
        &self,
        name: &str,
        colour: usize,
        alone: bool,
        value: fn(&StepRecord) -> f64,
    ) -> Line {
        let values: Vec<f64> = self.steps.iter().map(value).collect();
        Line {
            name: format!("{}{name}", self.prefix(alone)),
            style: Style::Thin(colour),
            points: self.points(&extremes(&values), &values),
        }
    }

    /// Returns an amount per second, over each interval of steps.
    pub(super) fn rate(
        &self,
        name: &str,
        colour: usize,
        alone: bool,
        amount: fn(&StepRecord) -> usize,
    ) -> Line {
        let stretch = self.steps.len().div_ceil(STRETCHES).max(1);
        let points = self.steps.chunks(stretch).map(|steps| {
            let seconds: f64 = steps.iter().map(|step| step.seconds).sum();
            let amount: usize = steps.iter().map(amount).sum();
            let first = steps.first().map_or(0, |step| step.step);
            (first as f64, amount as f64 / seconds)
        });
        Line {
            name: format!("{}{name}", self.prefix(alone)),
            style: Style::Thin(colour),
            points: points.collect(),
        }
    }

    fn prefix(&self, alone: bool) -> String {
        if alone {
            String::new()
        } else {
            format!("{}: ", self.name)
        }
    }

    fn points(&self, shown: &[usize], values: &[f64]) -> Vec<(f64, f64)> {
        let places = shown.iter();
        places
            .filter_map(|&place| Some((self.steps.get(place)?.step as f64, *values.get(place)?)))
            .collect()
    }
}

/// Reads the lines of a log, which messages call `log`. Ignores a last line without end.
///
/// # Errors
/// If the file cannot be read, or a line does not belong to such a log.
pub(crate) fn read_lines<T: DeserializeOwned>(
    path: &Path,
    log: &'static str,
) -> Result<Vec<T>, Error> {
    let reading = |source| Error::ReadLog {
        path: path.into(),
        source,
    };
    let wrong_line = |problem: String, line: usize| Error::LogLine {
        path: path.into(),
        line,
        problem,
        log,
    };
    let mut file = BufReader::new(File::open(path).map_err(reading)?);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        read_line(&mut file, &mut line).map_err(reading)?;
        if !line.ends_with(b"\n") {
            if line.len() as u64 == LONGEST_LINE {
                return Err(wrong_line("the line is too long".into(), number));
            }
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(line) => lines.push(line),
            Err(error) => return Err(wrong_line(error.to_string(), number)),
        }
    }
    Ok(lines)
}

fn read_line(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<usize> {
    file.by_ref().take(LONGEST_LINE).read_until(b'\n', line)
}

/// Whether a key, such as `HasAns_f1`, is that of another figure for a part of the examples.
fn is_of_part(key: &str, figures: &Figures) -> bool {
    let part = key.split_once('_').map(|(_, whole)| whole);
    part.is_some_and(|part| figures.keys().any(|whole| part.starts_with(whole)))
}

/// The window of the smoothed loss, in steps, for a run of this length.
pub(crate) fn memory(steps: usize) -> usize {
    (steps / 50).max(10)
}

/// An exponential moving average, corrected for its start; ignores steps that are not finite.
pub(crate) fn smoothed(values: &[f64]) -> Vec<f64> {
    let keep = 1.0 - 1.0 / memory(values.len()) as f64;
    let (mut sum, mut weight) = (0.0, 0.0);
    values
        .iter()
        .map(|&value| {
            if value.is_finite() {
                sum = keep * sum + (1.0 - keep) * value;
                weight = keep * weight + (1.0 - keep);
            }
            sum / weight
        })
        .collect()
}

/// Places of the least and the greatest value of each stretch, in order, and of both ends.
pub(crate) fn extremes(values: &[f64]) -> Vec<usize> {
    let stretch = values.len().div_ceil(STRETCHES).max(1);
    let mut places = Vec::new();
    for start in (0..values.len()).step_by(stretch) {
        let places_in = start..values.len().min(start + stretch);
        places.extend(
            places_in
                .clone()
                .min_by(|&a, &b| values[a].total_cmp(&values[b])),
        );
        places.extend(places_in.max_by(|&a, &b| values[a].total_cmp(&values[b])));
    }
    places.extend([0, values.len().saturating_sub(1)]);
    places.sort_unstable();
    places.dedup();
    places.retain(|&place| place < values.len());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, loss: &str) -> String {
        format!(
            r#"{{"step":{step},"loss":{loss},"grad_norm":1.5,"learning_rate":0.1,"features":4,"tokens":80,"seconds":0.5,"peak_bytes":null}}"#
        )
    }

    fn read(text: &str) -> Result<TrainingCurve, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train_log.jsonl");
        std::fs::write(&path, text).unwrap();
        TrainingCurve::read(&path, "run")
    }

    #[test]
    fn figures_by_hand() {
        let text = format!(
            "{}\n{}\n{}\n{}",
            line(0, "8.0"),
            line(1, "null"),
            line(2, "4.0"),
            line(3, "1")
        );
        let curve = read(&text).unwrap();
        let loss = curve.loss(0, true);
        assert_eq!(loss[0].points[0], (0.0, 2.0));
        assert_eq!(loss[0].points[1], (1.0, f64::INFINITY));
        // The average of 2 and 1, with the earlier one weighted by nine tenths.
        assert_eq!(loss[1].points[2], (2.0, (0.9 * 2.0 + 1.0) / 1.9));
        assert_eq!(curve.loss(0, false).len(), 1);
        let rate = curve.rate("tokens a second", 0, false, |step| step.tokens);
        assert_eq!(rate.points, [(0.0, 160.0), (1.0, 160.0), (2.0, 160.0)]);
        assert_eq!(rate.name, "run: tokens a second");
    }

    #[test]
    fn peaks_of_long_runs_are_kept() {
        let mut values: Vec<f64> = (0..10_000).map(|step| f64::from(step % 7)).collect();
        values[4_321] = 99.0;
        let places = extremes(&values);
        assert!(places.len() <= 2 * STRETCHES + 2);
        assert!(places.contains(&4_321) && places.contains(&0) && places.contains(&9_999));
        assert!(extremes(&[]).is_empty());
    }

    #[test]
    fn lines_of_other_files_are_named() {
        let message = read(&format!("{}\n{{\"loss\": 1}}\n", line(0, "1")))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("train_log.jsonl line 2") && message.contains("missing field"),
            "{message}"
        );
        let endless = "x".repeat(1 << 17);
        let message = read(&endless).unwrap_err().to_string();
        assert!(message.contains("too long"), "{message}");
    }
}
