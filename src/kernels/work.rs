//! Bounds how long what is submitted at once keeps a device.
//!
//! A driver ends what takes longer than some seconds (Windows after two, AMD's on Linux after a
//! few), and with it the run. The runtime submits every 32 launches, whatever they compute, which is
//! longer for a large model on a small GPU. So whoever launches a product says how much it is, and
//! what is pending is submitted before it takes longer than a tenth of a second, by the rate that the
//! trial of kernels measured. Nobody waits for it: the device only gets its work in smaller pieces.
//!
//! One launch cannot be divided here. A batch that is computed in parts ([`most_tokens`]) has smaller
//! ones.

use std::sync::{Mutex, PoisonError};

use burn::{backend::DispatchDevice, tensor::Device};
use cubecl::client::Client;

/// Seconds that a submission may take. The rate is that of large products: what is not counted, and
/// what runs at a tenth of it, is still far within two seconds.
const SUBMISSION: f64 = 0.1;

/// Seconds that a launch may take.
const LAUNCH: f64 = 0.5;

/// Floating-point operations a second of a device that has not been measured: a weak one's.
const UNKNOWN: f64 = 1e11;

/// What a device has been given since it was last submitted.
#[derive(Debug, Clone, PartialEq)]
struct Load {
    /// Its number in the runtime.
    device: u64,
    rate: Option<f64>,
    pending: f64,
    flushes: u64,
}

static LOADS: Mutex<Vec<Load>> = Mutex::new(Vec::new());

/// To be called before a launch of so many floating-point operations: submits what is pending if it
/// would become too much.
pub fn launching(client: &Client, flops: f64) {
    if with_load(client, |load| load.add(flops)) {
        // What it could say is said by the next read.
        let _ = client.flush();
    }
}

/// Floating-point operations a second that a device was measured at.
pub fn set_rate(device: &Device, rate: f64) {
    if let Some(client) = client(device) {
        with_load(&client, |load| load.rate = Some(rate));
    }
}

/// How many rows `[tokens, width]` keep a device less than half a second with a product with
/// `[width, other]`; `None` where it was not measured, as the CPU.
pub fn most_tokens(device: &Device, [width, other]: [usize; 2]) -> Option<usize> {
    let rate = with_load(&client(device)?, |load| load.rate)?;
    Some((rate * LAUNCH / (2 * width * other) as f64) as usize)
}

/// How often something was submitted because it was enough.
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
            rate: None,
            pending: 0.0,
            flushes: 0,
        }
    }

    /// Whether what is pending is to be submitted before so much more.
    fn add(&mut self, flops: f64) -> bool {
        let most = self.rate.unwrap_or(UNKNOWN) * SUBMISSION;
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
        load.rate = Some(1e12);
        let flushed = |load: &mut Load, launches: &[f64]| -> Vec<bool> {
            launches.iter().map(|&flops| load.add(flops)).collect()
        };
        assert_eq!(
            flushed(&mut load, &[4e10, 4e10, 4e10, 1e10, 9e11, 9e11, 1.0]),
            [false, false, true, false, true, true, true]
        );
        assert_eq!(load.flushes, 4);
        // A device that is ten times as fast takes ten times as much.
        load.rate = Some(1e13);
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
