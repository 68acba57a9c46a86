//! A dense layer's kernel in the order in which the CPU multiplies it in bf16.

use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::kernels::matmul::bf16::{Instructions, Matrix, Packed, Side};

/// A kernel `[in, out]`, packed for each of its products when that comes first: once a step.
pub struct PackedKernel {
    pub instructions: Instructions,
    /// For `x · W` and for `dy · Wᵀ`.
    packed: [OnceLock<Packed>; 2],
    /// Memory of kernels that were packed here before.
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

    /// The kernel is another now; the next product packs it into the same memory.
    pub fn renew(&mut self) {
        let spare = self.spare.get_mut();
        let spare = spare.unwrap_or_else(PoisonError::into_inner);
        for (packed, spare) in self.packed.iter_mut().zip(spare) {
            *spare = packed.take().or(spare.take());
        }
    }

    /// The right operand of `x · W`, of the kernel's values.
    pub(super) fn forward(&self, kernel: Matrix<'_>) -> &Packed {
        self.get(0, kernel)
    }

    /// The right operand of `dy · Wᵀ`.
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
        // Packed before it is waited for: the threads that pack may be those that wait.
        self.packed[place].get_or_init(|| packed)
    }
}

impl fmt::Debug for PackedKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedKernel({})", self.instructions)
    }
}
