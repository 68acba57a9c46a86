//! What attention's shaders on matrix units are specialised by, and their text.

use std::fmt;

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use crate::kernels::shader::{INFO, MASK, MATRIX_UNITS, unroll};

/// One of attention's shaders on matrix units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttentionCooperativePass {
    Forward,
    QueryGradient,
    /// Gradients of keys and values at once.
    KeyValueGradient,
}

impl AttentionCooperativePass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::QueryGradient, Self::KeyValueGradient];

    /// Matrices of f32 and of f16 that a part has in workgroup memory.
    fn matrices(self) -> [usize; 2] {
        match self {
            Self::Forward => [1, 1],
            Self::QueryGradient => [2, 1],
            Self::KeyValueGradient => [2, 2],
        }
    }
}

/// The forms that a device runs; `None` is a thread for each row, with f32 arithmetic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttentionForms {
    pub forward: Option<AttentionCooperativeForm>,
    pub backward: Option<AttentionCooperativeForm>,
}

impl fmt::Display for AttentionForms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forward = AttentionCooperativeForm::name(self.forward);
        let backward = AttentionCooperativeForm::name(self.backward);
        write!(f, "forward {forward}, backward {backward}")
    }
}

/// How they compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttentionCooperativeForm {
    /// Rows and columns of a matrix.
    pub size: usize,
    /// Columns of a head, a multiple of `size`.
    pub head: usize,
    /// Rows staged at a time, a multiple of 16 and of `size`; a tile's own fit into two blocks.
    pub block: usize,
    /// Threads of a subgroup, on a device whose smallest has at least `size`. Where a subgroup
    /// turns out to have more or fewer the result is the same, but it takes longer.
    pub subgroup: usize,
}

impl AttentionCooperativeForm {
    /// Subgroups of a workgroup, at most, and parts of a tile.
    const PARTS: usize = 4;

    /// How a form, or its lack, is called.
    pub fn name(form: Option<Self>) -> String {
        match form {
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

    /// Rows of a tile.
    pub fn tile(self) -> usize {
        Self::PARTS * self.size
    }

    /// Threads of a workgroup.
    pub fn threads(self) -> u32 {
        (Self::PARTS * self.subgroup) as u32
    }

    /// Staged rows whose scores are in workgroup memory at a time: fewer in the gradients, which
    /// have slopes there, too.
    fn span(self, pass: AttentionCooperativePass) -> usize {
        match pass {
            AttentionCooperativePass::Forward => self.block,
            _ => 16,
        }
    }

    /// Bytes that a workgroup shares, at most.
    pub fn workgroup_bytes(self) -> usize {
        let bytes = |pass: AttentionCooperativePass| {
            let span = self.span(pass);
            let [wide, narrow] = pass.matrices();
            let staged = 2 * 2 * self.block * (self.head + 8);
            let matrices = self.tile() * (4 * wide * (span + 4) + 2 * narrow * (span + 8));
            let rows = match pass {
                AttentionCooperativePass::KeyValueGradient => 8 * self.block,
                _ => 0,
            };
            16 + staged + matrices + rows
        };
        AttentionCooperativePass::ALL
            .map(bytes)
            .into_iter()
            .max()
            .unwrap_or(0)
    }

    /// Whole WGSL; `masked` says whether a mask drops probabilities.
    pub(in crate::kernels) fn text(self, pass: AttentionCooperativePass, masked: bool) -> String {
        let tile = include_str!("../../../shaders/attention_cooperative_tile.wgsl");
        let main = match pass {
            AttentionCooperativePass::Forward => {
                include_str!("../../../shaders/attention_cooperative_forward.wgsl")
            }
            AttentionCooperativePass::QueryGradient => {
                include_str!("../../../shaders/attention_cooperative_query_gradient.wgsl")
            }
            AttentionCooperativePass::KeyValueGradient => {
                include_str!("../../../shaders/attention_cooperative_key_value_gradient.wgsl")
            }
        };
        let text = SourceTemplate::new(format!("{MATRIX_UNITS}{MASK}{INFO}{tile}{main}"))
            .register("size", self.size.to_string())
            .register("head", self.head.to_string())
            .register("block", self.block.to_string())
            .register("span", self.span(pass).to_string())
            .register("threads", self.threads().to_string())
            .register("masked", masked.to_string())
            .complete();
        unroll(&text, [self.head / self.size; 2])
    }
}
