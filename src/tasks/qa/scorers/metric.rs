//! The official scorers by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tasks::{
    qa::error::Error,
    registry::{self, Kind, Questions},
};

/// An official scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// SQuAD 2.0, `evaluate-v2.0.py`.
    Squad2,
    /// SQuAD 1.1, `evaluate-v1.1.py`.
    Squad1,
    /// The MRQA shared task, `mrqa_official_eval.py`.
    Mrqa,
}

impl Metric {
    /// Returns the metric of a task, MRQA's if the task is unknown.
    pub fn of_task(task: &str) -> Self {
        match registry::find(task).map(|task| task.kind) {
            Some(Kind::Questions(Questions::Squad2)) => Metric::Squad2,
            Some(Kind::Questions(Questions::Squad1)) => Metric::Squad1,
            _ => Metric::Mrqa,
        }
    }

    /// Returns the name that commands accept.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Squad2 => "squad2",
            Metric::Squad1 => "squad1",
            Metric::Mrqa => "mrqa",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Metric::Squad2, Metric::Squad1, Metric::Mrqa]
            .into_iter()
            .find(|metric| metric.name() == name)
            .ok_or_else(|| Error::UnknownMetric {
                metric: name.to_owned(),
            })
    }
}
