//! Limits how much work is submitted to a device at once.
//!
//! A driver kills work that takes longer than a few seconds (Windows after two, AMD's on Linux
//! after a few), and the run with it. The runtime submits every 60 launches, whatever they compute,
//! which takes longer for a large model on a small GPU. So code that launches a matmul or attention
//! announces its cost here, and pending work is submitted before it exceeds a tenth of a second, at
//! the rate measured by autotuning; a single launch may take longer. Nothing waits for it: the device
//! merely gets its work in smaller pieces.
//!
//! A single launch cannot be divided here; computing a batch in parts ([`most_tokens`]) makes its
//! launches smaller.

use std::sync::{Mutex, PoisonError};

use burn::{backend::DispatchDevice, tensor::Device};
use cubecl::client::Client;

/// Most seconds per submission, so that uncounted work, or work that runs at a tenth of the rate, still
/// stays well below two seconds.
const SUBMISSION: f64 = 0.1;

/// Most seconds per launch.
const LAUNCH: f64 = 0.5;

/// Rate assumed for a device that has not been measured, that of a weak one, in FLOP/s.
const UNKNOWN: f64 = 1e11;

/// Work given to a device since the last submission.
#[derive(Debug, Clone, PartialEq)]
struct Load {
    /// Device number in the runtime.
    device: u64,
    /// Of matmuls, and of the slowest counted operation.
    rates: Option<[f64; 2]>,
    pending: f64,
    flushes: u64,
}

static LOADS: Mutex<Vec<Load>> = Mutex::new(Vec::new());

/// Submits pending work if another launch of `flops` floating-point operations would make it too
/// much. Call this before the launch.
pub fn launching(client: &Client, flops: f64) {
    if with_load(client, |load| load.add(flops)) {
        // The next read reports any error.
        let _ = client.flush();
    }
}

/// The same before a launch of Burn's own on the device; a CPU has nothing to submit.
pub fn launching_on(device: &Device, flops: f64) {
    if let Some(client) = client(device) {
        launching(&client, flops);
    }
}

/// Sets the measured rates of a device in FLOP/s: of matmuls, and of the slowest operation that is counted
/// here.
pub fn set_rates(device: &Device, rates: [f64; 2]) {
    if let Some(client) = client(device) {
        with_load(&client, |load| load.rates = Some(rates));
    }
}

/// Returns how many rows `[tokens, width]` the device multiplies by `[width, other]` in less than
/// half a second, or `None` if it was not measured, as on the CPU.
pub fn most_tokens(device: &Device, [width, other]: [usize; 2]) -> Option<usize> {
    let [rate, _] = with_load(&client(device)?, |load| load.rates)?;
    Some((rate * LAUNCH / (2 * width * other) as f64) as usize)
}

/// Returns how often pending work was submitted early because there was too much of it.
pub fn flushes(device: &Device) -> u64 {
    client(device).map_or(0, |client| with_load(&client, |load| load.flushes))
}

fn client(device: &Device) -> Option<Client> {
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.client()),
        _ => None,
    }
}

fn with_load<T>(client: &Client, with: impl FnOnce(&mut Load) -> T) -> T {
    let id = client.service_id().device;
    let id = u64::from(id.type_id) << 32 | u64::from(id.index_id);
    let mut loads = LOADS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = loads.iter().position(|load| load.device == id);
    let place = place.unwrap_or_else(|| {
        loads.push(Load::new(id));
        loads.len() - 1
    });
    with(&mut loads[place])
}

impl Load {
    fn new(device: u64) -> Self {
        Self {
            device,
            rates: None,
            pending: 0.0,
            flushes: 0,
        }
    }

    /// Returns whether to submit pending work before adding `flops` operations, and counts them.
    fn add(&mut self, flops: f64) -> bool {
        let most = self.rates.map_or(UNKNOWN, |[_, slowest]| slowest) * SUBMISSION;
        let full = self.pending > 0.0 && self.pending + flops > most;
        if full {
            self.pending = 0.0;
            self.flushes += 1;
        }
        self.pending += flops;
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_holds_a_tenth_of_a_second_or_one_launch() {
        let mut load = Load::new(0);
        load.rates = Some([2e12, 1e12]);
        let flushed = |load: &mut Load, launches: &[f64]| -> Vec<bool> {
            launches.iter().map(|&flops| load.add(flops)).collect()
        };
        assert_eq!(
            flushed(&mut load, &[4e10, 4e10, 4e10, 1e10, 9e11, 9e11, 1.0]),
            [false, false, true, false, true, true, true]
        );
        assert_eq!(load.flushes, 4);
        // A device ten times as fast gets ten times as much.
        load.rates = Some([1e13; 2]);
        load.pending = 0.0;
        assert_eq!(
            flushed(&mut load, &[4e11, 4e11, 4e11]),
            [false, false, true]
        );
    }

    #[test]
    fn an_unknown_device_is_taken_for_a_slow_one() {
        let mut load = Load::new(0);
        assert!(!load.add(6e9) && load.add(6e9));
    }
}
