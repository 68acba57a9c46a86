//! The messages of an event file: the fields of TensorFlow's `event.proto` and `summary.proto` that
//! scalars need, under their tags.
//!
//! <https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/util/event.proto>

/// Version in the first event of each file: from version 2 on, a [`SessionStatus::Start`] tells
/// readers where a run resumes.
pub const FILE_VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Seconds since the Unix epoch.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// A scalar of a step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    /// Part of a oneof, so that 0 is written too: a plain field would be omitted, and TensorBoard
    /// would see no value.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionLog {
    #[prost(enumeration = "SessionStatus", tag = "1")]
    pub status: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum SessionStatus {
    Unspecified = 0,
    /// The run starts or resumes: anything written earlier for this step and later ones is void.
    Start = 1,
    Stop = 2,
    Checkpoint = 3,
}
