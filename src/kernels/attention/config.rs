//! Specialisation and source of the attention shaders.

use std::fmt;

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use crate::{
    kernels::{
        formats::Element,
        params::{params, with_params},
        shader::{Direction, Shader},
        wgsl::{COOPERATIVE_MATRIX, mask, shared_array, unroll},
    },
    packed::random::Mask,
};

/// How the attention shaders find their rows.
const ROWS: &str = include_str!("../../../shaders/attention_rows.wgsl");

/// Returns the most arrays that a shader of this direction binds besides its parameters, with or
/// without cooperative matrices.
pub fn arrays(direction: Direction) -> usize {
    match direction {
        Direction::Forward => 6,
        Direction::Backward => 9,
    }
}

params! {
    /// Parameters of the attention shaders.
    pub struct AttentionParams {
        pub tokens: u32,
        /// Columns of a row over all heads, counted in vec4.
        pub quarters: u32,
        pub mask: Option<Mask>,
        /// `1 / √(columns of a head)`
        pub scale: f32,
    }
}

/// Rows in a tile of the one-thread-per-row shaders; matches the workgroup size in the WGSL.
pub(super) const TILE: usize = 64;

/// An attention shader that uses one thread per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttentionPass {
    Forward,
    QueryGradient,
    /// Gradients of keys and of values, each computed by its own workgroups.
    KeyValueGradient,
}

impl AttentionPass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::QueryGradient, Self::KeyValueGradient];
}

/// Specialisation of the one-thread-per-row shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionConfig {
    /// Columns of a head, counted in vec4.
    pub quarters: usize,
    /// Format of queries, keys, values and gradients.
    pub element: Element,
    pub masked: bool,
}

impl AttentionConfig {
    /// Size of a staged block in vec4; two blocks fit the 16 KiB of workgroup memory that every
    /// device has.
    const BLOCK_QUARTERS: usize = 500;

    /// Returns the rows in a block.
    fn block(self) -> usize {
        Self::BLOCK_QUARTERS / self.quarters
    }
}

/// A specialised one-thread-per-row shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionShader {
    pub pass: AttentionPass,
    pub config: AttentionConfig,
}

impl Shader for AttentionShader {
    type Params = AttentionParams;

    fn text(self) -> String {
        let tile = include_str!("../../../shaders/attention_tile.wgsl");
        let pass = match self.pass {
            AttentionPass::Forward => include_str!("../../../shaders/attention_forward.wgsl"),
            AttentionPass::QueryGradient => {
                include_str!("../../../shaders/attention_query_gradient.wgsl")
            }
            AttentionPass::KeyValueGradient => {
                include_str!("../../../shaders/attention_key_value_gradient.wgsl")
            }
        };
        let config = self.config;
        let enable = config.element.enable();
        let text = SourceTemplate::new(format!("{enable}{}{ROWS}{tile}{pass}", mask()))
            .register("element", config.element.name())
            .register("quarters", config.quarters.to_string())
            .register("block", config.block().to_string())
            .register(
                "block_quarters",
                AttentionConfig::BLOCK_QUARTERS.to_string(),
            )
            .register("masked", config.masked.to_string())
            .complete();
        with_params::<AttentionParams>(unroll(&text, [config.quarters; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [TILE as u32, 1]
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for element in Element::ALL {
            // The narrowest and the widest head, and the head sizes of released models.
            for (quarters, masked) in [1, 8, 16, 32]
                .into_iter()
                .flat_map(|quarters| [(quarters, false), (quarters, true)])
            {
                let config = AttentionConfig {
                    quarters,
                    element,
                    masked,
                };
                all.extend(AttentionPass::ALL.map(|pass| Self { pass, config }));
            }
        }
        all
    }
}

/// An attention shader that uses cooperative matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CooperativePass {
    Forward,
    QueryGradient,
    /// Gradients of keys and values in one pass.
    KeyValueGradient,
}

impl CooperativePass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::QueryGradient, Self::KeyValueGradient];

    /// Returns how many f32 and f16 matrices each part keeps in workgroup memory.
    fn matrices(self) -> [usize; 2] {
        match self {
            Self::Forward => [1, 1],
            Self::QueryGradient => [2, 1],
            Self::KeyValueGradient => [2, 2],
        }
    }
}

/// The attention configurations that a device runs; `None` means one thread per row, with f32
/// arithmetic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttentionConfigs {
    pub forward: Option<CooperativeConfig>,
    pub backward: Option<CooperativeConfig>,
}

impl fmt::Display for AttentionConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forward = CooperativeConfig::name(self.forward);
        let backward = CooperativeConfig::name(self.backward);
        write!(f, "forward {forward}, backward {backward}")
    }
}

/// Specialisation of the cooperative-matrix shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CooperativeConfig {
    /// Rows and columns of a cooperative matrix.
    pub size: usize,
    /// Columns of a head, a multiple of `size`.
    pub head: usize,
    /// Rows staged at a time, a multiple of 16 and of `size`; a tile's own rows fit into two
    /// blocks.
    pub block: usize,
    /// Expected subgroup size, on a device whose smallest subgroup has at least `size` threads. If
    /// the actual size differs, the result is the same but the shader runs slower.
    pub subgroup: usize,
    /// Whether workgroup memory is declared as vectors rather than scalars.
    pub vectors: bool,
}

