//! A model's reply, whatever its task: as text for `electra ask`, and as JSON for
//! `electra ask --json` and `electra serve`.

use serde::Serialize;

use super::{
    classification::reply::{ClassReply, ValueReply},
    qa::reply::QuestionReply,
    tagging::reply::TagReply,
};

/// A reply. Its JSON is that of its kind, without a wrapper.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    Question(QuestionReply),
    Class(ClassReply),
    Value(ValueReply),
    Tags(TagReply),
}
