//! Instruction sets that multiply bf16 operands.

use std::fmt;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
#[cfg(target_arch = "x86_64")]
use super::avx512;

/// An instruction set that multiplies bf16 operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// AMX tiles, `TDPBF16PS`: Intel Xeon from the fourth generation on, on Linux.
    Amx,
    /// `VDPBF16PS` of AVX-512-BF16: AMD from Zen 4 on, Intel Xeon.
    Avx512,
    /// Plain Rust, slow, on any CPU; the others are tested against it.
    Plain,
}

impl Instructions {
    pub const ALL: [Self; 3] = [Self::Amx, Self::Avx512, Self::Plain];

    /// Returns whether this machine has it. The first call asks the kernel for the tile registers.
    pub fn available(self) -> bool {
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx => avx512::detected() && amx::detected(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::detected(),
            Self::Plain => true,
            #[allow(unreachable_patterns, reason = "depends on the target")]
            _ => false,
        }
    }

    /// Returns the fastest instruction set of this machine that beats f32, if any.
    ///
    /// AVX-512-BF16 does not on Intel: `VDPBF16PS` issues only every second cycle there, against
    /// two f32 vector FMAs per cycle, so f32 products are twice as fast (measured on Emerald
    /// Rapids). On Zen 4 it issues every cycle, twice as fast as f32.
    pub fn best() -> Option<Self> {
        if Self::Amx.available() {
            return Some(Self::Amx);
        }
        (Self::Avx512.available() && made_by_amd()).then_some(Self::Avx512)
    }

    /// Describes what the machine has if [`best`](Self::best) finds none, phrased as the end of a
    /// sentence.
    pub fn found() -> &'static str {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if amx::present() {
            return "AMX, which this system does not let programs use";
        }
        match Self::Avx512.available() {
            true => "AVX-512-BF16 of another maker, which is slower than f32",
            false => "neither",
        }
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amx => "AMX",
            Self::Avx512 => "AVX-512-BF16",
            Self::Plain => "plain loops",
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn made_by_amd() -> bool {
    let name = std::arch::x86_64::__cpuid(0);
    [name.ebx, name.edx, name.ecx]
        .map(u32::to_le_bytes)
        .as_flattened()
        == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn made_by_amd() -> bool {
    false
}
