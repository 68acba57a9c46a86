//! Specialisation and source of the layer normalisation shaders (`shaders/layer_norm_*.wgsl`).

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

/// Workgroup size; matches the WGSL.
pub(super) const THREADS: u32 = 64;

/// A layer normalisation shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormPass {
    Forward,
    /// Gradient of the rows before normalisation, optionally with a dropout mask for one summand,
    /// and the gradients of γ and β in partial sums over [`SLICE`](Self::SLICE) rows.
    Backward {
        masked: bool,
    },
}

impl NormPass {
    /// Rows over which one thread sums the gradients of γ and β.
    pub const SLICE: usize = 64;

    /// Arrays that the masked backward pass binds besides its parameters, more than any other pass.
    pub const ARRAYS: usize = 8;
}

/// A pass over rows of one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NormConfig {
    pub pass: NormPass,
    pub element: Element,
}

params! {
    /// The matrix that a pass processes.
    pub struct NormParams {
        pub rows: u32,
        pub columns: u32,
        /// Forward only.
        pub epsilon: f32,
        /// Masked backward only.
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
            NormPass::Backward { masked } => {
                let backward = include_str!("../../../shaders/layer_norm_backward.wgsl");
                let mask = if masked { wgsl::mask() } else { String::new() };
                format!("{mask}{total}{shared}{backward}")
            }
        };
        let (dropped, drop) = match self.pass {
            NormPass::Backward { masked: true } => (
                include_str!("../../../shaders/layer_norm_dropped.wgsl"),
                "drop_quad(row, quad, gradient);",
            ),
            _ => ("", ""),
        };
        let text = SourceTemplate::new(format!("{}{text}", self.element.enable()))
            .register("dropped", dropped)
            .register("drop", drop)
            .register("element", self.element.name())
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
        ];
        Element::ALL
            .into_iter()
            .flat_map(|element| of_rows.map(|pass| of(pass, element)))
            .collect()
    }
}
