//! How many steps fit into the hours that a run may take: decided once, before its first step, and stored in
//! its folder.
//!
//! The learning rate of every step depends on the total number of steps, so the total must be known before
//! training starts. The time per step is therefore measured on networks that are then discarded. Only the
//! number of steps enters the run, which is identical, bit for bit, to one with this `num_train_steps`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    networks::Networks,
    objective::Chance,
    probe::{self, Probe},
    run::{Error, Pretraining, check_maskable, io_of},
};
use crate::{
    config::PretrainConfig,
    durable_file::write_whole,
    model::parameters::ParameterSource,
    train::{checkpoint, run_folder, run_identity::differing_values},
};

/// Name of the file with the decision, in the model's folder.
pub const FILE: &str = "schedule.json";

/// Share of the time for steps. The rest is for checkpoints, the model's files, and a device that slows down
/// as it heats up.
const TO_STEPS: f64 = 0.95;

/// Steps that are not timed: in the first, kernels are compiled and tuned, and memory can run out.
const UNCOUNTED: u64 = 3;

/// Numbers of steps to time, and the seconds for it; a short run takes less.
const COUNTED: [u64; 2] = [3, 100];
const SECONDS: f64 = 30.0;
const OF_HOURS: f64 = 0.01;

/// Maximum warm-up as a share of the steps, so that a short run gets past its warm-up.
const WARM_UP: f64 = 0.1;

/// The decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Decision {
    hours: f64,
    num_train_steps: u64,
    num_warmup_steps: u64,
    /// As measured.
    seconds_a_step: f64,
    measured_steps: u64,
    /// The run that was measured, with its settings before this decision.
    #[serde(default)]
    measured_for: Value,
}

/// How long a step takes.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Per step, probes included.
    seconds: f64,
    /// For the probes before the first step and after the last.
    once: f64,
    /// How many steps were timed.
    steps: u64,
}

impl Rate {
    /// Adds probes that take this long, one every `every` steps. Probes that the device cannot run are
    /// skipped, as they are during training.
    fn with_probe(self, took: Result<Duration, probe::Error>, every: u64) -> Result<Self, Error> {
        let took = match took {
            Ok(took) => took.as_secs_f64(),
            Err(error) if error.is_of_device() => {
                log::warn!(
                    "hours: no time is set aside for probes, which the device cannot make: {error}"
                );
                return Ok(self);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            seconds: self.seconds + took / every as f64,
            once: 2.0 * took,
            ..self
        })
    }
}

impl Decision {
    /// The number of steps that fit into the hours.
    fn of(config: &PretrainConfig, hours: f64, rate: Rate) -> Result<Self, Error> {
        let Rate {
            seconds,
            once,
            steps,
        } = rate;
        let left = 3600.0 * hours * TO_STEPS - once;
        let fitting = (left / seconds.max(1e-9)) as u64;
        if fitting == 0 {
            return Err(match once > 0.0 {
                true => Error::NoStepBesideProbes {
                    hours,
                    once,
                    seconds,
                },
                false => Error::NoStepFits { hours, seconds },
            });
        }
        Ok(Self {
            hours,
            num_train_steps: fitting,
            num_warmup_steps: config
                .num_warmup_steps
                .min((fitting as f64 * WARM_UP) as u64),
            seconds_a_step: seconds,
            measured_steps: steps,
            measured_for: Value::Null,
        })
    }

    fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(io_of(path, "reading"))?,
        };
        let broken = |problem: String| Error::Schedule {
            path: path.into(),
            problem,
        };
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|error| broken(format!("found a damaged file ({error})")))?;
        match read.num_train_steps {
            0 => Err(broken("found none".to_owned())),
            _ => Ok(Some(read)),
        }
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let written = write_whole(path, |out| Ok(serde_json::to_writer_pretty(out, self)?));
        written.map_err(io_of(path, "writing"))
    }

    /// The configuration with the number of steps instead of the hours. A warm-up that differs from the one
    /// at the time of the decision stays as it is, so that the run does not resume from a checkpoint with
    /// another warm-up.
    fn applied(&self, config: &PretrainConfig) -> PretrainConfig {
        let asked = self.measured_for.get("num_warmup_steps");
        let asked = asked.and_then(Value::as_u64);
        PretrainConfig {
            num_train_steps: self.num_train_steps,
            num_warmup_steps: match asked {
                Some(asked) if asked != config.num_warmup_steps => config.num_warmup_steps,
                _ => self.num_warmup_steps,
            },
            hours: None,
            ..config.clone()
        }
    }
}

