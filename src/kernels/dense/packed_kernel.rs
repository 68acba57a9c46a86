//! A dense layer's kernel, packed in the order in which the CPU multiplies it in bf16.

use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::kernels::matmul::bf16::{Instructions, Matrix, Packed, Side};

/// A kernel `[in, out]`, packed on first use for each of its matmuls: once per step.
pub struct PackedKernel {
    pub instructions: Instructions,
    /// Packed for `x · W` and for `dy · Wᵀ`.
    packed: [OnceLock<Packed>; 2],
    /// Buffers of previously packed kernels, for reuse.
    spare: Mutex<[Option<Packed>; 2]>,
}

impl PackedKernel {
    pub fn new(instructions: Instructions) -> Self {
        Self {
            instructions,
            packed: Default::default(),
            spare: Mutex::default(),
        }
    }

    /// Invalidates the packed copies after the kernel has changed; the next matmul packs into the
    /// same memory.
    pub fn renew(&mut self) {
        let spare = self.spare.get_mut();
        let spare = spare.unwrap_or_else(PoisonError::into_inner);
        for (packed, spare) in self.packed.iter_mut().zip(spare) {
            *spare = packed.take().or(spare.take());
        }
    }

    /// Returns the packed right operand of `x · W`.
    pub(super) fn forward(&self, kernel: Matrix<'_>) -> &Packed {
        self.get(0, kernel)
    }

    /// Returns the packed right operand of `dy · Wᵀ`.
    pub(super) fn backward(&self, kernel: Matrix<'_>) -> &Packed {
        self.get(1, kernel.transposed())
    }

    fn get(&self, place: usize, kernel: Matrix<'_>) -> &Packed {
        if let Some(packed) = self.packed[place].get() {
            return packed;
        }
        let spare = self.spare.lock();
        let spare = spare.unwrap_or_else(PoisonError::into_inner)[place].take();
        let packed = Packed::reusing(spare, self.instructions, kernel, Side::Right);
        // Pack before `get_or_init`: the threads that pack may be the ones that would wait in it.
        self.packed[place].get_or_init(|| packed)
    }
}

impl fmt::Debug for PackedKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedKernel({})", self.instructions)
    }
}
