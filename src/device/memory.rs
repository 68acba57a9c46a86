//! Memory sizes: those that the user writes, and those of the machine.
//!
//! WebGPU cannot report a GPU's memory, so this asks the system: AMD's driver exposes it in a file
//! on Linux, and `nvidia-smi` reports NVIDIA's. An adapter that shares the processor's memory has
//! all of it. Otherwise the size is unknown and reported as such.

use std::{fmt, process::Command, str::FromStr};

/// PCI vendor id of NVIDIA.
const NVIDIA: u32 = 0x10de;

/// A number of bytes, written as `8GiB`, `500MB` or `1073741824`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const BINARY_UNITS: [(&str, u64); 4] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

const DECIMAL_UNITS: [(&str, u64); 5] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected a size such as 8GiB, 7.5GiB, 500MB or a number of bytes".to_owned();
        let text = text.trim();
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = BINARY_UNITS
            .iter()
            .chain(&DECIMAL_UNITS)
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor)
            .or(unit.is_empty().then_some(1))
            .ok_or_else(wrong)?;
        let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
        if !(1.0..u64::MAX as f64).contains(&bytes) {
            return Err(wrong());
        }
        Ok(ByteSize(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    /// Uses the largest binary unit that leaves at least 1, with at most one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in BINARY_UNITS {
            if self.0 >= size {
                let number = format!("{:.1}", self.0 as f64 / size as f64);
                return write!(f, "{} {unit}", number.trim_end_matches(".0"));
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// Returns the memory of this machine in bytes, if the system reports it.
pub fn system_memory() -> Option<u64> {
    if cfg!(target_os = "macos") {
        return sysctl("hw.memsize")?.trim().parse().ok();
    }
    if cfg!(windows) {
        let query = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory";
        return printed("powershell", &["-NoProfile", "-Command", query])?
            .trim()
            .parse()
            .ok();
    }
    total_memory(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// Queries a macOS system value.
pub(super) fn sysctl(name: &str) -> Option<String> {
    printed("sysctl", &["-n", name])
}

/// Returns what a system's command prints, if the system has it.
fn printed(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the dedicated memory in bytes of the GPU with this PCI vendor and address, if the system
/// reports it.
pub fn gpu_memory(vendor: u32, pci_address: &str) -> Option<u64> {
    if pci_address.is_empty() {
        return None;
    }
    let amd = format!("/sys/bus/pci/devices/{pci_address}/mem_info_vram_total");
    if let Ok(bytes) = std::fs::read_to_string(amd) {
        return bytes.trim().parse().ok();
    }
    if vendor != NVIDIA {
        return None;
    }
    let output = Command::new("nvidia-smi")
        .args([
            "--query-gpu=pci.bus_id,memory.total",
            "--format=csv,noheader,nounits",
        ])
        .output()
        .ok()?;
    nvidia_memory(&String::from_utf8_lossy(&output.stdout), pci_address)
}

/// Finds a card in lines such as `00000000:01:00.0, 8192` (MiB). `nvidia-smi` writes the PCI domain
/// with eight digits, Vulkan with four.
fn nvidia_memory(listing: &str, pci_address: &str) -> Option<u64> {
    let without_domain = |address: &str| {
        let (_, rest) = address.split_once(':')?;
        Some(rest.trim().to_ascii_lowercase())
    };
    let wanted = without_domain(pci_address)?;
    listing.lines().find_map(|line| {
        let (address, mib) = line.split_once(',')?;
        if without_domain(address.trim())? != wanted {
            return None;
        }
        mib.trim().parse::<u64>().ok()?.checked_mul(1 << 20)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_binary_and_decimal_units() {
        for (text, bytes) in [
            ("8GiB", 8 << 30),
            ("7.5GiB", 15 << 29),
            ("500MB", 500_000_000),
            ("2 gib", 2 << 30),
            ("1073741824", 1 << 30),
            ("16KiB", 16384),
            ("1B", 1),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "GiB",
            "8 apples",
            "-1GiB",
            "0",
            "1e3",
            "99999999999TiB",
            "1.2.3GiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_in_the_largest_unit() {
        for (bytes, text) in [
            (8 << 30, "8 GiB"),
            (15 << 29, "7.5 GiB"),
            (128 << 20, "128 MiB"),
            (1023, "1023 B"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn listings_of_the_system_are_read() {
        let meminfo = "MemTotal:        8048512 kB\nMemFree:          123 kB\n";
        assert_eq!(total_memory(meminfo), Some(8048512 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
        let listing = "00000000:01:00.0, 8192\n00000000:C1:00.0, 143771\n";
        assert_eq!(nvidia_memory(listing, "0000:c1:00.0"), Some(143771 << 20));
        assert_eq!(nvidia_memory(listing, "0000:02:00.0"), None);
        assert_eq!(
            nvidia_memory("No devices were found\n", "0000:01:00.0"),
            None
        );
    }
}
