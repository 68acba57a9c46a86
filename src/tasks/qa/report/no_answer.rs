//! Report section on no-answer scores: precision and recall, metrics by threshold, and how well the
//! scores separate answerable questions from others.

use maud::{Markup, html};

use crate::{
    report::chart::{Bars, Charts, Line, Lines, Point, Style},
    tasks::qa::{
        answers::question_map::QuestionMap,
        error::Error,
        no_answer::{
            precision_recall::{PrCurve, PrCurves},
            threshold::signed,
            threshold_curve::{ThresholdPoint, threshold_curve},
            threshold_effect::BestThreshold,
        },
        scorers::{gold::GoldQuestion, squad2},
    },
};

/// Most points of a curve on a page, more than it has pixels.
const POINTS: usize = 500;

/// Bins of the histogram of no-answer scores.
const BINS: usize = 60;

/// Data of the no-answer section.
#[derive(Debug, Clone)]
pub struct NoAnswerCurves {
    /// `None` if no question has an answer.
    pub precision_recall: Option<PrCurves>,
    /// Lowest threshold first.
    pub by_threshold: Vec<ThresholdPoint>,
    /// The threshold used by the analysis.
    pub threshold: f64,
    /// The threshold with the best F1.
    pub best: BestThreshold,
    /// No-answer scores of answerable and of unanswerable questions.
    pub answerable: Vec<f64>,
    pub unanswerable: Vec<f64>,
}

impl NoAnswerCurves {
    /// # Errors
    /// As for [`squad2::score`].
    pub fn new(
        gold: &[GoldQuestion],
        predictions: &QuestionMap<String>,
        odds: &QuestionMap<f64>,
        threshold: f64,
        best: BestThreshold,
    ) -> Result<Self, Error> {
        let no_answer = squad2::NoAnswer {
            odds,
            threshold,
            curves: true,
        };
        let curves = squad2::score(gold, predictions, Some(no_answer))?.curves;
        let (mut answerable, mut unanswerable) = (Vec::new(), Vec::new());
        for question in gold {
            if let (Some(_), Some(&odds)) = (predictions.get(&question.id), odds.get(&question.id))
            {
                let group = if question.answers.is_empty() {
                    &mut unanswerable
                } else {
                    &mut answerable
                };
                group.push(odds);
            }
        }
        Ok(Self {
            precision_recall: curves,
            by_threshold: threshold_curve(gold, predictions, odds)?,
            threshold,
            best,
            answerable,
            unanswerable,
        })
    }

    /// Returns the last threshold on the curve not above the best one, whose metrics are those of
    /// applying it; `None` if answering nothing is best.
    fn best_point(&self) -> Option<(usize, &ThresholdPoint)> {
        let best = self.best.threshold?;
        let reached = self
            .by_threshold
            .partition_point(|point| point.threshold <= best);
        let place = reached.checked_sub(1)?;
        Some((place, self.by_threshold.get(place)?))
    }

    pub(super) fn section(&self, charts: &mut Charts) -> Markup {
        html! {
            p.note {
                "A question counts as unanswerable if its no-answer score exceeds the threshold. "
                @if self.threshold.is_finite() {
                    "The scores above stand at " b { (signed(self.threshold)) } "; "
                }
                @match self.best.threshold {
                    Some(threshold) => {
                        "best by F1 on this file is " b { (signed(threshold)) } " (F1 "
                        (format!("{:.2}", self.best.f1)) ")."
                    }
                    None => {
                        "no threshold does better on this file than answering nothing (F1 "
                        (format!("{:.2}", self.best.f1)) ")."
                    }
                }
            }
            div.charts {
                (charts.figure(
                    "Score by threshold",
                    "What each threshold on the no-answer score gives; the dot marks the best F1, the \
                     broken line the threshold in use.",
                    self.thresholds(),
                ))
                @if let Some(curves) = &self.precision_recall {
                    (charts.figure(
                        "Precision and recall",
                        "Questions are answered in the order of their no-answer scores, surest \
                         first; the dot marks the best threshold.",
                        self.precision_recall(curves),
                    ))
                }
                (charts.figure(
                    "No-answer scores",
                    "The less the two overlap, the better the model knows what it cannot answer; the \
                     broken line is the threshold in use.",
                    self.histogram(),
                ))
            }
        }
    }

    fn thresholds(&self) -> Lines {
        let shown = thinned(
            self.by_threshold.len(),
            self.best_point().map(|(place, _)| place),
        );
        let line = |name: &str, style, value: fn(&ThresholdPoint) -> f64| Line {
            name: name.to_owned(),
            style,
            points: shown
                .iter()
                .filter_map(|&place| self.by_threshold.get(place))
                .map(|point| (point.threshold, value(point)))
                .collect(),
        };
        let mut lines = vec![
            line("F1", Style::Bold(0), |point| point.f1),
            line("exact match", Style::Bold(1), |point| point.exact),
        ];
        if !self.answerable.is_empty() && !self.unanswerable.is_empty() {
            lines.push(line("F1, answerable", Style::Thin(2), |point| {
                point.has_answer_f1
            }));
            lines.push(line("exact, unanswerable", Style::Thin(3), |point| {
                point.no_answer_exact
            }));
        }
        Lines {
            x: "threshold".into(),
            y: "%".into(),
            log: false,
            lines,
            mark: self.best_point().map(|(_, point)| Point {
                x: point.threshold,
                y: point.f1,
                label: format!("best F1 {:.2} at {}", point.f1, signed(point.threshold)),
            }),
            line: self.line(),
        }
    }

    /// Returns where the threshold in use is drawn.
    fn line(&self) -> Option<f64> {
        Some(self.threshold).filter(|threshold| threshold.is_finite())
    }

