//! Tries a kernel's configurations on a device: which of them are right, and which is the fastest.

use std::{
    fmt,
    time::{Duration, Instant},
};

use burn::{
    Tensor,
    tensor::{Device, FloatDType},
};
use serde::{Deserialize, Serialize};

/// Timed runs of a configuration; the shortest counts.
const RUNS: usize = 3;

/// A configuration whose first run takes this many times the shortest of another is not run again.
const SLOW: u32 = 2;

/// One configuration's speed at one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub operation: String,
    #[serde(rename = "form")]
    pub config: String,
    /// Floating-point operations a second; `None` where the result was wrong.
    pub flops: Option<f64>,
}

impl Timing {
    /// Its speed, or why it has none.
    pub fn speed(&self) -> String {
        match self.flops {
            Some(flops) => format!("{:.3} TFLOP/s", flops / 1e12),
            None => "wrong results, left out".to_owned(),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.config, self.speed())
    }
}

/// What is tried.
pub(in crate::kernels) struct Comparison<'a> {
    pub device: &'a Device,
    pub operation: String,
    /// Floating-point operations of a run.
    pub flops: f64,
    /// Greatest difference from the first configuration's results, relative to their greatest value.
    pub tolerance: f32,
}

impl Comparison<'_> {
    /// Runs each configuration, holds its results against the first's, and returns the fastest of
    /// those that are right, with what each was found to be, fastest first.
    ///
    /// # Errors
    /// When the device fails.
    pub fn fastest<F: Copy>(
        &self,
        configs: &[F],
        name: impl Fn(F) -> String,
        run: impl Fn(F) -> Vec<Tensor<2>>,
    ) -> Result<(F, Vec<Timing>), String> {
        let (&first, _) = configs.split_first().ok_or("no form to try")?;
        let expected = run(first);
        let scales: Vec<f32> = expected
            .iter()
            .map(|values| greatest(values.clone()))
            .collect::<Result<_, _>>()?;
        let mut tried = Vec::with_capacity(configs.len());
        let mut shortest = Duration::MAX;
        for &config in configs {
            // Compiles it, too.
            let results = run(config);
            let mut right = true;
            for ((result, expected), scale) in results.into_iter().zip(&expected).zip(&scales) {
                let difference = greatest(result - expected.clone())?;
                right &= difference <= self.tolerance * scale;
            }
            let time = match right {
                true => Some(self.time(|| run(config), shortest)?),
                false => None,
            };
            shortest = shortest.min(time.unwrap_or(Duration::MAX));
            tried.push((config, time));
        }
        tried.sort_by_key(|(_, time)| time.unwrap_or(Duration::MAX));
        let fastest = tried[0].0;
        let timings = tried.into_iter().map(|(config, time)| Timing {
            operation: self.operation.clone(),
            config: name(config),
            flops: time.map(|time| self.flops / time.as_secs_f64()),
        });
        Ok((fastest, timings.collect()))
    }

    /// The shortest of some runs, each from an idle device to an idle device.
    fn time<T>(&self, run: impl Fn() -> T, best: Duration) -> Result<Duration, String> {
        let synchronise = || self.device.sync().map_err(|e| format!("{e:?}"));
        let mut shortest = Duration::MAX;
        for _ in 0..RUNS {
            synchronise()?;
            let began = Instant::now();
            let result = run();
            synchronise()?;
            shortest = shortest.min(began.elapsed());
            drop(result);
            if shortest > best.saturating_mul(SLOW) {
                break;
            }
        }
        Ok(shortest)
    }
}

/// The greatest magnitude; infinite where a value is not a number.
fn greatest(values: Tensor<2>) -> Result<f32, String> {
    let values = values.cast(FloatDType::F32).abs();
    let greatest = values
        .max()
        .try_into_scalar::<f32>()
        .map_err(|e| format!("{e:?}"))?;
    Ok(if greatest.is_nan() {
        f32::INFINITY
    } else {
        greatest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_of_the_right_forms_is_taken() {
        let device = Device::flex();
        let comparison = Comparison {
            device: &device,
            operation: "sum".to_owned(),
            flops: 1e6,
            tolerance: 1e-3,
        };
        // Milliseconds that a configuration takes, so far apart that a busy machine does not change
        // their order, and what it is off by.
        let configs = [(900, 0.0), (1, 0.1), (5, 1e-4), (0, f32::NAN), (300, 0.0)];
        let (fastest, timings) = comparison
            .fastest(
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
    }
}
