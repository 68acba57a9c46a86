//! What the shaders of tokens' logits are specialised by, and their text
//! (`shaders/token_logits_*.wgsl`).

use burn::backend::wgpu::SourceTemplate;

use crate::kernels::{
    formats::Element,
    params::{params, with_params},
    shader::{Direction, Shader},
    wgsl::{NORMAL, unroll},
};

/// Rows of a tile: threads of a workgroup of the forward shader, as it has them.
pub(super) const TILE: usize = 64;

/// Columns of a workgroup of the backward shader, and the rows that it takes side by side.
pub(super) const THREADS: [u32; 2] = [64, 4];

/// What the shaders are specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogitConfig {
    /// Format of the rows and starts.
    pub element: Element,
    /// Starts that a thread takes at once; `None` where rows stand for themselves.
    pub ranks: Option<usize>,
}

impl LogitConfig {
    /// As many starts as a thread takes at once, at most.
    pub const MOST_RANKS: usize = 4;
}

/// One of the shaders, specialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogitShader {
    pub direction: Direction,
    pub config: LogitConfig,
}

params! {
    /// Rows, their starts, and the tiles that workgroups take.
    pub struct LogitParams {
        pub tokens: u32,
        pub columns: u32,
        /// Starts of a sequence.
        pub ranks: u32,
        pub tiles: Vec<RowTile>,
    }
}

params! {
    /// Rows of a sequence; backward, all of them.
    pub struct RowTile {
        /// First row.
        pub first: u32,
        /// End of its sequence.
        pub end: u32,
        /// The sequence's number.
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
                // A gradient is that of one start a sequence.
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
