//! Tries a kernel's configurations on a device: which of them are right, and which is the fastest.

use std::{
    fmt,
    time::{Duration, Instant},
};

use burn::{
    Tensor,
    tensor::{Device, FloatDType, Int, TensorData},
};
use serde::{Deserialize, Serialize};

use super::{attempts::Attempts, error::Error};
use crate::{
    device::{self, DeviceError, failure},
    packed::random::pcg3d,
};

/// Launches between two waits, at most: one alone of some microseconds is shorter than the wait.
const LAUNCHES: u32 = 20;

/// Waits, of which the shortest counts.
const RUNS: u32 = 3;

/// About as long a wait may take, and a configuration's timing: fewer launches on a slow device.
const WAIT: Duration = Duration::from_millis(10);

/// A configuration that takes this many times as long as the fastest is not timed to the end.
const SLOW: u32 = 2;

/// A device that takes less than this for a launch is timed again at work.
const FAST: Duration = Duration::from_millis(20);

/// How long a device works until its clocks are up.
const WARM: Duration = Duration::from_millis(200);

/// Values of a result that are computed in f64 too.
const SAMPLES: u32 = 300;

/// One configuration's speed at one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub operation: String,
    #[serde(rename = "form")]
    pub config: String,
    /// Floating-point operations a second; `None` where it was left out.
    pub flops: Option<f64>,
    /// Why it was left out; empty where it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub left_out: String,
}

impl Timing {
    /// Its speed, or why it has none.
    pub fn speed(&self) -> String {
        match self.flops {
            Some(flops) => format!("{:.3} TFLOP/s", flops / 1e12),
            None => format!("{}, left out", self.left_out),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.config, self.speed())
    }
}

/// What some values of a matrix should be.
#[derive(Debug, Clone, Default)]
pub(in crate::kernels) struct Samples {
    /// In the matrix, line by line.
    places: Vec<i32>,
    values: Vec<f64>,
}

impl Samples {
    /// Values of a matrix of this shape, as `value` has them: at random, and every second one in the
    /// last rows or the last columns, where tiles end.
    pub fn of([rows, columns]: [usize; 2], mut value: impl FnMut(usize, usize) -> f64) -> Self {
        let any = |word: u32, count: usize| word as usize % count;
        let last = |word: u32, count: usize| count - 1 - any(word, count.min(8));
        let (places, values) = (0..SAMPLES)
            .map(|sample| {
                let [row, column, _] = pcg3d([sample, 1, 2]);
                let (row, column) = match sample % 4 {
                    0 => (last(row, rows), any(column, columns)),
                    1 => (any(row, rows), last(column, columns)),
                    _ => (any(row, rows), any(column, columns)),
                };
                ((row * columns + column) as i32, value(row, column))
            })
            .unzip();
        Self { places, values }
    }

    /// These too, side by side from a place on.
    pub fn extend(&mut self, first: usize, values: &[f64]) {
        let places = first..first + values.len();
        self.places.extend(places.map(|place| place as i32));
        self.values.extend(values);
    }

    /// Whether the matrix has these values, and none that is no finite number. `tolerance` is relative
    /// to the greatest.
    fn agree(&self, matrix: Tensor<2>, tolerance: f64) -> Result<bool, String> {
        let places = TensorData::new(self.places.clone(), [self.places.len()]);
        let places = Tensor::<1, Int>::from_data(places, &matrix.device());
        let found = matrix.clone().flatten::<1>(0, 1).select(0, places);
        let found = found.cast(FloatDType::F32).into_data();
        let found: Vec<f32> = found.try_to_vec().map_err(|e| format!("{e:?}"))?;
        let greatest = self
            .values
            .iter()
            .fold(0.0, |most: f64, v| most.max(v.abs()));
        let is_near = |(value, found): (&f64, &f32)| {
            (value - f64::from(*found)).abs() <= tolerance * greatest
        };
        // Not by a maximum, in which a GPU may lose what is not a number.
        let is_finite = scalar(magnitude(matrix))?.is_finite();
        Ok(is_finite && self.values.iter().zip(&found).all(is_near))
    }
}

/// What is tried.
pub(in crate::kernels) struct Comparison<'a> {
    pub device: &'a Device,
    pub operation: String,
    /// Whether the device has clocks that fall when it waits, as hardware has.
    pub settles: bool,
    /// By which a configuration is known that a driver crashes on, with its name.
    pub kind: String,
    /// Floating-point operations of a run.
    pub flops: f64,
    /// What each result should be.
    pub expected: Vec<Samples>,
    /// Greatest difference, relative to the greatest of the values.
    pub tolerance: f64,
}

