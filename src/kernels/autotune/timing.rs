//! Tries a kernel's configurations on a device: which are correct, and which is fastest.

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

/// Most launches between two synchronisations: a single launch of a few microseconds is shorter
/// than the synchronisation itself.
const LAUNCHES: u32 = 20;

/// Timed batches of launches, of which the fastest counts.
const RUNS: u32 = 3;

/// Target time between two synchronisations and for timing a configuration; a slow device gets
/// fewer launches.
const WAIT: Duration = Duration::from_millis(10);

/// A configuration this many times slower than the fastest is not timed any further.
const SLOW: u32 = 2;

/// A device that needs less than this per launch is timed again under load.
const FAST: Duration = Duration::from_millis(20);

/// How long a device is kept busy until its clocks have risen.
const WARM: Duration = Duration::from_millis(200);

/// Number of result values that are checked against f64.
const SAMPLES: u32 = 300;

/// Throughput of one configuration at one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub operation: String,
    #[serde(rename = "form")]
    pub config: String,
    /// FLOP/s; `None` if the configuration was left out.
    pub flops: Option<f64>,
    /// Why it was left out; empty if it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub left_out: String,
}

impl Timing {
    /// Returns its speed as text, or why it has none.
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

/// Expected values at sampled positions of a matrix.
#[derive(Debug, Clone, Default)]
pub(in crate::kernels) struct Samples {
    /// Positions in the matrix, row-major.
    places: Vec<i32>,
    values: Vec<f64>,
}

impl Samples {
    /// Samples a matrix of this shape, computing each expected value with `value`: positions are
    /// random, every second one in the last rows or columns, where partial tiles end.
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

    /// Appends consecutive values that start at position `first`.
    pub fn extend(&mut self, first: usize, values: &[f64]) {
        let places = first..first + values.len();
        self.places.extend(places.map(|place| place as i32));
        self.values.extend(values);
    }

    /// Returns whether the matrix has these values and only finite ones. `tolerance` is relative to
    /// the largest value.
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
        // Not a maximum: a GPU may drop NaN from one.
        let is_finite = scalar(magnitude(matrix))?.is_finite();
        Ok(is_finite && self.values.iter().zip(&found).all(is_near))
    }
}

/// A launch that a configuration must also compute correctly: with another epilogue, for several products or
/// without a mask, which are shaders of their own.
pub(in crate::kernels) struct Form<'a, F> {
    pub name: &'static str,
    /// Expected values of each result.
    pub expected: Vec<Samples>,
    pub run: Box<dyn Fn(F) -> Vec<Tensor<2>> + 'a>,
}

/// One operation whose configurations are compared.
pub(in crate::kernels) struct Comparison<'a> {
    pub device: &'a Device,
    pub operation: String,
    /// Whether the device's clocks drop when it is idle, as those of real hardware do.
    pub settles: bool,
    /// Together with a configuration's name, identifies a form that crashes the driver.
    pub kind: String,
    /// Floating-point operations per run.
    pub flops: f64,
    /// Expected values of each result.
    pub expected: Vec<Samples>,
    /// Largest allowed difference, relative to the largest value.
    pub tolerance: f64,
}

/// A configuration on trial.
struct Tried<F> {
    config: F,
    name: String,
    /// Whether every device runs it, so that nothing would replace it after a crash.
    is_fallback: bool,
}

