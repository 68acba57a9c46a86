//! The text of the shaders as a device compiles it.
//!
//! WGSL under `shaders/`, with what several share put before, and a line that holds a `#` written
//! once for each number that it stands for.

use burn::{
    backend::wgpu::{KernelSource, SourceTemplate},
    tensor::DType,
};
use cubecl::prelude::KernelId;

use super::{head_shader::HeadShader, square_sum};

const MASK: &str = include_str!("../../shaders/mask.wgsl");
pub(super) const NORMAL: &str = include_str!("../../shaders/normal.wgsl");

/// A shader that is ready to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shader {
    Adam,
    SquareSum,
    Dropout(Element),
    Gelu(GeluPass, Element),
    /// The last part says whether a mask drops values.
    Norm(NormPass, Element, bool),
    Attention(AttentionPass, AttentionForm),
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

/// How the operands of a product lie in memory, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// `[m, k] · [k, n]`
    Plain,
    /// `[k, m]ᵀ · [k, n]`
    LeftTransposed,
    /// `[m, k] · [n, k]ᵀ`
    RightTransposed,
}

impl Orientation {
    /// The product of a dense layer that it is.
    pub fn product(self) -> &'static str {
        match self {
            Self::Plain => "x · W",
            Self::RightTransposed => "dy · Wᵀ",
            Self::LeftTransposed => "xᵀ · dy",
        }
    }
}

/// What a product's shader computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Product {
    pub orientation: Orientation,
    pub operand: Element,
    pub result: Element,
    /// Whether a bias is added to each row.
    pub biased: bool,
}

/// How it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProductForm {
    /// Blocks of `64 · quarters` rows and columns, without matrix units.
    Tiled { quarters: usize },
    /// Blocks of four subgroups, each of `tiles × tiles` matrices of `size × size`.
    Cooperative {
        size: usize,
        tiles: usize,
        /// Depth of a slice.
        depth: usize,
        /// Threads of the smallest subgroup.
        subgroup: usize,
    },
}

impl ProductForm {
    /// Rows and columns of a workgroup's block.
    pub fn block(self) -> usize {
        match self {
            Self::Tiled { quarters } => 64 * quarters,
            Self::Cooperative { size, tiles, .. } => 2 * size * tiles,
        }
    }

    /// Threads of a workgroup.
    pub fn threads(self) -> [u32; 2] {
        match self {
            Self::Tiled { .. } => [16, 16],
            Self::Cooperative { subgroup, .. } => [4 * subgroup as u32, 1],
        }
    }

    /// Bytes that a workgroup shares, at most.
    pub fn workgroup_bytes(self) -> usize {
        match self {
            Self::Tiled { .. } => 2 * 256 * 16,
            Self::Cooperative { size, .. } => {
                let staged = self.staged(false).max(self.staged(true));
                2 * 2 * staged + 4 * 4 * size * size
            }
        }
    }

    /// Values of an operand's slice in workgroup memory, with the space between its lines; the
    /// lines run along the depth, or across it.
    fn staged(self, across: bool) -> usize {
        const SPACE: usize = 8;
        match self {
            Self::Tiled { .. } => 0,
            Self::Cooperative { depth, .. } if across => depth * (self.block() + SPACE),
            Self::Cooperative { depth, .. } => self.block() * (depth + SPACE),
        }
    }

    fn text(self, product: Product) -> String {
        let flag = |orientation| (product.orientation == orientation).to_string();
        let fill = |text: &str| {
            SourceTemplate::new(text)
                .register("operand", product.operand.name())
                .register("result", product.result.name())
                .register("left_transposed", flag(Orientation::LeftTransposed))
                .register("right_transposed", flag(Orientation::RightTransposed))
                .register("biased", product.biased.to_string())
        };
        match self {
            Self::Tiled { quarters } => {
                let text = fill(include_str!("../../shaders/product_tiled.wgsl"))
                    .register("quarters", quarters.to_string())
                    .complete();
                let enable = match product.operand {
                    Element::F16 => product.operand.enable(),
                    Element::F32 => product.result.enable(),
                };
                unroll(&format!("{enable}{text}"), quarters)
            }
            Self::Cooperative {
                size, tiles, depth, ..
            } => {
                // A matrix whose lines lie in memory is loaded by rows, one whose columns do, by
                // columns.
                let load = |transposed: bool| if transposed { "coopLoad" } else { "coopLoadT" };
                let left = product.orientation == Orientation::LeftTransposed;
                let right = product.orientation == Orientation::RightTransposed;
                let text = fill(include_str!("../../shaders/product_cooperative.wgsl"))
                    .register("size", size.to_string())
                    .register("tiles", tiles.to_string())
                    .register("depth", depth.to_string())
                    .register("threads", self.threads()[0].to_string())
                    .register("left", self.staged(left).to_string())
                    .register("right", self.staged(!right).to_string())
                    .register("load_left", load(left))
                    .register("load_right", load(right))
                    .complete();
                unroll(&text, tiles)
            }
        }
    }
}

/// A direction of GELU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GeluPass {
    Forward,
    Backward,
}

/// One of the shaders of residual and layer normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormPass {
    Forward,
    /// Gradient of the sum before the normalisation.
    Backward,
    /// Gradients of γ and β, in shares of [`SLICE`](Self::SLICE) rows.
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
            Self::Adam => include_str!("../../shaders/adam.wgsl").into(),
            Self::SquareSum => SourceTemplate::new(include_str!("../../shaders/square_sum.wgsl"))
                .register("groups", square_sum::PARTS.to_string())
                .complete(),
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
                let pass = match pass {
                    NormPass::Forward => include_str!("../../shaders/norm_forward.wgsl"),
                    NormPass::Backward => include_str!("../../shaders/norm_backward.wgsl"),
                    NormPass::Parameters => include_str!("../../shaders/norm_parameters.wgsl"),
                };
                SourceTemplate::new(format!("{}{MASK}{shared}{pass}", element.enable()))
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
                let text =
                    SourceTemplate::new(format!("{}{MASK}{tile}{pass}", form.element.enable()))
                        .register("element", form.element.name())
                        .register("quarters", form.quarters.to_string())
                        .register("block", form.block().to_string())
                        .register("block_quarters", AttentionForm::BLOCK_QUARTERS.to_string())
                        .register("masked", form.masked.to_string())
                        .complete();
                unroll(&text, form.quarters)
            }
            Self::Product(product, form) => form.text(product),
            Self::Head(shader) => shader.text(),
        }
    }
}

/// Writes each line of code that holds a `#`, a `$` or both once for each number below `count` that
/// they may stand for.
pub(super) fn unroll(text: &str, count: usize) -> String {
    let mut unrolled = String::new();
    for line in text.lines() {
        let code = !line.trim_start().starts_with("//");
        let numbers = |sign| {
            if code && line.contains(sign) {
                count
            } else {
                1
            }
        };
        for first in 0..numbers('#') {
            for second in 0..numbers('$') {
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
            unroll(text, 2),
            "// a # stays\nlet q0 = x[0u];\nlet q1 = x[1u];\nend\n"
        );
        assert_eq!(unroll("a#$\n", 2), "a00\na01\na10\na11\n");
    }
}