impl Comparison<'_> {
    /// Runs each configuration, holds its results against the sums in f64, and returns the fastest of
    /// those that are right in every run, with what each was found to be, fastest first. The first is
    /// what a device runs anyway, and is taken where none is right.
    ///
    /// # Errors
    /// When the device is lost, or the end is asked for.
    pub fn fastest<F: Copy>(
        &self,
        attempts: &mut Attempts,
        configs: &[F],
        name: impl Fn(F) -> String,
        run: impl Fn(F) -> Vec<Tensor<2>>,
    ) -> Result<(F, Vec<Timing>), Error> {
        let (&first, _) = configs
            .split_first()
            .ok_or_else(|| "no form to try".to_owned())?;
        let mut tried = Vec::with_capacity(configs.len());
        let mut shortest = Duration::MAX;
        for (place, &config) in configs.iter().enumerate() {
            let form = format!("{}, {}", self.kind, name(config));
            if place > 0 && !attempts.begin(&form)? {
                tried.push((config, Err("crashed".to_owned())));
                continue;
            }
            let time = match failure::caught(|| self.time(|| run(config), shortest)) {
                Ok(time) => time,
                Err(device::Error::Failed { reason }) => Err(reason),
                Err(other) => Err(other.to_string()),
            };
            let time = match time {
                Err(reason) => {
                    // A shader that a driver refuses; a device that is lost is lost for all.
                    self.synchronise()?;
                    log::warn!("{form}: {reason}");
                    Err("failed".to_owned())
                }
                Ok(None) => Err("wrong results".to_owned()),
                Ok(Some(time)) => {
                    shortest = shortest.min(time);
                    Ok(time)
                }
            };
            if place > 0 {
                attempts.end();
            }
            tried.push((config, time));
        }
        if self.settles && shortest < FAST {
            self.time_at_work(&mut tried, &run)?;
        }
        tried.sort_by_key(|(_, time)| time.clone().unwrap_or(Duration::MAX));
        let fastest = match &tried[0] {
            (config, Ok(_)) => *config,
            (_, Err(_)) => {
                log::warn!(
                    "{}: no form computes it right on this device",
                    self.operation
                );
                first
            }
        };
        let timings = tried.into_iter().map(|(config, time)| Timing {
            operation: self.operation.clone(),
            config: name(config),
            flops: time
                .as_ref()
                .ok()
                .map(|time| self.flops / time.as_secs_f64()),
            left_out: time.err().unwrap_or_default(),
        });
        Ok((fastest, timings.collect()))
    }

    /// How long a run takes; `None` if one of its runs has wrong results.
    fn time(
        &self,
        run: impl Fn() -> Vec<Tensor<2>>,
        best: Duration,
    ) -> Result<Option<Duration>, String> {
        // Compiles it, too.
        let results = run();
        for (result, expected) in results.iter().zip(&self.expected) {
            if !expected.agree(result.clone(), self.tolerance)? {
                return Ok(None);
            }
        }
        let mut shortest = self.launch(1, &run)?;
        let launches = (WAIT.div_duration_f64(shortest) as u32).clamp(1, LAUNCHES);
        let mut spent = shortest;
        for _ in 0..RUNS {
            if launches == 1 && (spent >= WAIT || shortest > best.saturating_mul(SLOW)) {
                break;
            }
            let time = self.launch(launches, &run)?;
            shortest = shortest.min(time);
            spent += time * launches;
            if shortest > best.saturating_mul(SLOW) {
                break;
            }
        }
        // As many again, as close on each other as those that were timed. Each has to repeat the
        // first one's values: nothing in them depends on the order of threads.
        let mut off: Option<Tensor<1>> = None;
        for _ in 0..launches {
            for (again, result) in run().into_iter().zip(&results) {
                let again = again.cast(FloatDType::F32);
                let by = magnitude(again - result.clone().cast(FloatDType::F32));
                off = Some(match off {
                    None => by,
                    Some(off) => off + by,
                });
            }
        }
        let off = off.map_or(Ok(0.0), scalar)?;
        Ok((off == 0.0).then_some(shortest))
    }

    /// Times those that are right once more, in turn and without a pause: a GPU's clocks fall while a
    /// form is compiled and rise only after some time at work, by a factor of five on some.
    fn time_at_work<F: Copy>(
        &self,
        tried: &mut [(F, Result<Duration, String>)],
        run: impl Fn(F) -> Vec<Tensor<2>>,
    ) -> Result<(), String> {
        let mut right: Vec<(F, &mut Duration, u32)> = tried
            .iter_mut()
            .filter_map(|(config, time)| {
                let time = time.as_mut().ok()?;
                let launches = (5 * WAIT).div_duration_f64(*time) as u32;
                *time = Duration::MAX;
                Some((*config, time, launches.clamp(1, LAUNCHES)))
            })
            .collect();
        let Some(&(first, _, launches)) = right.first() else {
            return Ok(());
        };
        let began = Instant::now();
        while began.elapsed() < WARM {
            self.launch(launches, || run(first))?;
        }
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            for (config, shortest, launches) in &mut right {
                if **shortest == Duration::MAX || **shortest <= best.saturating_mul(SLOW) {
                    let time = self.launch(*launches, || run(*config))?;
                    **shortest = time.min(**shortest);
                    best = best.min(time);
                }
            }
        }
        Ok(())
    }

    /// The time of one of some launches, from an idle device to an idle device.
    fn launch<T>(&self, launches: u32, run: impl Fn() -> T) -> Result<Duration, String> {
        self.synchronise()?;
        let began = Instant::now();
        for _ in 0..launches {
            run();
        }
        self.synchronise()?;
        // A clock may stand still for as long as a small launch takes.
        Ok((began.elapsed() / launches).max(Duration::from_nanos(100)))
    }

    fn synchronise(&self) -> Result<(), String> {
        self.device
            .sync()
            .map_err(|error| DeviceError::new(error).to_string())
    }
}

