//! Report section on predicted numbers compared with the correct ones.

use maud::{Markup, html};

use super::residuals::Residuals;
use crate::{
    eval::figures::{Scores, with_minus},
    report::chart::{Bars, Charts, Scatter},
};

/// Most dots on a page.
const DOTS: usize = 3000;

/// Approximate number of histogram bins over the range of the labels.
const BINS: f64 = 20.0;

/// Most bins in total, however far off the predictions are.
const MOST_BINS: f64 = 80.0;

pub(super) fn section(residuals: &Residuals, scores: &Scores, charts: &mut Charts) -> Markup {
    let [min, max] = residuals.range;
    let rows = [
        ("Pearson's correlation × 100", scores.get("pearson"), false),
        (
            "Spearman's correlation × 100",
            scores.get("spearman"),
            false,
        ),
        (
            "mean squared error, on the scale of 0 to 1",
            scores.get("mse"),
            false,
        ),
        ("mean absolute error", Some(residuals.mean_absolute()), true),
        (
            "root of the mean squared error",
            Some(residuals.root_mean_square()),
            true,
        ),
        (
            "mean error: predicted − right",
            Some(residuals.bias()),
            true,
        ),
    ];
    let (dots, left_out) = dots(residuals);
    let caption = match left_out {
        0 => "A dot on the grey line is right.".to_owned(),
        1 => "A dot on the grey line is right; 1 dot is left out.".to_owned(),
        more => format!("A dot on the grey line is right; {more} dots, evenly, are left out."),
    };
    html! {
        p.note {
            "On the scale of the labels, " (min) " to " (max) ", unless stated otherwise. A metric "
            "marked * is ours, beyond the reference."
        }
        div.scroll { table.fit { tbody {
            @for (name, value, ours) in rows {
                @if let Some(value) = value {
                    tr { th scope="row" { (name) @if ours { " *" } } td.n { (with_minus(&format!("{value:.3}"))) } }
                }
            }
        } } }
        div.charts {
            (charts.figure("Predicted against right", &caption, dots))
            (charts.figure(
                "Errors",
                "Predicted − right; to the left of the broken line the predictions are too low.",
                histogram(residuals),
            ))
        }
    }
}

/// Returns the dots, and how many are left out.
fn dots(residuals: &Residuals) -> (Scatter, usize) {
    let mut points = residuals.pairs.clone();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let shown = points.len().min(DOTS);
    let all = points.len();
    let points = (0..shown).map(|place| points[place * all / shown]);
    let scatter = Scatter {
        x: "right".into(),
        y: "predicted".into(),
        points: points.collect(),
    };
    (scatter, all - shown)
}

fn histogram(residuals: &Residuals) -> Bars {
    let [min, max] = residuals.range;
    let least = residuals.values().fold(0.0, f64::min);
    let greatest = residuals.values().fold(0.0, f64::max);
    let width = ((max - min) / BINS).max((greatest - least) / MOST_BINS);
    let start = (least / width).floor();
    let bins = ((greatest / width).floor() - start) as usize + 1;
    let mut counts = vec![0; bins];
    for value in residuals.values() {
        counts[((value / width).floor() - start) as usize] += 1;
    }
    Bars {
        x: "predicted − right".into(),
        y: "examples".into(),
        start: start * width,
        width,
        series: vec![("examples".to_owned(), 0, counts)],
        line: Some(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residuals(pairs: &[(f64, f64)]) -> Residuals {
        Residuals {
            pairs: pairs.to_vec(),
            range: [0.0, 5.0],
        }
    }

    #[test]
    fn errors_are_binned_from_the_least() {
        let bars = histogram(&residuals(&[
            (1.0, 0.6),
            (1.0, 1.0),
            (2.0, 2.3),
            (2.0, 2.2),
        ]));
        assert_eq!((bars.start, bars.width), (-0.5, 0.25));
        assert_eq!(bars.series[0].2, [1, 0, 2, 1]);
        // A model that diverged.
        let bars = histogram(&residuals(&[(0.0, 1e6), (5.0, -1e6)]));
        assert!(bars.series[0].2.len() <= 82, "{}", bars.series[0].2.len());
        assert_eq!(bars.series[0].2.iter().sum::<usize>(), 2);
        assert_eq!(histogram(&residuals(&[])).series[0].2, [0]);
    }

    #[test]
    fn dots_are_sorted_and_bounded() {
        let (scatter, left_out) = dots(&residuals(&[(2.0, 1.0), (1.0, 3.0), (2.0, 0.0)]));
        assert_eq!(scatter.points, [(1.0, 3.0), (2.0, 0.0), (2.0, 1.0)]);
        assert_eq!(left_out, 0);
        let many: Vec<(f64, f64)> = (0..7000).map(|n| (f64::from(n), 0.0)).collect();
        let (scatter, left_out) = dots(&residuals(&many));
        assert_eq!((scatter.points.len(), left_out), (DOTS, 4000));
        assert_eq!(dots(&residuals(&[])).1, 0);
    }
}
