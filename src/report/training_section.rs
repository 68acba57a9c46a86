//! Training curves: loss, learning rate, gradient norm, throughput.

use maud::{Markup, html};

use super::{
    TrainingCurve,
    chart::{Charts, Line, Lines},
    training_curve::memory,
};

pub(super) fn section(curves: &[TrainingCurve], charts: &mut Charts) -> Markup {
    let alone = curves.len() == 1;
    let chart = |y: &str, lines: Vec<Line>| Lines {
        x: "step".into(),
        y: y.into(),
        log: false,
        lines,
        mark: None,
        line: None,
    };
    let each = |line: &dyn Fn(&TrainingCurve, usize) -> Line| {
        let numbered = curves.iter().enumerate();
        numbered
            .map(|(colour, curve)| line(curve, colour))
            .collect()
    };
    let loss = curves.iter().enumerate();
    let loss = loss
        .flat_map(|(colour, curve)| curve.loss(colour, alone))
        .collect();
    let rate = each(&|curve, colour| {
        curve.figure("learning rate", colour, alone, |step| step.learning_rate)
    });
    let norm =
        each(&|curve, colour| curve.figure("gradient norm", colour, alone, |step| step.grad_norm));
    let features =
        each(&|curve, colour| curve.rate("features a second", colour, alone, |step| step.features));
    let tokens =
        each(&|curve, colour| curve.rate("tokens a second", colour, alone, |step| step.tokens));
    // Single batches go far beyond the others.
    let norm = Lines {
        log: true,
        ..chart("norm", norm)
    };
    let longest = curves
        .iter()
        .map(|curve| curve.steps.len())
        .max()
        .unwrap_or(0);
    let caption = format!(
        "Of a feature; smoothed over the last {} steps.",
        memory(longest)
    );
    html! {
        section #training {
            h2 { "Training" }
            div.scroll { table {
                thead { tr {
                    th { "run" } th.n { "steps" } th.n { "features" } th.n { "hours" }
                    th.n { "most memory" }
                } }
                tbody { @for curve in curves { (run(curve)) } }
            } }
            div.charts {
                (charts.figure("Loss", &caption, chart("loss", loss)))
                (charts.figure("Learning rate", "Before the layer factor.", chart("learning rate", rate)))
                (charts.figure("Gradient norm", "Over all gradients, before clipping.", norm))
                (charts.figure("Features a second", "", chart("features/s", features)))
                (charts.figure("Tokens a second", "Without padding.", chart("tokens/s", tokens)))
            }
        }
    }
}

fn run(curve: &TrainingCurve) -> Markup {
    let features: usize = curve.steps.iter().map(|step| step.features).sum();
    let seconds: f64 = curve.steps.iter().map(|step| step.seconds).sum();
    let peak = curve.steps.iter().filter_map(|step| step.peak_bytes).max();
    html! { tr {
        td { (curve.name) }
        td.n { (curve.steps.len()) }
        td.n { (features) }
        td.n { (format!("{:.2}", seconds / 3600.0)) }
        td.n { @if let Some(bytes) = peak { (bytes / 1_000_000) " MB" } @else { "–" } }
    } }
}
