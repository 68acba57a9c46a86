//! No-answer scores and the score of each prediction → the precision–recall curve.
//!
//! Questions are answered in the order of their no-answer scores, most confident first; the curve
//! has a point wherever a threshold is possible. Reproduces the official SQuAD 2.0 script's
//! analysis (`--out-image-dir`), except for the drawing.

/// One point of a curve, both coordinates in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CurvePoint {
    pub recall: f64,
    pub precision: f64,
}

/// A precision–recall curve, starting at recall 0, precision 1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PrCurve {
    pub points: Vec<CurvePoint>,
    /// Area under the curve as summed by the official script, in per cent.
    pub average_precision: f64,
}

/// The three curves of the official script.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PrCurves {
    /// An answer is worth its exact-match score.
    pub exact: PrCurve,
    /// An answer is worth its F1.
    pub f1: PrCurve,
    /// An answer is worth 1 whenever the question has one.
    pub oracle: PrCurve,
}

/// Returns the curve of `ranked` questions: `(no-answer score, worth)`, sorted by score, where a
/// question without a gold answer is worth 0. `answerable` is the number of those that have one and
/// must not be 0.
pub fn pr_curve(ranked: &[(f64, f64)], answerable: usize) -> PrCurve {
    let mut points = vec![CurvePoint {
        recall: 0.0,
        precision: 1.0,
    }];
    let mut found = 0.0;
    let mut reached = 0.0;
    let mut area = 0.0;
    for (i, &(odds, worth)) in ranked.iter().enumerate() {
        found += worth;
        // A threshold cannot separate questions whose scores tie.
        if ranked.get(i + 1).is_some_and(|next| next.0 == odds) {
            continue;
        }
        let precision = found / (i + 1) as f64;
        let recall = found / answerable as f64;
        area += precision * (recall - reached);
        reached = recall;
        points.push(CurvePoint { recall, precision });
    }
    PrCurve {
        points,
        average_precision: 100.0 * area,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_one_point() {
        let curve = pr_curve(&[(-1.0, 1.0), (0.0, 0.0), (0.0, 0.5), (3.0, 1.0)], 4);
        let points: Vec<_> = curve
            .points
            .iter()
            .map(|point| (point.recall, point.precision))
            .collect();
        assert_eq!(
            points,
            [(0.0, 1.0), (0.25, 1.0), (0.375, 0.5), (0.625, 0.625)]
        );
        // 1·0.25 + 0.5·0.125 + 0.625·0.25
        assert_eq!(curve.average_precision, 46.875);
    }
}
