//! Calibration: how well a model's confidence matches its accuracy.

use maud::{Markup, html};

use crate::report::chart::{Bars, Charts, Line, Lines, Style};

/// Number of bins of equal width.
const BINS: usize = 10;

/// The predictions whose confidence falls into a bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    pub count: usize,
    pub right: usize,
    /// Sum of their confidences, from 0 to 1 each.
    pub confidence: f64,
}

impl Bin {
    /// Returns the share of correct predictions, from 0 to 1; NaN if empty.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.count as f64
    }

    /// Returns their mean confidence, from 0 to 1; NaN if empty.
    pub fn mean_confidence(&self) -> f64 {
        self.confidence / self.count as f64
    }
}

/// Confidences in bins, each including its upper end; the first is from 0 to a tenth.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    pub bins: [Bin; BINS],
}

impl Calibration {
    /// Bins predictions by the probability of the predicted class, from 0 to 1, each with whether
    /// it is correct.
    pub fn of(judged: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut bins = [Bin::default(); BINS];
        for (confidence, right) in judged {
            let place = (confidence * BINS as f64).ceil() as usize;
            let bin = &mut bins[place.clamp(1, BINS) - 1];
            bin.count += 1;
            bin.right += usize::from(right);
            bin.confidence += confidence;
        }
        Self { bins }
    }

    /// Returns the expected calibration error of Naeini et al. (2015), from 0 to 1: the mean over
    /// all predictions of the difference between their bin's accuracy and mean confidence. 0 if
    /// empty.
    pub fn error(&self) -> f64 {
        let total: usize = self.bins.iter().map(|bin| bin.count).sum();
        let gaps = self.bins.iter();
        let gaps = gaps.map(|bin| (bin.right as f64 - bin.confidence).abs());
        gaps.sum::<f64>() / total.max(1) as f64
    }

    /// Iterates over the non-empty bins with their indices.
    fn filled(&self) -> impl Iterator<Item = (usize, &Bin)> {
        self.bins
            .iter()
            .enumerate()
            .filter(|(_, bin)| bin.count > 0)
    }

    pub(super) fn section(&self, charts: &mut Charts) -> Markup {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        html! {
            p.note {
                "The confidence is the probability of the predicted class. Of a well-calibrated model's \
                predictions "
                "with 80 % confidence, 80 % are right. The expected calibration error (ECE, "
                (BINS) " bins; ours, beyond the reference) is " b { (percent(self.error())) " %" } "."
            }
            div.charts {
                (charts.figure(
                    "Accuracy by confidence",
                    "Each dot is a bin; below the grey line the model is overconfident.",
                    self.reliability(),
                ))
                (charts.figure("Confidences", "Predictions in each bin.", self.histogram()))
            }
            div.scroll { table.fit {
                thead { tr {
                    th { "confidence" } th.n { "predictions" } th.n { "mean confidence" } th.n { "accuracy" }
                    th.n { "difference" }
                } }
                tbody {
                    @for (place, bin) in self.filled() { tr {
                        td.n { (100 * place / BINS) " – " (100 * (place + 1) / BINS) " %" }
                        td.n { (bin.count) }
                        td.n { (percent(bin.mean_confidence())) }
                        td.n { (percent(bin.accuracy())) }
                        td.n { (signed(100.0 * (bin.accuracy() - bin.mean_confidence()))) }
                    } }
                }
            } }
        }
    }

    fn reliability(&self) -> Lines {
        let points = self.filled();
        let points = points.map(|(_, bin)| (bin.mean_confidence() * 100.0, bin.accuracy() * 100.0));
        let line = |name: &str, style, points| Line {
            name: name.to_owned(),
            style,
            points,
        };
        Lines {
            x: "confidence, %".into(),
            y: "accuracy, %".into(),
            log: false,
            lines: vec![
                line(
                    "as sure as right",
                    Style::Thin(4),
                    vec![(0.0, 0.0), (100.0, 100.0)],
                ),
                line("accuracy", Style::Dotted(0), points.collect()),
            ],
            mark: None,
            line: None,
        }
    }

    fn histogram(&self) -> Bars {
        let counts = |count: fn(&Bin) -> usize| self.bins.iter().map(count).collect();
        Bars {
            x: "confidence, %".into(),
            y: "predictions".into(),
            start: 0.0,
            width: 100.0 / BINS as f64,
            series: vec![
                ("all".to_owned(), 4, counts(|bin| bin.count)),
                ("right".to_owned(), 0, counts(|bin| bin.right)),
            ],
            line: None,
        }
    }
}

/// Formats a number with its sign.
fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{:.1}", value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_and_error_by_hand() {
        let judged = [
            (0.95, true),
            (0.92, true),
            (1.0, false),
            (0.75, true),
            // The upper end belongs to the bin.
            (0.8, false),
            (0.55, false),
        ];
        let calibration = Calibration::of(judged);
        let counts = calibration.bins.map(|bin| (bin.count, bin.right));
        assert_eq!(
            counts,
            [
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 0),
                (0, 0),
                (1, 0),
                (0, 0),
                (2, 1),
                (0, 0),
                (3, 2)
            ]
        );
        let last = calibration.bins[9];
        assert!((last.accuracy() - 2.0 / 3.0).abs() < 1e-12);
        assert!((last.mean_confidence() - 2.87 / 3.0).abs() < 1e-12);
        // (|2 − 2.87| + |1 − 1.55| + |0 − 0.55|) / 6
        let error = (0.87 + 0.55 + 0.55) / 6.0;
        assert!(
            (calibration.error() - error).abs() < 1e-12,
            "{}",
            calibration.error()
        );
        assert_eq!(Calibration::of([]).error(), 0.0);
        let shown = calibration.section(&mut Charts::default()).into_string();
        assert!(
            shown.contains(
                "<td class=\"n\">90 – 100 %</td><td class=\"n\">3</td>\
            <td class=\"n\">95.7</td><td class=\"n\">66.7</td><td class=\"n\">−29.0</td>"
            ),
            "{shown}"
        );
        assert!(!shown.contains("0 – 10 %"), "{shown}");
    }
}