impl Pretraining<'_> {
    /// The configuration with its number of steps. If `hours` leaves it open, it is the number decided when
    /// the run started, or one decided now by measurement. If a part turns out to be too large for memory,
    /// `micro_batch_size` decreases.
    pub(super) fn scheduled(
        &self,
        device: &Device,
        probe: Option<&Probe>,
        micro_batch_size: &mut usize,
    ) -> Result<PretrainConfig, Error> {
        let config = self.config;
        let Some(hours) = config.hours else {
            return Ok(config.clone());
        };
        let path = config.model_dir.join(FILE);
        let mut note = |line: String| self.progress.note(&line);
        run_folder::remove_link(&path, &mut note).map_err(io_of(&path, "removing a link"))?;
        let file = path.display();
        if let Some(decided) = Decision::read(&path)? {
            // A number may change in its last bit when written and read.
            if (decided.hours / hours - 1.0).abs() > 1e-9 {
                return Err(Error::OtherHours {
                    path,
                    begun: decided.hours,
                    now: hours,
                });
            }
            let differing = differing_values(&decided.measured_for, &self.measured_for());
            // A checkpoint of another run is refused where it is opened.
            if differing.is_empty() || checkpoint::newest(&config.model_dir, &mut note)?.is_some() {
                note(format!(
                    "hours = {hours}: {} steps, as decided when the run started ({file})",
                    decided.num_train_steps
                ));
                return Ok(decided.applied(config));
            }
            let differing = match decided.measured_for {
                Value::Null => "which it does not name".to_owned(),
                _ => differing.join(", "),
            };
            note(format!(
                "{file}: belongs to another run ({differing}), which has no checkpoint; the time per step \
                 is measured again"
            ));
        }
        let rate = self.rate(device, hours, probe, micro_batch_size)?;
        self.device.memory_cleanup();
        let decided = Decision {
            measured_for: self.measured_for(),
            ..Decision::of(config, hours, rate)?
        };
        let Rate { seconds, steps, .. } = rate;
        decided.write(&path)?;
        note(format!(
            "hours = {hours}: a step takes {seconds:.3} s (measured over {steps} steps), so that {} fit, {} of \
             them for warm-up; a twentieth of the time is left for checkpoints; stored in {file}",
            decided.num_train_steps, decided.num_warmup_steps
        ));
        Ok(decided.applied(config))
    }

    /// What determines the time per step and identifies the run.
    fn measured_for(&self) -> Value {
        let config = self.config;
        let mut told = config.decides_training();
        told.insert("arithmetic".to_owned(), self.arithmetic.word().into());
        told.insert("probe".to_owned(), json!(config.probe));
        told.insert("probe_every".to_owned(), config.probe_every.into());
        told.into()
    }

    fn rate(
        &self,
        device: &Device,
        hours: f64,
        probe: Option<&Probe>,
        micro_batch_size: &mut usize,
    ) -> Result<Rate, Error> {
        let config = self.config;
        let source = ParameterSource::new(device.clone(), config.seed, None);
        let mut networks = Networks::new(&mut source.with_arithmetic(self.arithmetic), config)?;
        let mut adam = self.adam();
        adam.begin(&networks, &[]);
        let objective = self.objective(device, 1.0);
        let most = Duration::from_secs_f64((3600.0 * hours * OF_HOURS).min(SECONDS));
        let bar = self.progress.busy("measuring how long a step takes");
        let mut began = Instant::now();
        let mut counted = 0;
        for step in 0.. {
            if self.stop.is_asked() {
                return Err(Error::StoppedBefore);
            }
            let batch = self.batches.training(step % self.batches.steps().max(1))?;
            check_maskable(&batch, step)?;
            let chance = Chance {
                seed: config.seed,
                step,
                drops: true,
            };
            let computed = self.compute(&networks, &batch, &objective, chance, micro_batch_size)?;
            networks = computed.update(networks, &mut adam, 0.0);
            if step < UNCOUNTED {
                began = Instant::now();
                continue;
            }
            counted += 1;
            let [least, enough] = COUNTED;
            if counted >= enough || (counted >= least && began.elapsed() >= most) {
                break;
            }
        }
        let mut rate = Rate {
            seconds: began.elapsed().as_secs_f64() / counted as f64,
            once: 0.0,
            steps: counted,
        };
        if let Some(probe) = probe {
            let took = probe.measured(&networks, self.place(*micro_batch_size));
            rate = rate.with_probe(took, probe.every())?;
        }
        bar.finish_and_clear();
        match self.stop.is_asked() {
            true => Err(Error::StoppedBefore),
            false => Ok(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::{
        device::DeviceError,
        tasks::{self, predict},
    };

    fn usual() -> PretrainConfig {
        let resolved = PretrainConfig::resolve(Path::new("d"), "m", &Map::new());
        resolved.unwrap().0
    }

    fn rate(seconds: f64, once: f64) -> Rate {
        Rate {
            seconds,
            once,
            steps: 9,
        }
    }

    #[test]
    fn the_steps_are_those_that_fit() {
        // 24 h at 0.05 s: 19/20 of 1,728,000; the warm-up is unchanged.
        let decided = Decision::of(&usual(), 24.0, rate(0.05, 0.0)).unwrap();
        assert_eq!(decided.num_train_steps, 1_641_600);
        assert_eq!(decided.num_warmup_steps, 10_000);
        // An hour at 2 s: 1,710 steps, a tenth of them for warm-up.
        let decided = Decision::of(&usual(), 1.0, rate(2.0, 0.0)).unwrap();
        assert_eq!(decided.num_train_steps, 1_710);
        assert_eq!(decided.num_warmup_steps, 171);
        let config = decided.applied(&usual());
        assert_eq!((config.num_train_steps, config.hours), (1_710, None));
        assert_eq!(config.num_warmup_steps, 171);
        // Two probes of 30 s cost the time of 30 steps.
        let decided = Decision::of(&usual(), 1.0, rate(2.0, 60.0)).unwrap();
        assert_eq!(decided.num_train_steps, 1_680);
        let message = Decision::of(&usual(), 0.001, rate(4.0, 0.0))
            .unwrap_err()
            .to_string();
        assert!(message.contains("a step takes 4.00 s"), "{message}");
        // One step of a second, and two probes of a minute, in 102.6 s.
        let message = Decision::of(&usual(), 0.03, rate(1.0, 120.0))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("after the last take 120.00 s") && message.contains("leave probe out"),
            "{message}"
        );
    }

    #[test]
    fn a_probe_s_time_counts_and_one_that_the_device_cannot_make_takes_none() {
        let alone = rate(2.0, 0.0);
        // 30 s every 10 steps, and twice more.
        let probed = alone.with_probe(Ok(Duration::from_secs(30)), 10).unwrap();
        assert_eq!((probed.seconds, probed.once), (5.0, 60.0));
        let failed = || DeviceError::new("out of memory");
        for error in [
            probe::Error::Device(failed()),
            tasks::Error::Predict(predict::Error::Read(failed())).into(),
        ] {
            let left = alone.with_probe(Err(error), 10).unwrap();
            assert_eq!((left.seconds, left.once), (2.0, 0.0));
        }
        let ended = predict::Error::Ended {
            done: 1,
            windows: 2,
        };
        let error = tasks::Error::Predict(ended).into();
        assert!(alone.with_probe(Err(error), 10).is_err());
    }

    #[test]
    fn another_warm_up_than_was_asked_for_is_not_overridden() {
        let decided = Decision {
            measured_for: json!({"num_warmup_steps": 10_000}),
            ..Decision::of(&usual(), 1.0, rate(2.0, 0.0)).unwrap()
        };
        for (asked, expected) in [(10_000, 171), (171, 171), (20, 20), (20_000, 20_000)] {
            let config = PretrainConfig {
                num_warmup_steps: asked,
                ..usual()
            };
            assert_eq!(decided.applied(&config).num_warmup_steps, expected);
        }
    }

    #[test]
    fn a_decision_is_kept_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(Decision::read(&path).unwrap(), None);
        let decided = Decision {
            measured_for: usual().decides_training().into(),
            ..Decision::of(&usual(), 0.7, rate(0.123, 0.0)).unwrap()
        };
        decided.write(&path).unwrap();
        assert_eq!(Decision::read(&path).unwrap(), Some(decided));
        for (text, problem) in [
            ("{\"hours\": 0.7", "damaged"),
            (
                r#"{"hours": 1, "num_train_steps": 0, "num_warmup_steps": 0, "seconds_a_step": 1,
                    "measured_steps": 3}"#,
                "found none",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = Decision::read(&path).unwrap_err().to_string();
            assert!(
                message.contains("schedule.json") && message.contains(problem),
                "{message}"
            );
        }
    }
}
