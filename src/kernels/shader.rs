//! The text of the shaders as a device compiles it.
//!
//! WGSL under `shaders/`, with what several share put before, and a line that holds a `#` written
//! once for each number that it stands for.

use burn::{
    backend::wgpu::{KernelSource, SourceTemplate},
    tensor::DType,
};
use cubecl::prelude::KernelId;

use super::{
    adam::gpu::AdamForm,
    attention::config::{AttentionCooperativeForm, AttentionCooperativePass},
    head_shader::HeadShader,
    matmul::config::{Product, ProductForm},
    square_sum::SquareSumForm,
};

pub(super) const MASK: &str = include_str!("../../shaders/mask.wgsl");
/// What attention's shaders know of their rows.
pub(super) const INFO: &str = include_str!("../../shaders/attention_info.wgsl");
/// What shaders on matrix units begin with.
pub(super) const MATRIX_UNITS: &str = "enable f16;\nenable wgpu_cooperative_matrix;\n";
pub(super) const NORMAL: &str = include_str!("../../shaders/normal.wgsl");

/// A shader that is ready to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shader {
    Adam(AdamForm),
    SquareSum(SquareSumForm),
    Dropout(Element),
    Gelu(GeluPass, Element),
    /// The last part says whether a mask drops values.
    Norm(NormPass, Element, bool),
    Attention(AttentionPass, AttentionForm),
    /// The last part says whether a mask drops probabilities.
    AttentionCooperative(AttentionCooperativePass, AttentionCooperativeForm, bool),
    Product(Product, ProductForm),
    Head(HeadShader),
}

/// Number format of the values that a shader reads or writes; it computes in f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Element {
    #[default]
    F32,
    F16,
}

impl Element {
    /// The format of tensors of this type, where shaders take it.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Self::F32),
            DType::F16 => Some(Self::F16),
            _ => None,
        }
    }

    /// The format of the tensor.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// What a shader that uses it begins with.
    pub(super) fn enable(self) -> &'static str {
        match self {
            Self::F32 => "",
            Self::F16 => "enable f16;\n",
        }
    }

    /// As WGSL writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Values that a thread reads and writes at once. An array of vec4 ends at the last whole one, so
/// that four fit only where the number of values is a multiple of four; the arrays themselves lie at
/// multiples of at least 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    One,
    Four,
}

impl Width {
    pub const ALL: [Self; 2] = [Self::Four, Self::One];

    /// The widest that fits this number of values.
    pub(super) fn of(elements: usize) -> Self {
        match elements % 4 {
            0 => Self::Four,
            _ => Self::One,
        }
    }

    /// Values.
    pub(super) fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    /// The f32 values as WGSL writes them.
    pub(super) fn floats(self) -> &'static str {
        match self {
            Self::One => "f32",
            Self::Four => "vec4<f32>",
        }
    }

    /// As many words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::One => "u32",
            Self::Four => "vec4<u32>",
        }
    }
}

/// A direction of GELU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GeluPass {
    Forward,
    Backward,
}

/// One of the shaders of layer normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormPass {
    Forward,
    /// Gradient of the rows before the normalisation.
    Backward,
    /// Gradients of γ and β, in shares of [`SLICE`](Self::SLICE) rows.
    Shares,
    /// The sums of the shares.
    Parameters,
}

impl NormPass {
    /// Rows whose gradients of γ and β one thread sums.
    pub const SLICE: usize = 64;
}

/// One of attention's shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttentionPass {
    Forward,
    QueryGradient,
    KeyGradient,
    ValueGradient,
}

/// What attention's shaders are specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionForm {
    /// Columns of a head, divided by 4.
    pub quarters: usize,
    /// Format of queries, keys, values and gradients.
    pub element: Element,
    pub masked: bool,
}

impl AttentionForm {
    /// vec4 of a block in workgroup memory; two blocks are what every device has, 16 KiB.
    const BLOCK_QUARTERS: usize = 500;

    /// Rows of a block.
    fn block(self) -> usize {
        Self::BLOCK_QUARTERS / self.quarters
    }
}

