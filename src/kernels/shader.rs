//! The text of the shaders as a device compiles it.
//!
//! WGSL under `shaders/`, with what several share put before, and a line that holds a `#` written
//! once for each number that it stands for.

use burn::backend::wgpu::{KernelSource, SourceTemplate};
use cubecl::prelude::KernelId;

const MASK: &str = include_str!("../../shaders/mask.wgsl");

/// A shader that is ready to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shader {
    Adam,
    Dropout,
    Attention(AttentionPass, AttentionForm),
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
            Self::Dropout => format!("{MASK}{}", include_str!("../../shaders/dropout.wgsl")),
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
                let text = SourceTemplate::new(format!("{MASK}{tile}{pass}"))
                    .register("quarters", form.quarters.to_string())
                    .register("block", form.block().to_string())
                    .register("block_quarters", AttentionForm::BLOCK_QUARTERS.to_string())
                    .register("masked", form.masked.to_string())
                    .complete();
                unroll(&text, form.quarters)
            }
        }
    }
}

/// Writes each line of code that holds a `#` once for each number below `count`.
fn unroll(text: &str, count: usize) -> String {
    let mut unrolled = String::new();
    for line in text.lines() {
        let code = !line.trim_start().starts_with("//");
        if !(code && line.contains('#')) {
            unrolled.push_str(line);
            unrolled.push('\n');
            continue;
        }
        for number in 0..count {
            unrolled.push_str(&line.replace('#', &number.to_string()));
            unrolled.push('\n');
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
    }
}
