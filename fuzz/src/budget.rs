//! What one input may cost. A reader whose work or memory grows with what a file says, instead of
//! what it is, ends in a panic here, which a fuzzer keeps as a finding.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Limits for one input.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub time: Duration,
    /// Bytes of memory, whatever the input is …
    pub memory: u64,
    /// … and for each byte of it.
    pub memory_per_byte: u64,
}

/// For fuzzing, whose inputs have a few kilobytes: ordinary ones take a millisecond.
pub const FUZZING: Budget = Budget {
    time: Duration::from_secs(5),
    memory: 256 << 20,
    memory_per_byte: 64,
};

impl Budget {
    /// Does `work` on an input of so many bytes.
    ///
    /// # Panics
    /// If it takes longer than the budget or, on Linux, raises the memory of the process by more.
    pub fn hold(&self, bytes: usize, work: impl FnOnce()) {
        // Forgets what earlier inputs took; where that may not be, only what exceeds it is seen.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = peak();
        let began = Instant::now();
        work();
        let took = began.elapsed();
        assert!(
            took <= self.time,
            "{took:?} for {bytes} bytes; the budget is {:?}",
            self.time
        );
        if let (Some(before), Some(now)) = (before, peak()) {
            let grown = now.saturating_sub(before);
            let most = self.memory + self.memory_per_byte * bytes as u64;
            assert!(
                grown <= most,
                "{grown} bytes of memory for {bytes} bytes; the budget is {most}"
            );
        }
    }
}

/// The most memory that the process has had, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}
