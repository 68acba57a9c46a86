//! The most memory that a run has held.

use burn::tensor::Device;

/// Keeps the highest reading of the memory that training holds.
#[derive(Debug)]
pub struct PeakMemory {
    device: Device,
    peak: Option<u64>,
}

impl PeakMemory {
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
            peak: None,
        }
    }

    /// Reads the device's allocator if it has one (GPU), else the process's peak resident
    /// memory, and returns the highest reading so far in bytes.
    pub fn sample(&mut self) -> Option<u64> {
        let now = match self.device.memory_pool_usage() {
            Some(usage) => Some(usage.bytes_reserved),
            None => peak_resident(),
        };
        self.peak = self.peak.max(now);
        self.peak
    }
}

/// Peak resident memory of this process in bytes; `None` if the system does not tell.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
