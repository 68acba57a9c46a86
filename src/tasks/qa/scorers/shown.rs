//! How tables show the metrics of SQuAD 2.0's scorer.

use crate::eval::figures::{Figure, Scores};

/// Returns whether the best `exact` or `f1` over all thresholds is that of answering nothing, for
/// which the official script shows a threshold of 0.
pub fn is_best_without_answers(scores: &Scores, figure: &str) -> bool {
    let (Some(best), Some(total)) = (scores.get(&format!("best_{figure}")), scores.get("total"))
    else {
        return false;
    };
    let nothing = 100.0 * scores.get("NoAns_total").unwrap_or(0.0) / total;
    // Half of the last digit in textual results.
    scores.get(&format!("best_{figure}_thresh")) == Some(0.0) && (best - nothing).abs() <= 0.005
}

/// Formats a metric as in tables, without a threshold if answering nothing is best.
pub fn shown(scores: &Scores, key: &str, figure: Figure) -> String {
    let searched = key.strip_prefix("best_");
    match searched.and_then(|key| key.strip_suffix("_thresh")) {
        Some(name) if is_best_without_answers(scores, name) => "nothing".to_owned(),
        _ => figure.shown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            .map(|(key, figure)| shown(&scores, key, figure))
            .collect();
        assert_eq!(shown, ["3", "2", "66.67", "nothing", "100.00", "0.00"]);
    }
}
