//! What a model replies, whatever its task: as `electra ask` prints it, and as `electra ask --json` and
//! `electra serve` give it as JSON.

use serde::Serialize;

use super::{
    classification::reply::{ClassReply, ValueReply},
    qa::reply::QuestionReply,
    tagging::reply::TagReply,
};

/// A reply. Its JSON is that of its kind, with nothing around it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    Question(QuestionReply),
    Class(ClassReply),
    Value(ValueReply),
    Tags(TagReply),
}
