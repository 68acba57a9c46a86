//! From logits to figures: answers, n-best lists, null odds, metrics.

pub mod predict;
