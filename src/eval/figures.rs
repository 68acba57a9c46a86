//! The figures of a scorer: its JSON keys in its order, and the line that results files show.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::tasks::qa::no_answer::threshold_effect::ThresholdEffect;

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A number of questions; JSON shows it without a decimal point.
    Count(usize),
    /// A percentage or a threshold.
    Value(f64),
}

impl Figure {
    /// The figure as a number.
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

/// Figures under the official scorers' keys, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    entries: Vec<(String, Figure)>,
    threshold: Option<ThresholdEffect>,
}

impl Scores {
    pub(crate) fn push(&mut self, key: impl Into<String>, figure: Figure) {
        self.entries.push((key.into(), figure));
    }

    /// Appends `others` under `<prefix>_<key>`.
    pub(crate) fn merge(&mut self, prefix: &str, others: Scores) {
        for (key, figure) in others.entries {
            self.push(format!("{prefix}_{key}"), figure);
        }
    }

    pub(crate) fn set_threshold(&mut self, effect: ThresholdEffect) {
        self.threshold = Some(effect);
    }

    /// The threshold on the no-answer scores that the figures stand under, and what it does; none
    /// without such scores, or of figures that were read from a file.
    pub fn threshold(&self) -> Option<&ThresholdEffect> {
        self.threshold.as_ref()
    }

    /// Whether the best `exact` or `f1` that a threshold reaches is that of answering nothing, for
    /// which the official script shows a threshold of 0.
    pub fn is_best_without_answers(&self, figure: &str) -> bool {
        let (Some(best), Some(total)) = (self.get(&format!("best_{figure}")), self.get("total"))
        else {
            return false;
        };
        let nothing = 100.0 * self.get("NoAns_total").unwrap_or(0.0) / total;
        // Half of the last digit that results as text have.
        self.get(&format!("best_{figure}_thresh")) == Some(0.0) && (best - nothing).abs() <= 0.005
    }

    /// A figure as tables show it: a count whole, all else with two decimals, and no threshold
    /// where answering nothing is best.
    pub fn shown(&self, key: &str, figure: Figure) -> String {
        let searched = key.strip_prefix("best_");
        match (searched.and_then(|key| key.strip_suffix("_thresh")), figure) {
            (Some(name), _) if self.is_best_without_answers(name) => "nothing".to_owned(),
            (_, Figure::Count(count)) => count.to_string(),
            (_, Figure::Value(value)) => format!("{value:.2}"),
        }
    }

    /// The figure under `key`.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, figure)| figure.value())
    }

    /// Keys and figures in the scorer's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Figure)> {
        self.entries
            .iter()
            .map(|(key, figure)| (key.as_str(), *figure))
    }

    /// Keys and figures sorted by key, capitals first: the order of the reference's results.
    pub fn sorted(&self) -> Vec<(&str, Figure)> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        sorted
    }

    /// The figures in one line, sorted, with two decimals: `exact: 48.17 - f1: 48.27 - …`.
    pub fn line(&self) -> String {
        let shown: Vec<String> = self
            .sorted()
            .into_iter()
            .map(|(key, figure)| format!("{key}: {:.2}", figure.value()))
            .collect();
        shown.join(" - ")
    }
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
    }

    #[test]
    fn a_threshold_is_shown_only_if_there_is_a_best_one() {
        let mut scores = Scores::default();
        for (key, figure) in [
            ("total", Figure::Count(3)),
            ("NoAns_total", Figure::Count(2)),
            ("best_f1", Figure::Value(200.0 / 3.0)),
            ("best_f1_thresh", Figure::Value(0.0)),
            ("best_exact", Figure::Value(100.0)),
            ("best_exact_thresh", Figure::Value(0.0)),
        ] {
            scores.push(key, figure);
        }
        let shown: Vec<String> = scores
            .iter()
            .map(|(key, figure)| scores.shown(key, figure))
            .collect();
        assert_eq!(shown, ["3", "2", "66.67", "nothing", "100.00", "0.00"]);
    }

    #[test]
    fn the_line_is_sorted_and_rounds_halves_to_even_as_python_does() {
        assert_eq!(
            scores().line(),
            "HasAns_f1: 0.00 - exact: 3.12 - total: 32.00"
        );
    }
}
