//! Tile products with AMX on Linux (Intel, 64 and IA-32 Architectures Software Developer's Manual,
//! volume 1, chapter 18, and TDPBF16PS in volume 2).
//!
//! The intrinsics are unstable in Rust (rust-lang/rust#126622), so this uses inline assembly. The
//! compiler itself uses no tile registers, so they stay configured between two `asm!` blocks of a
//! thread.
#![expect(unsafe_code, reason = "the instructions")]

use std::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    },
    sync::OnceLock,
};

use super::tiles::{LINES, Panels, Sums, Tile};

/// Returns whether this machine has AMX-BF16 and the kernel lets this process use it.
pub(super) fn detected() -> bool {
    static DETECTED: OnceLock<bool> = OnceLock::new();
    *DETECTED.get_or_init(|| present() && permitted())
}

/// Returns whether this machine has AMX-BF16.
pub(super) fn present() -> bool {
    // CPUID leaf 7: AMX-BF16 and AMX-TILE.
    const NEEDED: u32 = 1 << 22 | 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & NEEDED == NEEDED
}

/// Asks the kernel for permission to use the tile registers, for all threads of this process
/// (Linux, Documentation/arch/x86/xstate.rst); available since Linux 5.16.
fn permitted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call takes two integers and touches no memory of this process; it preserves all
    // registers but these.
    unsafe {
        asm!("syscall", inlateout("rax") result, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result == 0
}

/// Operand of LDTILECFG: palette 1, and registers 0 to 7 of 16 rows of 64 bytes.
static CONFIGURATION: [u8; 64] = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut register = 0;
    while register < 8 {
        bytes[16 + 2 * register] = 64;
        bytes[48 + register] = 16;
        register += 1;
    }
    bytes
};

/// Same as [`plain::multiply`](super::plain::multiply). Panics if this machine lacks AMX.
pub(super) fn multiply(left: [&[Tile]; 2], right: Panels<'_>, sums: &mut [[Sums; 4]], onto: bool) {
    assert!(detected());
    // SAFETY: the check above shows that the machine has the instruction and the process may use
    // it; it reads 64 bytes.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION,
            options(nostack, preserves_flags, readonly));
    }
    for (number, sums) in sums.iter_mut().enumerate() {
        multiply_pairs(left, right.pair(number), sums, onto);
    }
    // SAFETY: this function configured the tile registers and is done with them.
    unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) }
}

/// Multiplies two left panels by two right ones: 2 × 2 tiles of sums, kept in registers 0 to 3. The
/// tile registers must be configured.
fn multiply_pairs(left: [&[Tile]; 2], right: [&[Tile]; 2], sums: &mut [Sums; 4], onto: bool) {
    let depth = left[0].len();
    let others = [left[1], right[0], right[1]];
    assert!(depth > 0 && others.iter().all(|tiles| tiles.len() == depth));
    // SAFETY: the registers are configured; the code reads and writes four tiles of sums and reads
    // four times `depth` tiles of operands, spaced 1024 bytes apart.
    unsafe {
        asm!(
            "test {onto:e}, {onto:e}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{sums} + {row}]",
            "tileloadd tmm1, [{sums} + {row} + 1024]",
            "tileloadd tmm2, [{sums} + {row} + 2048]",
            "tileloadd tmm3, [{sums} + {row} + 3072]",
            "3:",
            "tileloadd tmm4, [{upper} + {row}]",
            "tileloadd tmm6, [{first} + {row}]",
            "tileloadd tmm7, [{second} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{lower} + {row}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {upper}, 1024",
            "add {lower}, 1024",
            "add {first}, 1024",
            "add {second}, 1024",
            "dec {depth}",
            "jnz 3b",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 1024], tmm1",
            "tilestored [{sums} + {row} + 2048], tmm2",
            "tilestored [{sums} + {row} + 3072], tmm3",
            onto = in(reg) u32::from(onto),
            upper = inout(reg) left[0].as_ptr() => _,
            lower = inout(reg) left[1].as_ptr() => _,
            first = inout(reg) right[0].as_ptr() => _,
            second = inout(reg) right[1].as_ptr() => _,
            depth = inout(reg) depth => _,
            sums = in(reg) sums.as_mut_ptr(),
            row = in(reg) size_of::<[f32; LINES]>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
