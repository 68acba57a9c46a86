//! What the shaders of layer normalisation are specialised by, and their text
//! (`shaders/layer_norm_*.wgsl`).

use burn::backend::wgpu::SourceTemplate;

use crate::{
    kernels::{
        formats::Element,
        params::{params, with_params},
        shader::Shader,
        wgsl,
    },
    packed::random::Mask,
};

/// Threads of a workgroup, as the shaders have them.
pub(super) const THREADS: u32 = 64;

/// One of the shaders of layer normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormPass {
    Forward,
    /// Gradient of the rows before the normalisation; a mask may drop values of a part of them.
    Backward {
        masked: bool,
    },
    /// Gradients of γ and β, in shares of [`SLICE`](Self::SLICE) rows.
    Shares,
    /// The sums of the shares, which are f32.
    Parameters,
}

impl NormPass {
    /// Rows whose gradients of γ and β one thread sums.
    pub const SLICE: usize = 64;
}

/// A pass over rows of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NormConfig {
    pub pass: NormPass,
    pub element: Element,
}

params! {
    /// The matrix that a pass goes over.
    pub struct NormParams {
        /// Of the parameters' pass, twice the number of slices.
        pub rows: u32,
        pub columns: u32,
        /// Forward.
        pub epsilon: f32,
        /// Backward, masked.
        pub mask: Option<Mask>,
    }
}

impl Shader for NormConfig {
    type Params = NormParams;

    fn text(self) -> String {
        let shared = include_str!("../../../shaders/layer_norm.wgsl");
        let total = wgsl::reduction("vec2<f32>");
        let text = match self.pass {
            NormPass::Forward => {
                let forward = include_str!("../../../shaders/layer_norm_forward.wgsl");
                format!("{total}{shared}{forward}")
            }
            NormPass::Backward { .. } => {
                let backward = include_str!("../../../shaders/layer_norm_backward.wgsl");
                format!("{}{total}{shared}{backward}", wgsl::mask())
            }
            NormPass::Shares => include_str!("../../../shaders/layer_norm_shares.wgsl").to_owned(),
            NormPass::Parameters => {
                include_str!("../../../shaders/layer_norm_parameters.wgsl").to_owned()
            }
        };
        let masked = self.pass == NormPass::Backward { masked: true };
        let text = SourceTemplate::new(format!("{}{text}", self.element.enable()))
            .register("element", self.element.name())
            .register("masked", masked.to_string())
            .register("slice", NormPass::SLICE.to_string())
            .complete();
        with_params::<NormParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        let of = |pass, element| Self { pass, element };
        let of_rows = [
            NormPass::Forward,
            NormPass::Backward { masked: false },
            NormPass::Backward { masked: true },
            NormPass::Shares,
        ];
        Element::ALL
            .into_iter()
            .flat_map(|element| of_rows.map(|pass| of(pass, element)))
            .chain([of(NormPass::Parameters, Element::F32)])
            .collect()
    }
}