impl CooperativeConfig {
    /// Most subgroups in a workgroup, and parts of a tile.
    const PARTS: usize = 4;

    /// Returns the name of a configuration, or of its absence.
    pub fn name(config: Option<Self>) -> String {
        match config {
            None => "a thread a row".to_owned(),
            Some(Self {
                size,
                block,
                subgroup,
                ..
            }) => format!(
                "matrix units {size}x{size}, {} subgroups of {subgroup}, {block} rows at once",
                Self::PARTS
            ),
        }
    }

    /// Returns the rows in a tile.
    pub fn tile(self) -> usize {
        Self::PARTS * self.size
    }

    /// Returns the threads in a workgroup.
    pub fn threads(self) -> u32 {
        (Self::PARTS * self.subgroup) as u32
    }

    /// Returns the largest usable workgroup: the shaders keep four numbers per thread in the score
    /// buffer, whose lines hold at least five quads.
    pub(super) fn most_threads(self) -> u32 {
        (self.tile() * 5).min(256) as u32
    }

    /// Returns how many staged rows have their scores in workgroup memory at a time: fewer in the
    /// gradient passes, which also keep the score gradients there.
    fn span(self, pass: CooperativePass) -> usize {
        match pass {
            CooperativePass::Forward => self.block,
            _ => 16,
        }
    }

    /// Returns the most workgroup memory that any pass uses, in bytes.
    pub fn workgroup_bytes(self) -> usize {
        let bytes = |pass: CooperativePass| {
            let span = self.span(pass);
            let [wide, narrow] = pass.matrices();
            let staged = 2 * 2 * self.block * (self.head + 8);
            let matrices = self.tile() * (4 * wide * (span + 4) + 2 * narrow * (span + 8));
            let rows = match pass {
                CooperativePass::KeyValueGradient => 8 * self.block,
                _ => 0,
            };
            16 + staged + matrices + rows
        };
        CooperativePass::ALL
            .map(bytes)
            .into_iter()
            .max()
            .unwrap_or(0)
    }
}

/// A specialised cooperative-matrix shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CooperativeShader {
    pub pass: CooperativePass,
    pub config: CooperativeConfig,
    /// Whether a mask drops probabilities.
    pub masked: bool,
}

impl Shader for CooperativeShader {
    type Params = AttentionParams;

    fn text(self) -> String {
        let Self {
            pass,
            config,
            masked,
        } = self;
        let tile = include_str!("../../../shaders/attention_cooperative_tile.wgsl");
        let main = match pass {
            CooperativePass::Forward => {
                include_str!("../../../shaders/attention_cooperative_forward.wgsl")
            }
            CooperativePass::QueryGradient => {
                include_str!("../../../shaders/attention_cooperative_query_gradient.wgsl")
            }
            CooperativePass::KeyValueGradient => {
                include_str!("../../../shaders/attention_cooperative_key_value_gradient.wgsl")
            }
        };
        let shared = [
            // Two blocks of rows; before the loop, the tile's own rows.
            ("staged", "f16", "2u * BLOCK * ROW_STRIDE"),
            // SIZE × SPAN matrices of each part.
            ("scores", "f32", "SCORES * PARTS * SIZE * SCORE_STRIDE"),
            ("weights", "f16", "WEIGHTS * PARTS * SIZE * WEIGHT_STRIDE"),
        ];
        let shared =
            shared.map(|(name, element, quads)| shared_array(name, element, quads, config.vectors));
        let shared = shared.concat();
        let text = format!("{COOPERATIVE_MATRIX}{}{ROWS}{tile}{shared}{main}", mask());
        let text = SourceTemplate::new(text)
            .register("size", config.size.to_string())
            .register("head", config.head.to_string())
            .register("block", config.block.to_string())
            .register("span", config.span(pass).to_string())
            .register("quad", if config.vectors { "1" } else { "4" })
            .register("threads", config.threads().to_string())
            .register("masked", masked.to_string())
            .complete();
        with_params::<AttentionParams>(unroll(&text, [config.head / config.size; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [self.config.threads(), 1]
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        // Matrix and subgroup sizes of NVIDIA, AMD, Apple and lavapipe.
        for (size, block, subgroup, vectors) in [
            (16, 32, 32, true),
            (16, 32, 64, false),
            (8, 16, 32, false),
            (8, 32, 32, false),
            (8, 16, 8, true),
            (8, 32, 8, true),
        ] {
            for head in [16, 32, 64, 128] {
                let config = CooperativeConfig {
                    size,
                    head,
                    block,
                    subgroup,
                    vectors,
                };
                for pass in CooperativePass::ALL {
                    all.extend([false, true].map(|masked| Self {
                        pass,
                        config,
                        masked,
                    }));
                }
            }
        }
        all
    }
}
