//! The metrics of a scorer: its JSON keys in its order, and the line shown in results files.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// Returns whether less of the metric with this key is better.
pub fn is_loss(key: &str) -> bool {
    ["loss", "mse"].contains(&key)
}

/// A formatted number with a minus sign in place of a hyphen, as tables and sentences have it.
pub fn with_minus(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A number of questions; JSON shows it without a decimal point.
    Count(usize),
    /// A percentage or a threshold.
    Value(f64),
}

impl Figure {
    /// Formats it as in tables: a count as an integer, a value with two decimals.
    pub fn shown(self) -> String {
        match self {
            Figure::Count(count) => count.to_string(),
            Figure::Value(value) => format!("{value:.2}"),
        }
    }

    /// Returns the metric as a number.
    pub fn value(self) -> f64 {
        match self {
            Figure::Count(count) => count as f64,
            Figure::Value(value) => value,
        }
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Figure::Count(count) => serializer.serialize_u64(count as u64),
            Figure::Value(value) => serializer.serialize_f64(value),
        }
    }
}

/// A task's remark on its metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Its key in the results JSON, in which every other key is a metric.
    pub key: String,
    /// The message for users; a remark without one is left out of files.
    pub text: Option<String>,
    pub details: Map<String, Value>,
}

/// Key of the user message among a remark's details.
const TEXT: &str = "text";

impl Remark {
    /// Parses the remark that a results file holds under `key`.
    pub fn parse(key: &str, value: &Value) -> Option<Self> {
        let mut details = value.as_object()?.clone();
        let text = details.shift_remove(TEXT)?.as_str()?.to_owned();
        Some(Self {
            key: key.to_owned(),
            text: Some(text),
            details,
        })
    }
}

/// Metrics under the official scorers' keys, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    entries: Vec<(String, Figure)>,
    remark: Option<Remark>,
}

impl Scores {
    pub(crate) fn push(&mut self, key: impl Into<String>, figure: Figure) {
        self.entries.push((key.into(), figure));
    }

    /// Replaces the metric under this key, or appends it.
    pub(crate) fn put(&mut self, key: &str, figure: Figure) {
        match self.entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, there)) => *there = figure,
            None => self.push(key, figure),
        }
    }

    /// Appends `others` under `<prefix>_<key>`.
    pub(crate) fn merge(&mut self, prefix: &str, others: Scores) {
        for (key, figure) in others.entries {
            self.push(format!("{prefix}_{key}"), figure);
        }
    }

    pub(crate) fn set_remark(&mut self, remark: Remark) {
        self.remark = Some(remark);
    }

    /// Returns the task's remark on the metrics.
    pub fn remark(&self) -> Option<&Remark> {
        self.remark.as_ref()
    }

    /// Returns the metrics with the remark, to be serialised as in the results JSON.
    pub fn with_remark(&self) -> WithRemark<'_> {
        WithRemark(self)
    }

    /// Returns the metric under `key`.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, figure)| figure.value())
    }

    /// Iterates over keys and metrics in the scorer's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Figure)> {
        self.entries
            .iter()
            .map(|(key, figure)| (key.as_str(), *figure))
    }

    /// Returns keys and metrics sorted by key, capitals first: the order of the reference's
    /// results.
    pub fn sorted(&self) -> Vec<(&str, Figure)> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        sorted
    }

    /// Formats the metrics on one line, sorted, with two decimals: `exact: 48.17 - f1: 48.27 - …`.
    pub fn sorted_line(&self) -> String {
        line(self.sorted())
    }

    /// Same as [`sorted_line`](Self::sorted_line), in the scorer's order.
    pub fn line(&self) -> String {
        line(self.iter())
    }
}

/// Formats metrics on one line, as Python's `"{:.2f}"` does.
fn line<'a>(figures: impl IntoIterator<Item = (&'a str, Figure)>) -> String {
    let figures = figures.into_iter();
    let shown = figures.map(|(key, figure)| match figure.value() {
        value if value.is_nan() => format!("{key}: nan"),
        value => format!("{key}: {value:.2}"),
    });
    shown.collect::<Vec<_>>().join(" - ")
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (key, figure) in self.iter() {
            map.serialize_entry(key, &figure)?;
        }
        map.end()
    }
}

/// Metrics that are serialised together with their remark.
pub struct WithRemark<'a>(&'a Scores);

impl Serialize for WithRemark<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, figure) in self.0.iter() {
            map.serialize_entry(key, &figure)?;
        }
        if let Some(Remark {
            key,
            text: Some(text),
            details,
        }) = &self.0.remark
        {
            let mut told = Map::new();
            told.insert(TEXT.to_owned(), text.as_str().into());
            told.extend(details.clone());
            map.serialize_entry(key, &told)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(3.125));
        scores.push("total", Figure::Count(32));
        let mut part = Scores::default();
        part.push("f1", Figure::Value(0.0));
        scores.merge("HasAns", part);
        scores
    }

    #[test]
    fn json_keeps_the_order_and_tells_counts_from_values() {
        assert_eq!(
            serde_json::to_string(&scores()).unwrap(),
            r#"{"exact":3.125,"total":32,"HasAns_f1":0.0}"#
        );
        assert_eq!(scores().get("total"), Some(32.0));
        assert_eq!(scores().get("best_f1"), None);
        let mut scores = scores();
        for (key, value) in [("exact", 1.0), ("loss", 2.0)] {
            scores.put(key, Figure::Value(value));
        }
        assert_eq!(
            serde_json::to_string(&scores).unwrap(),
            r#"{"exact":1.0,"total":32,"HasAns_f1":0.0,"loss":2.0}"#
        );
    }

    #[test]
    fn the_line_is_sorted_and_rounds_halves_to_even_as_python_does() {
        assert_eq!(
            scores().sorted_line(),
            "HasAns_f1: 0.00 - exact: 3.12 - total: 32.00"
        );
        let mut scores = scores();
        scores.push("pearson", Figure::Value(f64::NAN));
        assert_eq!(
            scores.line(),
            "exact: 3.12 - total: 32.00 - HasAns_f1: 0.00 - pearson: nan"
        );
    }
}
