//! The text of the question-answering head's shaders.

use burn::backend::wgpu::SourceTemplate;

use super::shader::{Element, NORMAL, unroll};

const SOFTMAX: &str = include_str!("../../shaders/span_softmax.wgsl");

/// A shader over packed rows and their logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeadShader {
    SpanLoss(Direction),
    Summary(Direction, Element),
    TokenLogits(Direction, LogitForm),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Forward,
    Backward,
}

/// What the shaders of tokens' logits are specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogitForm {
    /// Format of the rows and starts.
    pub element: Element,
    /// Starts that a thread takes at once; `None` where rows stand for themselves.
    pub ranks: Option<usize>,
}

impl LogitForm {
    /// As many starts as a thread takes at once, at most.
    pub const MOST_RANKS: usize = 4;
}

impl HeadShader {
    /// Whole WGSL.
    pub fn text(self) -> String {
        match self {
            Self::SpanLoss(direction) => {
                let pass = match direction {
                    Direction::Forward => include_str!("../../shaders/span_loss_forward.wgsl"),
                    Direction::Backward => include_str!("../../shaders/span_loss_backward.wgsl"),
                };
                format!("{SOFTMAX}{pass}")
            }
            Self::Summary(direction, element) => {
                let (shared, pass) = match direction {
                    Direction::Forward => {
                        (SOFTMAX, include_str!("../../shaders/summary_forward.wgsl"))
                    }
                    Direction::Backward => {
                        ("", include_str!("../../shaders/summary_backward.wgsl"))
                    }
                };
                SourceTemplate::new(format!("{}{shared}{pass}", element.enable()))
                    .register("element", element.name())
                    .complete()
            }
            Self::TokenLogits(direction, LogitForm { element, ranks }) => {
                let pass = match direction {
                    Direction::Forward => include_str!("../../shaders/token_logits_forward.wgsl"),
                    Direction::Backward => {
                        include_str!("../../shaders/token_logits_backward.wgsl")
                    }
                };
                let text = SourceTemplate::new(format!("{}{NORMAL}{pass}", element.enable()))
                    .register("element", element.name())
                    .register("given", ranks.is_some().to_string())
                    .register("ranks", ranks.unwrap_or(1).to_string())
                    .complete();
                unroll(&text, [ranks.unwrap_or(1); 2])
            }
        }
    }
}