    fn precision_recall(&self, curves: &PrCurves) -> Lines {
        // The curve has a point before the first question.
        let best = self.best_point().map(|(place, _)| place + 1);
        let line = |name: &str, style, curve: &PrCurve| {
            let shown = thinned(curve.points.len(), best);
            let points = shown
                .into_iter()
                .filter_map(|place| curve.points.get(place));
            Line {
                name: format!("{name}, average {:.1}", curve.average_precision),
                style,
                points: points
                    .map(|point| (100.0 * point.recall, 100.0 * point.precision))
                    .collect(),
            }
        };
        Lines {
            x: "recall %".into(),
            y: "precision %".into(),
            log: false,
            lines: vec![
                line("F1", Style::Bold(0), &curves.f1),
                line("exact match", Style::Bold(1), &curves.exact),
                line("answers all right", Style::Thin(4), &curves.oracle),
            ],
            mark: best
                .and_then(|place| curves.f1.points.get(place))
                .map(|point| Point {
                    x: 100.0 * point.recall,
                    y: 100.0 * point.precision,
                    label: self
                        .best
                        .threshold
                        .map_or(String::new(), |best| format!("threshold {}", signed(best))),
                }),
            line: None,
        }
    }

    fn histogram(&self) -> Bars {
        let both = || self.answerable.iter().chain(&self.unanswerable).copied();
        let mut sorted: Vec<f64> = both().collect();
        sorted.sort_by(f64::total_cmp);
        // A few extreme scores would squeeze all others into one bin, so the end bins absorb them.
        let tail = sorted.len() / 400;
        let low = sorted.get(tail).copied().unwrap_or(0.0);
        let high = sorted.iter().rev().nth(tail).copied().unwrap_or(1.0);
        let width = round_width((high - low) / BINS as f64);
        let start = (low / width).floor() * width;
        let bins = ((high - start) / width) as usize + 1;
        let count = |scores: &[f64]| {
            let mut counts = vec![0; bins];
            for score in scores {
                let place = ((score - start) / width).clamp(0.0, (bins - 1) as f64) as usize;
                counts[place] += 1;
            }
            counts
        };
        Bars {
            x: "no-answer score".into(),
            y: "questions".into(),
            start,
            width,
            series: [
                ("answerable", 0, &self.answerable),
                ("unanswerable", 1, &self.unanswerable),
            ]
            .into_iter()
            .filter(|(_, _, scores)| !scores.is_empty())
            .map(|(name, colour, scores)| (name.to_owned(), colour, count(scores)))
            .collect(),
            line: self.line(),
        }
    }
}

/// Rounds up to 1, 2 or 5 times a power of ten; scores given with few digits would fill bins of
/// other widths unevenly.
fn round_width(width: f64) -> f64 {
    if !(width.is_finite() && width > 0.0) {
        return 1.0;
    }
    let unit = 10_f64.powi(width.log10().floor() as i32);
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * unit >= width);
    factor.unwrap_or(10.0) * unit
}

/// Returns at most [`POINTS`] of `count` indices, evenly spaced, including the first, the last and
/// `kept`.
fn thinned(count: usize, kept: Option<usize>) -> Vec<usize> {
    let step = count.div_ceil(POINTS).max(1);
    let mut places: Vec<usize> = (0..count).step_by(step).collect();
    places.extend(count.checked_sub(1));
    places.extend(kept.filter(|&place| place < count));
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_ends_and_the_best() {
        assert_eq!(thinned(3, Some(1)), [0, 1, 2]);
        let places = thinned(10_000, Some(4_321));
        assert!(places.len() <= POINTS + 2);
        assert!([0, 4_321, 9_999].iter().all(|place| places.contains(place)));
        assert!(thinned(0, Some(3)).is_empty());
    }

    #[test]
    fn widths_are_round() {
        for (width, round) in [
            (0.267, 0.5),
            (1.0, 1.0),
            (0.0, 1.0),
            (f64::NAN, 1.0),
            (60.0, 100.0),
        ] {
            assert!((round_width(width) - round).abs() < 1e-9, "{width}");
        }
    }

    #[test]
    fn the_mark_lies_where_the_threshold_is_applied() {
        let gold =
            [("a", vec!["oak".to_owned()]), ("b", vec![])].map(|(id, answers)| GoldQuestion {
                id: id.to_owned(),
                answers,
            });
        let texts = [("a", "oak"), ("b", "elm")].map(|(id, text)| (id.to_owned(), text.to_owned()));
        let odds = [("a".to_owned(), -1.0), ("b".to_owned(), 4.0)];
        let curves = NoAnswerCurves::new(
            &gold,
            &texts.into_iter().collect(),
            &odds.into_iter().collect(),
            1.5,
            BestThreshold {
                threshold: Some(-1.0),
                exact: 100.0,
                f1: 100.0,
            },
        )
        .unwrap();
        let mark = curves.thresholds().mark.unwrap();
        assert_eq!((mark.x, mark.y), (-1.0, 100.0));
        assert_eq!(curves.thresholds().line, Some(1.5));
        assert_eq!(curves.histogram().line, Some(1.5));
        let mark = curves
            .precision_recall(curves.precision_recall.as_ref().unwrap())
            .mark;
        assert_eq!(mark.map(|mark| (mark.x, mark.y)), Some((100.0, 100.0)));
        let bars = curves.histogram();
        let totals: Vec<usize> = bars
            .series
            .iter()
            .map(|(_, _, counts)| counts.iter().sum())
            .collect();
        assert_eq!(totals, [1, 1]);
        assert_eq!(bars.series[0].2[0], 1);
        assert_eq!(bars.series[1].2.last(), Some(&1));
        assert_eq!((bars.start, bars.width), (-1.0, 0.1));
    }
}
