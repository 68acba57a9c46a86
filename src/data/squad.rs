//! SQuAD 1.1 and 2.0 JSON: the raw file, and the examples in it.

use serde::Deserialize;

/// A SQuAD file. Unknown keys are ignored, as the official scorer does.
#[derive(Debug, Clone, Deserialize)]
pub struct SquadFile {
    #[serde(default)]
    pub version: Option<serde_json::Value>,
    pub data: Vec<Article>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Article {
    #[serde(default)]
    pub title: Option<String>,
    pub paragraphs: Vec<Paragraph>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Paragraph {
    pub context: String,
    pub qas: Vec<Question>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub id: String,
    pub question: String,
    #[serde(default)]
    pub answers: Vec<RawAnswer>,
    #[serde(default)]
    pub is_impossible: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RawAnswer {
    pub text: String,
    /// Offset in code points.
    pub answer_start: usize,
}