impl Shader {
    /// Whole WGSL.
    pub fn text(self) -> String {
        match self {
            Self::Adam(form) => form.text(),
            Self::SquareSum(form) => form.text(),
            Self::Dropout(element) => {
                let text = include_str!("../../shaders/dropout.wgsl");
                SourceTemplate::new(format!("{}{MASK}{text}", element.enable()))
                    .register("element", element.name())
                    .complete()
            }
            Self::Gelu(pass, element) => {
                let text = include_str!("../../shaders/gelu.wgsl");
                SourceTemplate::new(format!("{}{NORMAL}{text}", element.enable()))
                    .register("element", element.name())
                    .register("backward", (pass == GeluPass::Backward).to_string())
                    .complete()
            }
            Self::Norm(pass, element, masked) => {
                let shared = include_str!("../../shaders/norm.wgsl");
                let text = match pass {
                    NormPass::Forward => {
                        format!(
                            "{shared}{}",
                            include_str!("../../shaders/norm_forward.wgsl")
                        )
                    }
                    NormPass::Backward => {
                        let backward = include_str!("../../shaders/norm_backward.wgsl");
                        format!("{MASK}{shared}{backward}")
                    }
                    NormPass::Shares => include_str!("../../shaders/norm_shares.wgsl").into(),
                    NormPass::Parameters => {
                        include_str!("../../shaders/norm_parameters.wgsl").into()
                    }
                };
                SourceTemplate::new(format!("{}{text}", element.enable()))
                    .register("element", element.name())
                    .register("masked", masked.to_string())
                    .register("slice", NormPass::SLICE.to_string())
                    .complete()
            }
            Self::Attention(pass, form) => {
                let tile = include_str!("../../shaders/attention_tile.wgsl");
                let pass = match pass {
                    AttentionPass::Forward => {
                        include_str!("../../shaders/attention_forward.wgsl")
                    }
                    AttentionPass::QueryGradient => {
                        include_str!("../../shaders/attention_query_gradient.wgsl")
                    }
                    AttentionPass::KeyGradient => {
                        include_str!("../../shaders/attention_key_gradient.wgsl")
                    }
                    AttentionPass::ValueGradient => {
                        include_str!("../../shaders/attention_value_gradient.wgsl")
                    }
                };
                let text = SourceTemplate::new(format!(
                    "{}{MASK}{INFO}{tile}{pass}",
                    form.element.enable()
                ))
                .register("element", form.element.name())
                .register("quarters", form.quarters.to_string())
                .register("block", form.block().to_string())
                .register("block_quarters", AttentionForm::BLOCK_QUARTERS.to_string())
                .register("masked", form.masked.to_string())
                .complete();
                unroll(&text, [form.quarters; 2])
            }
            Self::AttentionCooperative(pass, form, masked) => form.text(pass, masked),
            Self::Product(product, form) => form.text(product),
            Self::Head(shader) => shader.text(),
        }
    }
}

/// Writes each line of code that holds a `#`, a `$` or both once for each number below `counts` that
/// they may stand for.
pub(super) fn unroll(text: &str, counts: [usize; 2]) -> String {
    let mut unrolled = String::new();
    for line in text.lines() {
        let code = !line.trim_start().starts_with("//");
        let numbers = |sign, count| {
            if code && line.contains(sign) {
                count
            } else {
                1
            }
        };
        for first in 0..numbers('#', counts[0]) {
            for second in 0..numbers('$', counts[1]) {
                let line = match code {
                    true => line
                        .replace('#', &first.to_string())
                        .replace('$', &second.to_string()),
                    false => line.to_owned(),
                };
                unrolled.push_str(&line);
                unrolled.push('\n');
            }
        }
    }
    unrolled
}

impl KernelSource for Shader {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.text())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(*self)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_number_sign_stands_once_for_each_number() {
        let text = "// a # stays\nlet q# = x[#u];\nend\n";
        assert_eq!(
            unroll(text, [2, 2]),
            "// a # stays\nlet q0 = x[0u];\nlet q1 = x[1u];\nend\n"
        );
        assert_eq!(unroll("a#$\n", [2, 3]), "a00\na01\na02\na10\na11\na12\n");
    }
}