impl Comparison<'_> {
    /// Runs each configuration, checks its results against sums in f64, and returns the fastest
    /// that is correct in every run and in all `forms`, with all timings, fastest first. The first
    /// configuration is the fallback that every device runs: it is not left out after a crash, and
    /// is returned if none is correct.
    ///
    /// # Errors
    /// If the device is lost or the user asks to stop.
    pub fn fastest<F: Copy>(
        &self,
        attempts: &mut Attempts,
        configs: &[F],
        name: impl Fn(F) -> String,
        run: impl Fn(F) -> Vec<Tensor<2>>,
        forms: &[Form<F>],
    ) -> Result<(F, Vec<Timing>), Error> {
        let mut tried = Vec::with_capacity(configs.len());
        let mut shortest = Duration::MAX;
        for (place, &config) in configs.iter().enumerate() {
            let config = Tried {
                config,
                name: name(config),
                is_fallback: place == 0,
            };
            let time = self.attempt(attempts, &config, "", || {
                self.time(|| run(config.config), shortest)
            })?;
            shortest = shortest.min(time.clone().unwrap_or(Duration::MAX));
            tried.push((config, time));
        }
        if self.settles && shortest < FAST {
            self.time_at_work(attempts, &mut tried, &run)?;
        }
        let by_time =
            |(_, time): &(_, Result<Duration, String>)| time.clone().unwrap_or(Duration::MAX);
        tried.sort_by_key(by_time);
        let mut fastest = None;
        for (config, time) in &mut tried {
            if time.is_err() {
                break;
            }
            match self.first_wrong(attempts, config, forms)? {
                None => {
                    fastest = Some(config.config);
                    break;
                }
                Some(reason) => *time = Err(reason),
            }
        }
        tried.sort_by_key(by_time);
        let fallback = configs.first().copied();
        let fastest = fastest
            .or(fallback)
            .ok_or_else(|| "no kernel variant to try".to_owned())?;
        let timings = tried.into_iter().map(|(config, time)| Timing {
            operation: self.operation.clone(),
            config: config.name,
            flops: time
                .as_ref()
                .ok()
                .map(|time| self.flops / time.as_secs_f64()),
            left_out: time.err().unwrap_or_default(),
        });
        Ok((fastest, timings.collect()))
    }

    /// Runs part of a configuration's trial, recorded while it lasts; returns why it failed, or that
    /// it gave wrong results if there are none.
    ///
    /// # Errors
    /// If the device is lost or the user asks to stop.
    fn attempt<F, T>(
        &self,
        attempts: &mut Attempts,
        config: &Tried<F>,
        part: &str,
        run: impl FnOnce() -> Result<Option<T>, String>,
    ) -> Result<Result<T, String>, Error> {
        let form = format!("{}, {}{part}", self.kind, config.name);
        if !config.is_fallback && !attempts.begin(&form)? {
            return Ok(Err("crashed".to_owned()));
        }
        let result = match failure::caught(run) {
            Ok(result) => result,
            Err(device::Error::Failed { reason }) => Err(reason),
            Err(other) => Err(other.to_string()),
        };
        let result = match result {
            Err(reason) => {
                // The driver rejected the shader. If the device itself is lost, synchronising
                // fails too.
                self.synchronise()?;
                log::warn!("{form}: {reason}");
                Err("failed".to_owned())
            }
            Ok(None) => Err("wrong results".to_owned()),
            Ok(Some(result)) => Ok(result),
        };
        if !config.is_fallback {
            attempts.end();
        }
        Ok(result)
    }

    /// Computes each form once, and says which one fails, if any does.
    fn first_wrong<F: Copy>(
        &self,
        attempts: &mut Attempts,
        config: &Tried<F>,
        forms: &[Form<F>],
    ) -> Result<Option<String>, Error> {
        for form in forms {
            let part = format!(", {}", form.name);
            let checked = self.attempt(attempts, config, &part, || {
                let results = (form.run)(config.config);
                self.agree(&results, &form.expected)
            })?;
            if let Err(reason) = checked {
                return Ok(Some(format!("{}: {reason}", form.name)));
            }
        }
        Ok(None)
    }

    /// Returns whether the results have the expected values; `None` if not.
    fn agree(&self, results: &[Tensor<2>], expected: &[Samples]) -> Result<Option<()>, String> {
        for (result, expected) in results.iter().zip(expected) {
            if !expected.agree(result.clone(), self.tolerance)? {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// Returns the time per run, or `None` if any run gives wrong results.
    fn time(
        &self,
        run: impl Fn() -> Vec<Tensor<2>>,
        best: Duration,
    ) -> Result<Option<Duration>, String> {
        // This run also compiles the kernel.
        let results = run();
        if self.agree(&results, &self.expected)?.is_none() {
            return Ok(None);
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
        // As many runs again, back to back like the timed ones. Each must reproduce the first run's
        // values, since nothing in them depends on thread order.
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

    /// Times the correct configurations again, in turn and without pause: a GPU's clocks drop while
    /// a kernel is compiled and only rise after some time under load, on some cards by a factor of
    /// five.
    ///
    /// # Errors
    /// If the device is lost or the user asks to stop.
    fn time_at_work<F: Copy>(
        &self,
        attempts: &mut Attempts,
        tried: &mut [(Tried<F>, Result<Duration, String>)],
        run: impl Fn(F) -> Vec<Tensor<2>>,
    ) -> Result<(), Error> {
        // What is timed, and how many launches at a time.
        let mut right: Vec<_> = tried
            .iter_mut()
            .filter_map(|(config, time)| {
                let launches = (5 * WAIT).div_duration_f64(time.clone().ok()?) as u32;
                *time = Ok(Duration::MAX);
                Some((&*config, time, launches.clamp(1, LAUNCHES)))
            })
            .collect();
        let mut launch = |config: &Tried<F>, launches| {
            self.attempt(attempts, config, "", || {
                Ok(Some(self.launch(launches, || run(config.config))?))
            })
        };
        let began = Instant::now();
        while let Some((first, _, launches)) = right.first()
            && began.elapsed() < WARM
        {
            if launch(first, *launches)?.is_err() {
                break;
            }
        }
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            for (config, shortest, launches) in &mut right {
                let Ok(least) = **shortest else { continue };
                if least == Duration::MAX || least <= best.saturating_mul(SLOW) {
                    **shortest = launch(config, *launches)?.map(|time| time.min(least));
                    best = best.min((**shortest).clone().unwrap_or(best));
                }
            }
        }
        Ok(())
    }

    /// Returns the mean time per launch, measured from idle to idle.
    fn launch<T>(&self, launches: u32, run: impl Fn() -> T) -> Result<Duration, String> {
        self.synchronise()?;
        let began = Instant::now();
        for _ in 0..launches {
            run();
        }
        self.synchronise()?;
        // A coarse clock may not advance at all during a small launch.
        Ok((began.elapsed() / launches).max(Duration::from_nanos(100)))
    }

    fn synchronise(&self) -> Result<(), String> {
        self.device
            .sync()
            .map_err(|error| DeviceError::new(error).to_string())
    }
}

/// Sums the magnitudes; the sum is not finite if any value is not.
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
        // For each configuration the milliseconds it takes and its error. The times are far enough
        // apart that a busy machine does not change their order.
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
                &[],
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
                .fastest(&mut attempts, &[off], name, run, &[])
                .unwrap();
            timings[0].left_out.clone()
        };
        assert_eq!(left_out(0.0), "");
        assert_eq!(left_out(1e-3), "wrong results");
        assert_eq!(left_out(f32::NAN), "wrong results");
    }

    #[test]
    fn the_fastest_is_passed_over_if_another_of_its_launches_is_wrong() {
        let device = Device::flex();
        let tensor = |first: f32| vec![Tensor::from_floats([[first, -2.0]], &device)];
        let expected = || vec![Samples::of([1, 2], |_, column| [1.0, -2.0][column])];
        let checked = Cell::new(0);
        let forms = [
            Form {
                name: "beside",
                expected: expected(),
                run: Box::new(|_| tensor(1.0)),
            },
            Form {
                name: "added",
                expected: expected(),
                run: Box::new(|wait: u64| {
                    checked.set(checked.get() + 1);
                    match wait {
                        1 => tensor(1.1),
                        2 => panic!("wgpu error: refused by the driver"),
                        _ => tensor(1.0),
                    }
                }),
            },
        ];
        let run = |wait: u64| {
            std::thread::sleep(Duration::from_millis(200 * wait));
            tensor(1.0)
        };
        let mut attempts = Attempts::on("cpu".into(), None);
        let name = |wait: u64| wait.to_string();
        let (fastest, timings) = comparison(&device)
            .fastest(&mut attempts, &[4, 3, 2, 1], name, run, &forms)
            .unwrap();
        assert_eq!((fastest, checked.get()), (3, 3));
        let told: Vec<(&str, &str)> = timings
            .iter()
            .map(|timing| (timing.config.as_str(), timing.left_out.as_str()))
            .collect();
        assert_eq!(told[..2], [("3", ""), ("4", "")]);
        assert!(told.contains(&("1", "added: wrong results")), "{told:?}");
        assert!(told.contains(&("2", "added: failed")), "{told:?}");
        // The fallback's may be wrong, too.
        let (fastest, timings) = comparison(&device)
            .fastest(&mut attempts, &[1], name, run, &forms)
            .unwrap();
        assert_eq!(fastest, 1);
        assert_eq!(timings[0].left_out, "added: wrong results");
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
        // Each of the four quadrants has some.
        for half in [|row| row < 2_045, |row| row >= 2_045] {
            assert!(count(&|place| half(place[0]) && place[1] < 500) > 30);
            assert!(count(&|place| half(place[0]) && place[1] >= 500) > 30);
        }
    }
}
