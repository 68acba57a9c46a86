//! How the products of a dense layer are computed.

use std::sync::Arc;

use super::packed_kernel::PackedKernel;
use crate::kernels::matmul::MatmulTilings;

/// How the products of a dense layer are computed.
#[derive(Debug, Clone, Default)]
pub struct DenseProducts {
    /// On a GPU.
    pub tilings: MatmulTilings,
    /// On the CPU of operands in bf16, if so: the layer's kernel as they take it.
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
