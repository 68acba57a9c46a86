//! How the matmuls of a dense layer are computed.

use std::sync::Arc;

use super::packed_kernel::PackedKernel;
use crate::kernels::matmul::MatmulTilings;

/// How the matmuls of a dense layer are computed.
#[derive(Debug, Clone, Default)]
pub struct DenseProducts {
    /// Tilings on a GPU.
    pub tilings: MatmulTilings,
    /// On the CPU with bf16 operands: the layer's kernel, packed.
    pub packed: Option<Arc<PackedKernel>>,
}

impl From<MatmulTilings> for DenseProducts {
    fn from(tilings: MatmulTilings) -> Self {
        Self {
            tilings,
            packed: None,
        }
    }
}
