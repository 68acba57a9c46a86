//! The peak memory of a run.

use burn::tensor::Device;

/// Tracks the peak of the memory that training holds.
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

    /// Reads the device's allocator if it has one (GPU), otherwise the process's peak resident
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

/// Returns the peak resident memory of this process in bytes; `None` if the system does not report
/// it.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