/// The sum of the magnitudes, which is not finite where a value is not.
fn magnitude(values: Tensor<2>) -> Tensor<1> {
    values.cast(FloatDType::F32).abs().sum()
}

fn scalar(value: Tensor<1>) -> Result<f32, String> {
    value
        .try_into_scalar::<f32>()
        .map_err(|error| DeviceError::new(error).to_string())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn comparison(device: &Device) -> Comparison<'_> {
        Comparison {
            device,
            operation: "sum".to_owned(),
            settles: true,
            kind: "sum".to_owned(),
            flops: 1e6,
            expected: vec![Samples::of([1, 2], |_, column| [1.0, -2.0][column])],
            tolerance: 1e-3,
        }
    }

    #[test]
    fn the_fastest_of_the_right_forms_is_taken() {
        let device = Device::flex();
        // Milliseconds that a configuration takes, so far apart that a busy machine does not change
        // their order, and what it is off by.
        let configs = [(900, 0.0), (1, 0.1), (5, 1e-4), (0, f32::NAN), (300, 0.0)];
        let (fastest, timings) = comparison(&device)
            .fastest(
                &mut Attempts::on("cpu".into(), None),
                &configs,
                |(wait, _)| wait.to_string(),
                |(wait, error)| {
                    std::thread::sleep(Duration::from_millis(wait));
                    vec![Tensor::from_floats([[1.0 + error, -2.0]], &device)]
                },
            )
            .unwrap();
        assert_eq!(fastest.0, 5);
        let order: Vec<(&str, bool)> = timings
            .iter()
            .map(|timing| (timing.config.as_str(), timing.flops.is_some()))
            .collect();
        assert_eq!(
            order,
            [
                ("5", true),
                ("300", true),
                ("900", true),
                ("1", false),
                ("0", false)
            ]
        );
        assert_eq!(timings[4].speed(), "wrong results, left out");
    }

    #[test]
    fn a_form_that_is_wrong_now_and_then_is_left_out() {
        let device = Device::flex();
        let runs = Cell::new(0);
        let run = |off: f32| {
            runs.set(runs.get() + 1);
            let off = if runs.get() % 7 == 0 { off } else { 0.0 };
            vec![Tensor::from_floats([[1.0, -2.0 + off]], &device)]
        };
        let mut attempts = Attempts::on("cpu".into(), None);
        let mut left_out = |off| {
            runs.set(0);
            let name = |off: f32| off.to_string();
            let (_, timings) = comparison(&device)
                .fastest(&mut attempts, &[off], name, run)
                .unwrap();
            timings[0].left_out.clone()
        };
        assert_eq!(left_out(0.0), "");
        assert_eq!(left_out(1e-3), "wrong results");
        assert_eq!(left_out(f32::NAN), "wrong results");
    }

    #[test]
    fn samples_are_of_the_whole_matrix_and_of_its_ends() {
        let mut seen = Vec::new();
        let samples = Samples::of([4_091, 1_000], |row, column| {
            seen.push([row, column]);
            0.0
        });
        assert_eq!(samples.places.len(), 300);
        let count =
            |is: &dyn Fn(&[usize; 2]) -> bool| seen.iter().filter(|place| is(place)).count();
        assert!(count(&|place| place[0] >= 4_083) >= 75 && count(&|place| place[1] >= 992) >= 75);
        // Of four quarters each has some.
        for half in [|row| row < 2_045, |row| row >= 2_045] {
            assert!(count(&|place| half(place[0]) && place[1] < 500) > 30);
            assert!(count(&|place| half(place[0]) && place[1] >= 500) > 30);
        }
    }
}
