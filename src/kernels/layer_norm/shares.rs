//! The last step of the gradients of γ and β: reduces the partial sums that the backward passes
//! left, for several normalisations in one launch. Shader: `shaders/layer_norm_parameters.wgsl`.

use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension,
        tensor::FloatTensor,
        wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
    },
    tensor::{Shape, Slice},
};

use super::config::THREADS;
use crate::kernels::{
    formats::Element,
    group::{SIZES, group, size_for},
    launch::{Arrays, launch, like, members},
    params::{params, with_params},
    shader::Shader,
    wgsl::unroll,
};

/// Most normalisations reduced in one launch; partial sums that wait take up memory.
pub const AT_ONCE: usize = 8;

/// Arrays per normalisation.
const ARRAYS: usize = 3;

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NormSumConfig {
    pub norms: usize,
}

params! {
    /// The normalisations of a launch.
    pub struct NormSumParams {
        pub norms: Vec<NormSum>,
    }
}

params! {
    /// The partial sums of one normalisation.
    pub struct NormSum {
        pub slices: u32,
        pub columns: u32,
    }
}

impl Shader for NormSumConfig {
    type Params = NormSumParams;

    fn text(self) -> String {
        let text = include_str!("../../../shaders/layer_norm_parameters.wgsl");
        let text = SourceTemplate::new(text)
            .register("norms", self.norms.to_string())
            .complete();
        with_params::<NormSumParams>(unroll(&text, [self.norms; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        let sizes = SIZES.into_iter().filter(|&norms| norms <= AT_ONCE);
        sizes.map(|norms| Self { norms }).collect()
    }
}

/// Partial sums of the gradients of γ and β, `[2 · shares, columns]` with those of γ first; or
/// their totals, `[columns]` each; or nothing.
#[derive(ExtensionType)]
pub enum NormShare<B: Backend> {
    Empty,
    Shares {
        shares: FloatTensor<B>,
    },
    Sums {
        gamma: FloatTensor<B>,
        beta: FloatTensor<B>,
    },
}

group! {
    /// Partial sums that are reduced together.
    pub struct NormShareGroup of NormShare
}

/// The reduction as a backend operation.
#[backend_extension(Cube, Flex)]
pub trait NormShareOps: Backend {
    fn sum_norm_shares(#[extension_type] shares: NormShareGroup<Self>) -> NormShareGroup<Self> {
        NormShareGroup::of(shares.members().map(reference::<Self>))
    }
}

/// Plain-tensor reference.
fn reference<B: Backend>(share: NormShare<B>) -> NormShare<B> {
    let NormShare::Shares { shares } = share else {
        return share;
    };
    let [rows, columns] = [shares.shape()[0], shares.shape()[1]];
    let sum = |rows: std::ops::Range<usize>| {
        let part = B::float_slice(shares.clone(), &[rows.into(), Slice::from(0..columns)]);
        B::float_reshape(B::float_sum_dim(part, 0), Shape::new([columns]))
    };
    NormShare::Sums {
        gamma: sum(0..rows / 2),
        beta: sum(rows / 2..rows),
    }
}

impl NormShareOps for Flex {}

impl NormShareOps for CubeBackend {
    fn sum_norm_shares(shares: NormShareGroup<Self>) -> NormShareGroup<Self> {
        let shares: Vec<CubeTensor> = shares
            .members()
            .into_iter()
            .filter_map(|share| match share {
                NormShare::Shares { shares } => Some(into_contiguous(shares)),
                NormShare::Empty | NormShare::Sums { .. } => None,
            })
            .collect();
        let sums = shares.iter().map(|shares| {
            let columns = Shape::new([shares.shape()[1]]);
            [(); 2].map(|()| like(shares, columns.clone(), Element::F32))
        });
        let sums: Vec<[CubeTensor; 2]> = sums.collect();
        let Some(first) = shares.first() else {
            return NormShareGroup::of([]);
        };
        let at_once = members(&first.client, ARRAYS, 0).min(AT_ONCE);
        for (shares, sums) in shares.chunks(at_once).zip(sums.chunks(at_once)) {
            launch_part(shares, sums);
        }
        let sums = sums.into_iter();
        NormShareGroup::of(sums.map(|[gamma, beta]| NormShare::Sums { gamma, beta }))
    }
}

/// Reduces one launch's worth of normalisations.
fn launch_part(shares: &[CubeTensor], sums: &[[CubeTensor; 2]]) {
    let norms: Vec<NormSum> = shares
        .iter()
        .map(|shares| NormSum {
            slices: shares.shape()[0] as u32 / 2,
            columns: shares.shape()[1] as u32,
        })
        .collect();
    let widest = norms.iter().map(|norm| norm.columns).max().unwrap_or(0);
    let groups = [widest.div_ceil(THREADS), norms.len() as u32];
    let config = NormSumConfig {
        norms: size_for(norms.len()),
    };
    // Unused slots get no workgroup, so any arrays will do for them.
    let mut read: Vec<_> = shares.iter().collect();
    read.resize(config.norms, &shares[0]);
    let mut written: Vec<_> = sums.iter().flatten().collect();
    written.resize(2 * config.norms, &sums[0][0]);
    launch(
        &shares[0].client,
        config,
        groups,
        &NormSumParams { norms },
        Arrays {
            read: &read,
            written: &written,
            ..Arrays::default()
        },
    );
}

/// Partial sums of the gradients of γ and β of one normalisation, without autodiff.
#[derive(Debug, Clone)]
pub struct NormShares(pub(super) Tensor<2>);

impl NormShares {
    /// Returns the gradients of γ and β, `[columns]` each, of up to
    /// [`GROUP`](crate::kernels::group::GROUP) normalisations.
    pub fn sums(shares: Vec<Self>) -> Vec<[Tensor<1>; 2]> {
        if shares.is_empty() {
            return Vec::new();
        }
        let shares = shares.into_iter().map(|Self(shares)| NormShare::Shares {
            shares: shares.into_dispatch(),
        });
        let sums = Dispatch::sum_norm_shares(NormShareGroup::of(shares)).members();
        sums.into_iter()
            .filter_map(|share| match share {
                NormShare::Sums { gamma, beta } => Some([gamma, beta].map(Tensor::from_dispatch)),
                NormShare::Empty | NormShare::Shares { .. } => None,
            })
            .collect()
    }
}
