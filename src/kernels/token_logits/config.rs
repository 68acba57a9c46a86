//! Specialisation and source of the token logit shaders (`shaders/token_logits_*.wgsl`).

use burn::backend::wgpu::SourceTemplate;

use crate::kernels::{
    formats::Element,
    params::{params, with_params},
    shader::{Direction, Shader},
    wgsl::{NORMAL, unroll},
};

/// Rows in a tile; matches the workgroup size of the forward shader.
pub(super) const TILE: usize = 64;

/// Columns of a backward workgroup and the rows it processes in parallel.
pub(super) const THREADS: [u32; 2] = [64, 4];

/// Specialisation of the shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogitConfig {
    /// Format of the rows and starts.
    pub element: Element,
    /// Starts that a thread handles at once; `None` for logits of the rows alone.
    pub ranks: Option<usize>,
}

impl LogitConfig {
    /// Most starts that a thread handles at once.
    pub const MOST_RANKS: usize = 4;
}

/// A specialised shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogitShader {
    pub direction: Direction,
    pub config: LogitConfig,
}

params! {
    /// Rows, their starts, and the tiles assigned to workgroups.
    pub struct LogitParams {
        pub tokens: u32,
        pub columns: u32,
        /// Starts per sequence.
        pub ranks: u32,
        pub tiles: Vec<RowTile>,
    }
}

params! {
    /// Rows of a tile within a sequence; in the backward pass, the whole sequence.
    pub struct RowTile {
        /// First row.
        pub first: u32,
        /// End of its sequence.
        pub end: u32,
        /// Sequence number.
        pub number: u32,
    }
}

impl Shader for LogitShader {
    type Params = LogitParams;

    fn text(self) -> String {
        let pass = match self.direction {
            Direction::Forward => include_str!("../../../shaders/token_logits_forward.wgsl"),
            Direction::Backward => include_str!("../../../shaders/token_logits_backward.wgsl"),
        };
        let LogitConfig { element, ranks } = self.config;
        let text = SourceTemplate::new(format!("{}{NORMAL}{pass}", element.enable()))
            .register("element", element.name())
            .register("given", ranks.is_some().to_string())
            .register("ranks", ranks.unwrap_or(1).to_string())
            .complete();
        with_params::<LogitParams>(unroll(&text, [ranks.unwrap_or(1); 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        match self.direction {
            Direction::Forward => [TILE as u32, 1],
            Direction::Backward => THREADS,
        }
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for direction in Direction::ALL {
            let most = match direction {
                Direction::Forward => LogitConfig::MOST_RANKS,
                // The gradient supports only one start per sequence.
                Direction::Backward => 1,
            };
            for element in Element::ALL {
                let ranks = [None].into_iter().chain((1..=most).map(Some));
                all.extend(ranks.map(|ranks| Self {
                    direction,
                    config: LogitConfig { element, ranks },
                }));
            }
        }
        all
    }
}
