//! What is in a file of labelled texts.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use crate::{data::spread::Spread, tasks::qa::token_counts::TokenCounts};

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextFile {
    pub file: PathBuf,
    pub split: &'static str,
    /// What was taken for what, of a table whose columns have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    pub rows: usize,
    /// Rows with too few columns, which are not among those counted.
    pub left_out: usize,
    /// Whether the file has labels.
    pub labelled: bool,
    /// How many rows have each label, in the labels' order; of a regression none.
    pub labels: BTreeMap<String, usize>,
    /// The least, the mean and the greatest number of a regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// Tokens of the text, or of the first of two.
    pub text_tokens: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_text_tokens: Option<Spread>,
    /// Tokens of a whole example before it is cut, special tokens included.
    pub example_tokens: Spread,
    /// Examples that are longer than `max_seq_length`.
    pub cut: usize,
    pub tokens: TokenCounts,
}

/// The numbers of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Numbers {
    pub min: f64,
    pub mean: f64,
    pub max: f64,
}

impl Numbers {
    /// `None` of none.
    pub(super) fn of(all: &[f64]) -> Option<Self> {
        let sum: f64 = all.iter().sum();
        (!all.is_empty()).then(|| Self {
            min: all.iter().copied().fold(f64::INFINITY, f64::min),
            mean: sum / all.len() as f64,
            max: all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}
